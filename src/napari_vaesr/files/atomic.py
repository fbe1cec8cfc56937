"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napari_vaesr.errors import TryAgain, VaesrError
from napari_vaesr.files.file_array import reason
from napari_vaesr.files.place import is_zarr

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}
_NOT_SYNCED = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}  # some network drives cannot


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file under a temporary name in the same folder, and move it into place at the end.

    Whatever goes wrong in between, an interrupt included, removes the temporary file and leaves what was
    there before as it was.

    Parameters
    ----------
    path : str or Path
        The file to write; its folder has to exist.

    Yields
    ------
    Path
        An empty file to write to, with the same ending as `path`.

    Raises
    ------
    VaesrError
        When the folder is missing or not writable, or the disk is full.

    Examples
    --------
    >>> with atomic_path("result.txt") as temporary:  # doctest: +SKIP
    ...     temporary.write_text("all of it")
    """
    target, temporary = _places(path)
    if target.is_dir():
        raise VaesrError(f"{path} is a folder, please choose another name for the output.")
    try:
        try:
            temporary.touch(exist_ok=False)
            yield temporary
            sync(temporary)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        is_own = error.filename is not None and os.fspath(error.filename) == os.fspath(temporary)
        if is_own or is_full(error):
            raise _in_words(error, path) from error
        raise


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a folder under a temporary name and move it into place at the end, as `atomic_path` does files.

    A folder that was there before is replaced only then.

    Parameters
    ----------
    path : str or path-like
        The folder; the one around it has to exist.

    Yields
    ------
    Path
        The temporary name, at which the body makes the folder.

    Raises
    ------
    TryAgain
        When the disk is full.
    VaesrError
        When a file or a folder that is no Zarr is in the way, there is no folder around it, or it can't
        be written.
    """
    target, temporary = _places(path)
    if target.exists() and not target.is_dir():
        raise VaesrError(f"{path} is a file, please choose another name for the output.")
    if target.exists() and not is_zarr(target) and any(target.iterdir()):
        raise VaesrError(f"{path} is a folder with other files, please choose another name for the output.")
    try:
        yield temporary
        old = temporary.with_name(temporary.name + ".old")
        if target.exists():
            target.rename(old)
        try:
            temporary.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise _in_words(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _places(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Return what is to be replaced, which of a link is what it points to, and a new name beside it."""
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise VaesrError(f"The folder {target.parent} does not exist, please make it or choose another one.")
    return target, target.with_name(f".{secrets.token_hex(4)}.partial.{target.name}")


def _in_words(error: OSError, path: str | os.PathLike[str]) -> VaesrError:
    if is_full(error):
        return TryAgain(f"The disk is full, please make room for {path} and try again.")
    return VaesrError(
        f"{path} cannot be written ({error.strerror or reason(error)}), please choose another place."
    )


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all.

    Raises
    ------
    VaesrError
        When the file can't be written; see `atomic_path`.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        # Bytes of a file's name that are not UTF-8 are lone surrogates, which JSON can say as \udcb5.
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def sync(path: Path) -> None:
    """Return when what was written to a file, or the names in a folder, would outlast a power failure."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folders, and keeps their names by itself
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_SYNCED:
            raise
    finally:
        os.close(handle)


def sync_all(folder: Path) -> None:
    """Do as `sync` for everything in a folder, however deep."""
    for path in folder.rglob("*"):
        sync(path)
    sync(folder)


def is_full(error: OSError) -> bool:
    """Tell whether a disk, or the share of it that one may use, is full; NumPy says so without a number."""
    return error.errno in _FULL or (error.errno is None and " requested and " in str(error))

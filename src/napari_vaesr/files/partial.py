"""Outputs that take long: they grow in a hidden folder beside their place, and survive being killed."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

from filelock import FileLock, Timeout

from napari_vaesr.errors import TryAgain, VaesrError
from napari_vaesr.files.atomic import is_full, sync, sync_all

JOURNAL = "journal.jsonl"
NEW_JOURNAL = "journal.new"
LOCK = "lock"
REPLACED = "replaced"
BESIDE = ("record", "figure.png")
LAID_OUT = "laid out"


def partial_folder(path: Path) -> Path:
    """Return the folder in which an output grows."""
    return path.with_name(f".{path.name}.partial")


class PartialOutput:
    """An output that is being made, and the journal of what is done of it.

    Only one process makes an output; what others write for it, it enters here. The first line of the journal
    tells what the output is made from, each other one a part that is done and its checksum. A line that can't
    be read counts for nothing, for a power failure leaves zeros or old content. What else is in the folder
    is somebody else's, and then nothing is touched; no link is followed.

    Parameters
    ----------
    path : Path
        The output when it is complete.
    made_from : mapping
        All that decides its pixels, ready for JSON: what is half-done is gone on with only if this agrees.

    Attributes
    ----------
    folder : Path
        Where it grows.
    data : Path
        The output in there.
    done : dict of int to int
        The parts that are done, with their checksums.
    laid_out : dict
        How the output was laid out, as `begin` was told.
    ours : bool
        Whether what is in the folder is this output, and not what was made from something else.
    """

    def __init__(self, path: Path, made_from: Mapping[str, Any]) -> None:
        self.path, self.folder = path, partial_folder(path)
        self.data = self.folder / path.name
        self.made_from: dict[str, Any] = json.loads(json.dumps(made_from))
        self.done: dict[int, int] = {}
        self.laid_out: dict[str, Any] = {}
        self.ours = False

    def check(self) -> None:
        """Make sure that the folder holds nothing but what is made here.

        Raises
        ------
        VaesrError
            When it is a link or no folder, or holds something else.
        """
        if self.folder.is_symlink() or not self.folder.is_dir():
            raise VaesrError(
                f"{self.folder} is in the way and was not made here, please move it or choose another output."
            )
        found = {child.name: child.lstat().st_mode for child in self.folder.iterdir()}
        foreign = sorted(name for name, mode in found.items() if not self._is_own(name, mode))
        if not foreign and found and not found.keys() & {LOCK, JOURNAL}:
            foreign = sorted(found)
        if foreign:
            raise VaesrError(
                f"{self.folder} holds {foreign[0]!r}, which was not made here: please move it, or choose "
                "another output."
            )

    def resume(self, restart: bool) -> bool:
        """Go on with what was begun, if anything was.

        Parameters
        ----------
        restart : bool
            Throw away what was made from something else, instead of refusing.

        Returns
        -------
        bool
            False when the output is to be laid out anew, and `begin` to be called.

        Raises
        ------
        VaesrError
            When what is there was made from something else.
        """
        begun, done = self._read_journal()
        changed = [key for key in self.made_from if begun.get(key) != self.made_from[key]]
        if changed and done and not restart:
            raise VaesrError(
                f"{self.path} was begun with other values of {', '.join(changed)}: use those again to go on "
                "with it, or replace it (--force on the command line) to start anew."
            )
        self.ours = True
        self._put_back()
        if changed or not self.data.exists() or self.data.is_symlink():
            self.clear()
            return False
        self.done, self.laid_out = done, begun[LAID_OUT]
        return True

    def begin(self, laid_out: Mapping[str, Any]) -> None:
        """Start the journal, once the output is laid out in the way told."""
        self.laid_out = dict(laid_out)
        if self.data.is_dir():
            sync_all(self.data)
        else:
            sync(self.data)
        self._write_journal()

    def mark(self, part: int, checksum: int) -> None:
        """Enter a part that was written and has reached the disk."""
        self.done[part] = checksum  # first, for who is stopped while the journal is written counts the parts
        with (self.folder / JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(_line(part, checksum))
            journal.flush()
            os.fsync(journal.fileno())

    def keep(self, parts: Mapping[int, int]) -> None:
        """Forget all parts but these."""
        if parts != self.done:
            self.done = dict(parts)
            self._write_journal()

    def complete(self, beside: Mapping[Path, Path]) -> None:
        """Move everything into place, the output last.

        Parameters
        ----------
        beside : mapping of Path to Path
            Further files in the folder, and where they go.
        """
        for source, place in beside.items():
            source.replace(place)
        if self.path.is_dir() and not self.path.is_symlink():
            self.path.replace(self.folder / REPLACED)
        elif self.path.is_symlink() and self.data.is_dir():  # which takes the place of no link by itself
            self.path.unlink()
        try:
            self.data.replace(self.path)
        except OSError:
            self._put_back()
            raise
        sync(self.path.parent)

    def clear(self) -> None:
        """Throw away everything but the lock."""
        (self.folder / JOURNAL).unlink(missing_ok=True)  # first, for without it nothing else counts
        for child in self.folder.iterdir():
            mode = child.lstat().st_mode
            if child.name != LOCK and self._is_own(child.name, mode):
                _remove(child)
        self.done, self.laid_out = {}, {}

    def remove(self) -> None:
        """Throw away everything, and the folder unless somebody else has put something into it."""
        with suppress(OSError):
            self._put_back()
            self.clear()
            (self.folder / LOCK).unlink(missing_ok=True)
            self.folder.rmdir()

    def _is_own(self, name: str, mode: int) -> bool:
        """Whether this is a name, and a kind of file, that is made here."""
        if name in (self.path.name, REPLACED):
            return S_ISREG(mode) or S_ISDIR(mode)
        if re.fullmatch(r"pass-\d+", name):  # what one pass leaves to the next
            return S_ISDIR(mode)
        temporary = re.fullmatch(r"\.[0-9a-f]{8}\.partial\.(.*)", name)  # of `atomic_path`
        plain = temporary[1] if temporary else name
        return S_ISREG(mode) and plain in (JOURNAL, NEW_JOURNAL, LOCK, *BESIDE)

    def _put_back(self) -> None:
        """Give the output that was to be replaced its name again, where nothing else has it."""
        old = self.folder / REPLACED
        if old.exists() and not self.path.exists():
            old.replace(self.path)

    def _write_journal(self) -> None:
        new = self.folder / NEW_JOURNAL
        lines = [json.dumps({**self.made_from, LAID_OUT: self.laid_out}) + "\n"]
        lines += [_line(part, checksum) for part, checksum in self.done.items()]
        new.write_text("".join(lines), encoding="utf-8")
        sync(new)
        new.replace(self.folder / JOURNAL)
        sync(self.folder)

    def _read_journal(self) -> tuple[dict[str, Any], dict[int, int]]:
        """Return the first line and the parts that are done, and cut off a line not written to its end."""
        try:
            with (self.folder / JOURNAL).open("rb+") as journal:
                text = journal.read()
                whole = text[: text.rfind(b"\n") + 1]
                journal.truncate(len(whole))
        except FileNotFoundError:
            return {}, {}
        first, *others = [_parsed(line) for line in whole.split(b"\n")]
        if not isinstance(first.get(LAID_OUT), dict):  # then nobody knows what the parts are of
            return {}, {}
        done = {}
        for line in others:
            part, checksum = line.get("done"), line.get("checksum")
            if type(part) is int and type(checksum) is int:
                done[part] = checksum
        return first, done


def _line(part: int, checksum: int) -> str:
    return json.dumps({"done": part, "checksum": checksum}) + "\n"


def _parsed(line: bytes) -> dict[str, Any]:
    """Return what a line of the journal says; nothing where it can't be read."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it; links in there are not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def partial_output(path: Path, made_from: Mapping[str, Any]) -> Iterator[PartialOutput]:
    """Hold the folder of an output that takes long, alone.

    When the body ends well, the folder goes. When it doesn't, the folder stays if anything in it is done,
    unless an error says that the same work would fail again.

    Parameters
    ----------
    path : Path
        The output when it is complete.
    made_from : mapping
        All that decides its pixels, ready for JSON.

    Raises
    ------
    VaesrError
        When another process is making the same output, somebody else's files are where it would grow, it
        can't be written, or the disk is full.
    """
    partial = PartialOutput(path, made_from)
    lock = FileLock(partial.folder / LOCK, timeout=0)
    keep = True
    try:
        if not os.path.lexists(partial.folder):
            partial.folder.mkdir()
        partial.check()
        with lock:
            keep = False
            try:
                yield partial
            except BaseException as error:
                hopeless = isinstance(error, VaesrError) and not isinstance(error, TryAgain)
                keep = not partial.ours or (bool(partial.done) and not hopeless)
                raise
    except Timeout:
        raise TryAgain(
            f"{path} is being written by another process, please wait for it or choose another output."
        ) from None
    except OSError as error:
        if is_full(error):
            raise TryAgain(
                f"The disk is full, please make room for {path} and give the same command again: it goes on "
                "where it stopped."
            ) from error
        if error.filename is not None and str(error.filename).startswith(str(partial.folder)):
            raise VaesrError(
                f"{path} cannot be written ({error.strerror}), please choose another place."
            ) from error
        raise
    finally:
        if not keep:
            partial.remove()

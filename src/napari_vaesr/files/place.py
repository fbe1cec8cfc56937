"""Where an image is: a path on this machine, or an address."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from napari_vaesr.errors import VaesrError

MOST_LOOKED_AT = 10_000
"""Files of a folder that are asked when they were written."""

SECOND = 10**9
"""In nanoseconds."""

LEFT_BY_VIEWERS = (".DS_Store", "Thumbs.db", "desktop.ini")

ZIPPED_ZARR = ".zarr.zip"

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|file:/", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Address:
    """The address of an image on another machine, with as much of a path's manners as is needed.

    Attributes
    ----------
    text : str
        Such as ``https://example.org/cells.zarr``.
    """

    text: str

    def __str__(self) -> str:
        return self.text

    def __fspath__(self) -> str:
        return self.text

    def __truediv__(self, name: str) -> Address:
        return Address(f"{self.text.rstrip('/')}/{name}")

    @property
    def name(self) -> str:
        """The last part of the path, without a query; the host where there is no path."""
        parts = urlsplit(self.text)
        return unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.netloc

    @property
    def suffix(self) -> str:
        """What the name ends with, with its dot."""
        return Path(self.name).suffix

    def resolve(self) -> Address:
        """Return itself: an address means the same everywhere."""
        return self

    def absolute(self) -> Address:
        """Return itself."""
        return self


Place = Path | Address


def is_address(text: object) -> bool:
    """Whether something is an address, such as ``s3://bucket/cells.zarr``; ``file:///`` counts, too."""
    return isinstance(text, Address) or (isinstance(text, str) and bool(_ADDRESS.match(text)))


def as_place(path: str | PathLike[str] | Address) -> Place:
    """Return a path, of ``file:///`` addresses too, or an address.

    Raises
    ------
    VaesrError
        When it is no address, or that of a file on another machine.
    """
    if isinstance(path, (Path, Address)):
        return path
    text = str(path)
    if not is_address(text):
        return Path(text)
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise VaesrError(f"{text} is no address, please check it.") from error
    if parts.scheme != "file":
        return Address(text)
    if parts.netloc.lower() not in ("", "localhost"):
        if not _is_windows():
            raise VaesrError(f"{text} is a file of another machine, please give the path that it has here.")
        return Path(url2pathname(f"//{parts.netloc}{parts.path}"))
    return Path(url2pathname(parts.path))


def is_zarr(path: Place) -> bool:
    """Whether this is a Zarr by its metadata; by its name alone where it is on another machine, or a file."""
    if isinstance(path, Address):
        return ".zarr" in path.text.lower() and not path.name.lower().endswith(".zip")
    if path.name.lower().endswith(ZIPPED_ZARR):
        return path.is_file()
    names = (".zattrs", ".zgroup", ".zarray", "zarr.json")
    return path.is_dir() and any((path / name).is_file() for name in names)


def fingerprint(place: Place) -> tuple[int, int]:
    """Return size and time of a file, which tell whether it has changed; zeros where nothing tells."""
    if isinstance(place, Address):
        return 0, 0
    names = ("zarr.json", ".zattrs", ".zarray")
    stat = next((path for name in names if (path := place / name).is_file()), place).stat()
    return stat.st_size, stat.st_mtime_ns


def file_state(place: Place) -> dict[str, int]:
    """Return what tells whether an input has changed, ready for JSON; of a folder by the files in it.

    A Zarr may still be written when it is read first, and its description stays as it is then. Of very many
    files the first ones are looked at.
    """
    size, time = fingerprint(place)
    if isinstance(place, Path) and place.is_dir():
        stats = [each.stat() for each in islice(_files_in(place), MOST_LOOKED_AT)]
        size = sum(each.st_size for each in stats)
        time = max((each.st_mtime_ns for each in stats), default=time)
    return {"size": size, "time": time}


def is_same_state(now: dict[str, int], before: dict[str, int]) -> bool:
    """Whether an input is as it was: archives and some disks keep its time in whole seconds, or in two."""
    is_cut = now["time"] % SECOND == 0 and abs(now["time"] - before["time"]) < 2 * SECOND
    return now["size"] == before["size"] and (now["time"] == before["time"] or is_cut)


def _files_in(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder, in an order that stays; what viewers of folders leave there is none."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent, name) for name in sorted(names) if name not in LEFT_BY_VIEWERS)


def _is_windows() -> bool:
    """Whether paths may name another machine."""
    return os.name == "nt"

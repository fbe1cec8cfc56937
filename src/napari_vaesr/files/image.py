"""Open an image file with what it says about itself: axes, pixel size, units and channel names."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from napari_vaesr.errors import VaesrError

TIFF_SUFFIXES = (".tif", ".tiff", ".btf")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
SUFFIXES = (*TIFF_SUFFIXES, *PICTURE_SUFFIXES, ".npy", ".zarr")
"""Endings of what can be read, in lower case."""


class UnknownAxes(VaesrError):
    """The file doesn't name its axes; the message asks for them."""


@dataclass(frozen=True)
class ImageFile:
    """An opened image file.

    Attributes
    ----------
    path : Path
        Where it is.
    name : str
        File name without its ending.
    data : array
        The pixels; a Dask array that reads them when they are needed, but for small formats.
    axes : str
        One letter of ``TCZYXS`` per axis of `data`.
    pixel_size : dict of str to float
        Distance between pixels by axis letter, where the file tells.
    units : dict of str to str
        Unit of that distance by axis letter, spelled out (``"micrometer"``); none means pixels.
    channel_names : tuple of str
        One per position of ``C``, or empty.
    offset : dict of str to float
        Where the centre of the first pixel is, in the units above, by axis letter; at 0 where it isn't told.
    annotation : dict
        What this package wrote into the file beyond that: how a result was made, and the look of its layers.
    """

    path: Path
    name: str
    data: Any
    axes: str
    pixel_size: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    offset: dict[str, float] = field(default_factory=dict)
    annotation: dict[str, Any] = field(default_factory=dict)


def read_image(path: str | PathLike[str], axes: str | None = None) -> ImageFile:
    """Open an image.

    TIFF (OME, ImageJ and plain), PNG, JPEG, NumPy and Zarr (OME-Zarr 0.1 to 0.5, in full resolution). Only
    the first image is opened where a file holds several.

    Parameters
    ----------
    path : str or Path
        A file, or a folder for Zarr.
    axes : str, optional
        Letters from ``TCZYXS``; needed where the file doesn't tell, and stronger where it does.

    Raises
    ------
    VaesrError
        When there is no such file, its format is not known, it is damaged or cut off, or its axes are not
        known or don't fit.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    _check_readable(path)
    if path.is_dir():
        if suffix == ".zarr" or _is_zarr(path):
            from napari_vaesr.files.ome_zarr import read_zarr

            return read_zarr(path, axes)
        raise VaesrError(f"{path} is a folder, please choose the images in it.")
    if suffix in TIFF_SUFFIXES:
        from napari_vaesr.files.tiff import read_tiff

        return read_tiff(path, axes)
    if suffix in PICTURE_SUFFIXES:
        from napari_vaesr.files.picture import read_picture

        return read_picture(path, axes)
    if suffix == ".npy":
        from napari_vaesr.files.picture import read_npy

        return read_npy(path, axes)
    raise VaesrError(
        f"{path} has no format that is known, please convert it to one of {', '.join(SUFFIXES)}."
    )


def can_read(path: str | PathLike[str]) -> bool:
    """Return whether this looks like an image that `read_image` knows; cheap, and never raises."""
    try:
        path = Path(path)
        if path.is_dir():
            return _is_zarr(path)
        return path.suffix.lower() in SUFFIXES and path.is_file()
    except (OSError, TypeError, ValueError):  # for example a null character in the name
        return False


def expand_inputs(paths: Sequence[str]) -> list[Path]:
    """Find the images that a user means.

    Parameters
    ----------
    paths : sequence of str
        Files, folders (every image right inside) and glob patterns (``**`` for folders at any depth).

    Returns
    -------
    list of Path
        Sorted, none twice.

    Raises
    ------
    VaesrError
        When one of them leads to nothing.
    """
    found: set[Path] = set()
    for text in map(str, paths):
        path = Path(text).expanduser()
        if path.is_dir() and not _is_zarr(path):
            matches = [
                child for child in path.iterdir() if can_read(child) and not child.name.startswith(".")
            ]
        elif path.exists():
            matches = [path]
        elif glob.has_magic(text):
            # Path.glob takes no absolute patterns.
            matches = [Path(each) for each in glob.glob(str(path), recursive=True) if can_read(each)]  # noqa: PTH207
        else:
            raise VaesrError(f"There is no file {text}, please check its name.")
        if not matches:
            raise VaesrError(f"There are no images in {text}, please choose others ({', '.join(SUFFIXES)}).")
        found.update(matches)
    if not found:
        raise VaesrError("There is nothing to read, please name an image.")
    return sorted(found)


def image_name(path: Path) -> str:
    """Return a file name without what names its format, ``cells`` for ``cells.ome.tif``."""
    return path.with_suffix("").name.removesuffix(".ome")


def ask_for_axes(path: Path, shape: Sequence[int], known: str = "") -> UnknownAxes:
    """Return the error that asks for the axes of an image that doesn't tell them."""
    from napari_vaesr.imaging.axes import MEANING

    says = f"only says {known!r} about" if known else "doesn't name"
    return UnknownAxes(
        f"{path} has the shape {tuple(shape)} and {says} its axes, please give one letter for each, "
        f"such as ZYX for a z-stack ({MEANING})."
    )


def _check_readable(path: Path) -> None:
    try:
        if not path.is_dir():
            with path.open("rb"):
                pass
    except FileNotFoundError as error:
        raise VaesrError(f"There is no file {path}, please check its name.") from error
    except (OSError, ValueError) as error:
        raise VaesrError(f"{path} cannot be opened, please check that you may read it.") from error


def _is_zarr(path: Path) -> bool:
    return any((path / name).is_file() for name in (".zattrs", ".zgroup", ".zarray", "zarr.json"))

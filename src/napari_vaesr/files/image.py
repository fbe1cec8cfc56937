"""Open an image file with what it says about itself: axes, pixel size, units and channel names."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from stat import S_ISDIR

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image_file import ImageFile, Series
from napari_vaesr.files.limits import check_kind
from napari_vaesr.files.place import ZIPPED_ZARR, Address, Place, as_place, is_address, is_zarr

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".lsm", ".stk", ".svs")
VENDOR_SUFFIXES = (".czi", ".nd2", ".lif", ".dv", ".r3d")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
SUFFIXES = (*TIFF_SUFFIXES, *PICTURE_SUFFIXES, ".npy", ".zarr", ZIPPED_ZARR, *VENDOR_SUFFIXES)
"""Endings of what can be read, in lower case."""


def read_image(
    path: str | PathLike[str], axes: str | None = None, series: Series = None, *, labels: bool = False
) -> ImageFile:
    """Open an image.

    TIFF (OME, ImageJ and plain, LSM, STK, SVS), PNG, JPEG, NumPy and Zarr (OME-Zarr 0.1 to 0.5, in full
    resolution, also zipped or at an address), and CZI, ND2, LIF and DV with the extra ``formats``. Where a
    file holds several images, the first is opened unless another is named, and the notes tell.

    Parameters
    ----------
    path : str or Path
        A file, or a folder for Zarr.
    axes : str, optional
        Letters from ``TCZYXS``; needed where the file doesn't tell, and stronger where it does.
    series : str or int, optional
        Which image of the file, by its name or its number from 0; see `series_names`.
    labels : bool
        Open the numbers of objects, too, where the file says that it holds such.

    Raises
    ------
    VaesrError
        When there is no such file, its format is not known, it is damaged or cut off, or its axes are not
        known or don't fit.
    """
    path = as_place(path)
    if is_zarr(path) or (isinstance(path, Path) and path.suffix.lower() == ".zarr" and path.is_dir()):
        from napari_vaesr.files.ome_zarr import read_zarr

        return read_zarr(path, axes, series, labels)
    path = _local_file(path)
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        from napari_vaesr.files.tiff import read_tiff

        return read_tiff(path, axes, series)
    if suffix in VENDOR_SUFFIXES:
        from napari_vaesr.files.vendor import read_vendor

        return read_vendor(path, axes, series)
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
        place = as_place(path)
        if isinstance(place, Address) or place.is_dir():
            return is_zarr(place)
        return place.name.lower().endswith(SUFFIXES) and place.is_file()
    except (OSError, TypeError, ValueError):  # for example a null character in the name
        return False


def expand_inputs(paths: Sequence[str]) -> list[Place]:
    """Find the images that a user means.

    Parameters
    ----------
    paths : sequence of str
        Files, folders (every image right inside) and glob patterns (``**`` for folders at any depth).

    Returns
    -------
    list of Path or Address
        Sorted, none twice.

    Raises
    ------
    VaesrError
        When one of them leads to nothing.
    """
    found: set[Place] = set()
    for text in map(str, paths):
        path = as_place(text)
        if isinstance(path, Address):
            found.add(path)
            continue
        path = path.expanduser()
        matches: list[Path]
        _check_name(path)
        if path.is_dir() and not is_zarr(path):
            matches = [
                child for child in path.iterdir() if can_read(child) and not child.name.startswith(".")
            ]
        elif path.exists():
            matches = [path]
        elif glob.has_magic(text) and not is_address(text):
            # Path.glob takes no absolute patterns.
            matches = [Path(each) for each in glob.glob(str(path), recursive=True) if can_read(each)]  # noqa: PTH207
        else:
            raise VaesrError(f"There is no file {text}, please check its name.")
        if not matches:
            raise VaesrError(f"There are no images in {text}, please choose others ({', '.join(SUFFIXES)}).")
        found.update(matches)
    # What lies inside a Zarr that is meant, too, is a part of it.
    found -= {path for path in found if isinstance(path, Path) and found & set(path.parents)}
    if not found:
        raise VaesrError("There is nothing to read, please name an image.")
    return sorted(found, key=str)


def series_names(path: str | PathLike[str]) -> list[str]:
    """Return the names of the images that a file holds, in its order; one for most formats.

    Parameters
    ----------
    path : str or Path
        A file, or a folder for Zarr.

    Raises
    ------
    VaesrError
        When the file cannot be read.
    """
    path = as_place(path)
    if is_zarr(path):
        from napari_vaesr.files.ome_zarr import zarr_series

        return zarr_series(path)
    path = _local_file(path)
    if path.suffix.lower() in TIFF_SUFFIXES:
        from napari_vaesr.files.tiff import tiff_series

        return tiff_series(path)
    if path.suffix.lower() in VENDOR_SUFFIXES:
        from napari_vaesr.files.vendor import vendor_series

        return vendor_series(path)
    return [""]


def parts_in_files(place: Place) -> list[Path]:
    """Return the files that an image is spread over; none where it is in one. Never raises."""
    if not isinstance(place, Path) or not place.name.lower().endswith((".ome.tif", ".ome.tiff")):
        return []
    from napari_vaesr.files.tiff import spread_over

    return [place.with_name(name) for name in spread_over(place) if name and name == Path(name).name]


def without_repeats(places: Sequence[Place]) -> list[Place]:
    """Leave out files whose image is spread over several, and begins in another of them."""
    known = set(places)

    def is_repeat(place: Place) -> bool:
        parts = parts_in_files(place) if isinstance(place, Path) else []
        return place in parts and any(part in known for part in parts[: parts.index(place)])

    return [place for place in places if not is_repeat(place)]


def is_plate(path: Place) -> bool:
    """Whether this holds wells of a plate; never raises."""
    if not is_zarr(path):
        return False
    from napari_vaesr.files.ome_zarr import is_plate

    return is_plate(path)


def _local_file(path: Place) -> Path:
    """Return a file that may be read.

    Raises
    ------
    VaesrError
        When it is a folder, is not there, or is on another machine.
    """
    if isinstance(path, Address):
        raise VaesrError(f"{path} is no Zarr, and only Zarr is read from afar: please download it first.")
    _check_readable(path)
    if path.is_dir():
        raise VaesrError(f"{path} is a folder, please choose the images in it.")
    return path


def _check_name(path: Path) -> None:
    """Raise `VaesrError` for a path that no disk can have."""
    try:
        path.exists()
    except VaesrError:
        raise
    except (OSError, ValueError) as error:
        raise VaesrError(f"{path} cannot be opened, please check its name.") from error


def _check_readable(path: Path) -> None:
    try:
        status = path.stat()
        check_kind(path, status)
        if not S_ISDIR(status.st_mode):
            with path.open("rb"):
                pass
    except FileNotFoundError as error:
        raise VaesrError(f"There is no file {path}, please check its name.") from error
    except VaesrError:
        raise
    except (OSError, ValueError) as error:
        raise VaesrError(f"{path} cannot be opened, please check that you may read it.") from error

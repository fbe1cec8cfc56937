"""Open an image file with what it says about itself: axes, pixel size, units and channel names."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.limits import check_kind
from napari_vaesr.files.place import ZIPPED_ZARR, Address, Place, as_place, is_address, is_zarr
from napari_vaesr.files.units import comparable
from napari_vaesr.imaging.axes import Source

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".lsm", ".stk", ".svs")
VENDOR_SUFFIXES = (".czi", ".nd2", ".lif", ".dv", ".r3d")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
SUFFIXES = (*TIFF_SUFFIXES, *PICTURE_SUFFIXES, ".npy", ".zarr", ZIPPED_ZARR, *VENDOR_SUFFIXES)
"""Endings of what can be read, in lower case."""


Series = str | int | None
"""Which image of a file is meant: its name or its number from 0; the first if None."""


class UnknownAxes(VaesrError):
    """The file doesn't name its axes; the message asks for them.

    Attributes
    ----------
    shape : tuple of int
        That of the image.
    """

    def __init__(self, message: str, shape: Sequence[int]) -> None:
        super().__init__(message)
        self.shape = tuple(shape)


@dataclass(frozen=True)
class ImageFile:
    """An opened image file.

    Attributes
    ----------
    path : Path or Address
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
    colours : tuple of str
        One per channel as ``"00FF00"``, empty where a channel has none; or empty altogether.
    windows : tuple of ((float, float) or None)
        Intensities to show as dark and as bright, one per channel; or empty.
    series : str
        Which of the images in the file this is; empty where it is the only one.
    notes : tuple of str
        What the user should know of how it was read: sentences.
    icc : bytes or None
        The colour profile.
    dots : (float, float) or None
        Pixels per meter along X and Y as a printer would take them; often 72 to an inch and untrue.
    """

    path: Place
    name: str
    data: Any
    axes: str
    pixel_size: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    offset: dict[str, float] = field(default_factory=dict)
    annotation: dict[str, Any] = field(default_factory=dict)
    colours: tuple[str, ...] = ()
    windows: tuple[tuple[float, float] | None, ...] = ()
    series: str = ""
    notes: tuple[str, ...] = ()
    icc: bytes | None = None
    dots: tuple[float, float] | None = None

    @property
    def source(self) -> Source:
        """Pixels, axes, and the sizes of pixels along axes that can be compared, in the unit of ``X``."""
        return Source.of(self.data, self.axes, comparable(self.pixel_size, self.units))


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


def chosen_series(path: Place, names: Sequence[str], series: Series) -> int:
    """Return the number of the image that is meant.

    Raises
    ------
    VaesrError
        When there is none of that name or number.
    """
    if series is None:
        return 0
    if isinstance(series, str) and series in names:
        return list(names).index(series)
    text = str(series).strip()
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    raise VaesrError(
        f"{path} holds no image {series!r}, please choose one of {_listed(names)}, by its name or from 0 on."
    )


def told_apart(names: Iterable[str]) -> list[str]:
    """Return the names of images so that each is meant by its own: the first of several alike keeps it.

    Examples
    --------
    >>> told_apart(["field", "field", "other"])
    ['field', 'field 1', 'other']
    """
    listed = list(names)
    own, found = set(listed), dict[str, None]()
    for number, name in enumerate(listed):
        apart = name
        while apart in found or (apart != name and apart in own):
            apart = f"{apart} {number}"
        found[apart] = None
    return list(found)


def told_of_others(path: Place, names: Sequence[str], series: Series) -> list[str]:
    """Return the sentence that tells of a file's other images, where nobody has chosen one."""
    if series is not None or len(names) < 2:
        return []
    return [
        f"{path.name} holds {len(names)} images ({_listed(names)}) and this is the first: choose another by "
        "its series (--series on the command line)."
    ]


def _listed(names: Sequence[str]) -> str:
    shown = [repr(name) for name in names[:8]]
    return ", ".join(shown) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def image_name(path: Place, series: str = "", joint: str = " ") -> str:
    """Return what to call an image, from the name of its file without what names the format.

    ``cells`` for ``cells.ome.tif``, ``cells scene B`` for one of several images in there, and ``plate A1 0``
    for the folder ``plate.zarr/A/1/0`` or for ``A/1/0`` in a plate. `joint` is what stands between these.
    """
    inside = [part for part in series.split("/") if part]
    if isinstance(path, Path):
        parts = path.parts
        stores = [number for number, part in enumerate(parts[:-1]) if part.lower().endswith(".zarr")]
        if stores:  # the numbers of fields and levels say nothing without their plate
            path, inside = Path(*parts[: stores[-1] + 1]), [*parts[stores[-1] + 1 :], *inside]
    name = path.name
    ending = Path(name).suffix
    name = name[: -len(ending)] if ending else name
    for suffix in (".zarr", ".ome"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    if len(inside) >= 2 and inside[0].isalpha() and inside[1].isdecimal():
        inside[:2] = ["".join(inside[:2])]  # the well
    return joint.join([name, *inside])


def ask_for_axes(path: Place, shape: Sequence[int], known: str = "") -> UnknownAxes:
    """Return the error that asks for the axes of an image that doesn't tell them."""
    from napari_vaesr.imaging.axes import MEANING

    says = f"only says {known!r} about" if known else "doesn't name"
    return UnknownAxes(
        f"{path} has the shape {tuple(shape)} and {says} its axes, please give one letter for each, "
        f"such as ZYX for a z-stack ({MEANING}).",
        shape,
    )


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

"""Images on disk: which there are, and their planes as they are there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import read_image
from napari_vaesr.files.image_file import UnknownAxes
from napari_vaesr.files.made import is_mask, is_result
from napari_vaesr.imaging.axes import STACKING, Axes
from napari_vaesr.imaging.colour import luma, premultiplied
from napari_vaesr.luma import BLUE, GREEN, RED

EVERY = 10
"""One file of so many is held out."""

SUFFIXES = {".png", ".tif", ".tiff", ".jpg", ".jpeg"}

LARGEST = float(np.finfo(np.float32).max) / 4
"""Of the values that are learnt from: their differences are within float32, too."""


def find_images(places: Sequence[Path], passed: list[Path] | None = None) -> list[Path]:
    """List image files: those named, and all below the folders named but results, masks and labels.

    Parameters
    ----------
    places : sequence of Path
        Files and folders.
    passed : list of Path, optional
        Gets what is passed over.

    Raises
    ------
    VaesrError
        When a place does not exist or there is no image.
    """
    files: list[Path] = []
    passed = [] if passed is None else passed
    for place in places:
        if not place.exists():
            raise VaesrError(f"{place} does not exist: give a folder of images or an image file.")
        if place.is_file():
            files.append(place)
        else:
            files += with_intensities(place, SUFFIXES, passed)
    if not files:
        listed = " and ".join(map(str, places))
        why = f" ({why_passed(passed)})" if passed else ""
        raise VaesrError(f"{listed} holds no PNG, TIFF or JPEG image{why}: give another folder.")
    return sorted(set(files))


def with_intensities(folder: Path, suffixes: Collection[str], passed: list[Path] | None) -> Iterator[Path]:
    """Yield the images below a folder, without results of upscalings, masks and labels; see `find_images`.

    Parameters
    ----------
    folder : Path
        Searched however deep.
    suffixes : collection of str
        Endings of the files to look at, such as ``.tif``, in lower case.
    passed : list of Path, optional
        What is passed over is added to it.
    """
    for path in visible_files(folder):
        if path.suffix.lower() not in suffixes or (path.is_dir() and path.suffix.lower() != ".zarr"):
            continue
        if not (is_result(path) or is_mask(path, folder)):
            yield path
        elif passed is not None:
            passed.append(path)


def why_passed(passed: Collection[Path]) -> str:
    """Say how many files were passed over, and why; see `with_intensities`."""
    passed = set(passed)
    results = sum(map(is_result, passed))
    counts = {
        ("a mask or labels by its type or name", "masks or labels by type or name"): len(passed) - results,
        ("the result of an upscaling", "results of upscalings"): results,
    }
    told = [one if count == 1 else f"{count} {several}" for (one, several), count in counts.items() if count]
    files = "1 file is" if len(passed) == 1 else f"{len(passed)} files are"
    return f"{files} left out, {' and '.join(told)}"


def visible_files(folder: Path) -> Iterator[Path]:
    """Yield what lies below a folder, without what is hidden: macOS's ``._cells.tif``, unfinished results."""
    for path in folder.rglob("*"):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def hold_out(places: Sequence[Path], smallest: int = 1) -> tuple[list[Path], list[Path]]:
    """Split image files into those to train on and those to validate on; one file serves for both.

    Parameters
    ----------
    places : sequence of Path
        Files, or folders that are searched.
    smallest : int
        Shortest side of an image to validate on: where all that are held out are smaller, others are.

    Returns
    -------
    learn, check : list of Path
        Both in order and neither empty.
    """
    files = find_images(places)
    held = files[EVERY // 2 :: EVERY] or files[-1:]
    if not any(_is_large(path, smallest) for path in held):
        files = [path for path in files if _is_large(path, smallest)] or files
        held = files[EVERY // 2 :: EVERY] or files[-1:]
    left = set(files) - set(held)
    return sorted(left) or files, held


def _is_large(path: Path, smallest: int) -> bool:
    try:
        image = read_image(path, None)
    except UnknownAxes as error:
        return min(error.shape[-2:]) >= smallest
    except (OSError, VaesrError):  # which is told when it is read
        return True
    lengths = dict(zip(image.axes, image.data.shape, strict=True))
    return bool(min(lengths["Y"], lengths["X"]) >= smallest)


def hold_out_listed(places: Sequence[Path], listing: Path) -> tuple[list[Path], list[Path]]:
    """Split image files into those to train on and those named in a text file, to validate on.

    Parameters
    ----------
    places : sequence of Path
        Images and folders of them.
    listing : Path
        One image a line, by its name or the end of its path, such as ``phase/cell_7.png``.

    Raises
    ------
    VaesrError
        When the list can't be read, names an image that is not there or leaves none to train on.
    """
    try:
        lines = [line.strip() for line in listing.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise VaesrError(f"The list {listing} can't be read: give a text file of image names.") from error
    files = find_images(places)
    ends = {path: f"/{path.as_posix()}" for path in files}
    held: list[Path] = []
    for line in filter(None, lines):
        named = [path for path in files if ends[path].endswith(f"/{line}")]
        if not named:
            raise VaesrError(f"{listing} names {line!r}, which is not among the images: correct the list.")
        held += named
    left = sorted(set(files) - set(held))
    if not left:
        raise VaesrError(f"{listing} names all images, so none is left to train on: name fewer.")
    return left, sorted(set(held))


def load_planes(places: Sequence[Path], smallest: int) -> dict[str, list[NDArray[np.generic]]]:
    """Read images as grey planes, grouped by the folder they lie in; see `load_stacks`."""
    groups = load_stacks(places, smallest)
    return {name: [plane for stack in stacks for plane in stack] for name, stacks in groups.items()}


def load_stacks(places: Sequence[Path], smallest: int) -> dict[str, list[NDArray[np.generic]]]:
    """Read images as grey stacks of planes, grouped by the folder they lie in.

    Parameters
    ----------
    places : sequence of Path
        PNG, TIFF or JPEG files, or folders of them. Colour is turned to luma.
    smallest : int
        Images with a shorter side than this are left out.

    Returns
    -------
    dict
        By folder, arrays (planes, Y, X); single images have one plane.

    Raises
    ------
    VaesrError
        When there is nothing to train on, or a file cannot be read.
    """
    groups: dict[str, list[NDArray[np.generic]]] = {}
    for path in find_images(places):
        for stack in grey_stacks(path):
            if min(stack.shape[1:]) >= smallest:
                groups.setdefault(path.parent.name, []).append(stack)
    if not groups:
        listed = " and ".join(map(str, places))
        raise VaesrError(f"{listed} holds no image of {smallest} pixels a side or more: give larger images.")
    return groups


def grey_planes(path: Path) -> list[NDArray[np.generic]]:
    """Read all planes of an image file, whatever their axes; see `grey_stacks`."""
    return [plane for stack in grey_stacks(path) for plane in stack]


def grey_stacks(path: Path) -> list[NDArray[np.generic]]:
    """Read an image file as stacks of planes, along Z or else time; colour as its luma.

    Returns
    -------
    list of array
        (planes, Y, X) each, one for every channel and whatever else there is. Axes that a file does not name
        are taken for depth.

    Raises
    ------
    VaesrError
        When it can't be read, or a value is NaN or infinite.
    """
    try:
        pixels, axes = _pixels(path)
    except (OSError, VaesrError) as error:
        raise VaesrError(f"{path} cannot be read as an image, remove it or replace it: {error}") from error
    if pixels.dtype.kind not in "buif":
        raise VaesrError(f"{path} holds {pixels.dtype} and no intensities: leave the image out.")
    if "S" in axes:
        with _of_file(path):
            pixels, axes = _luma(np.moveaxis(pixels, axes.index("S"), -1)), axes.replace("S", "")
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise VaesrError(f"{path} holds NaN or infinite values: replace them, or leave the image out.")
    if pixels.dtype.kind == "f" and pixels.size and np.abs(pixels).max() > LARGEST:
        raise VaesrError(f"{path} holds values too large for float32: divide them, or leave the image out.")
    pixels = np.moveaxis(pixels, (axes.index("Y"), axes.index("X")), (-2, -1))
    others = axes.replace("Y", "").replace("X", "")
    along = next((name for name in STACKING if name in others and pixels.shape[others.index(name)] > 1), None)
    if along is None:
        return list(pixels.reshape(-1, 1, *pixels.shape[-2:]))
    pixels = np.moveaxis(pixels, others.index(along), -3)
    return list(pixels.reshape(-1, *pixels.shape[-3:]))


@contextmanager
def _of_file(path: Path) -> Iterator[None]:
    """Say what is wrong with its file."""
    try:
        yield
    except VaesrError as error:
        raise VaesrError(f"{path}: {error}") from error


def _pixels(path: Path) -> tuple[NDArray[Any], str]:
    try:
        image = read_image(path)
    except UnknownAxes as error:
        image = read_image(path, "TCZYX"[-len(error.shape) :])
    return np.asarray(image.data), image.axes


def _luma(colours: NDArray[Any]) -> NDArray[Any]:
    """Return (..., Y, X) of (..., Y, X, S) in its dtype, weighted by their alpha as for the network."""
    seen = premultiplied(colours)[..., :3].astype(np.float32)
    found: NDArray[Any] = seen @ np.array([RED, GREEN, BLUE], np.float32)
    return found.round().astype(colours.dtype) if colours.dtype.kind == "u" else found


def value_range(plane: NDArray[np.generic]) -> tuple[float, float]:
    """Return the intensities that become 0 and 1: 0 and 255 for 8 bits, else the plane's extremes.

    Parameters
    ----------
    plane : array
        A whole one.
    """
    return (0.0, 255.0) if plane.dtype == np.uint8 else (float(plane.min()), float(plane.max()))


def to_unit(plane: NDArray[np.generic], limits: tuple[float, float] | None = None) -> NDArray[np.float32]:
    """Bring a plane to [0, 1].

    Parameters
    ----------
    plane : array of shape (Y, X)
        A plane, or a part of one.
    limits : (float, float), optional
        What becomes 0 and 1; by default `value_range` of this plane.
    """
    low, high = limits or value_range(plane)
    exact = np.promote_types(plane.dtype, np.float32)  # which wide integers and float64 need
    return ((plane.astype(exact) - low) / (high - low or 1.0)).astype(np.float32)


def read_planes(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """Read an image plane by plane; colours are weighted by their alpha, as for the network."""
    image = read_image(path)
    axes = Axes.parse(image.axes, image.data.shape)
    for number in range(axes.plane_count):
        plane = np.asarray(axes.read_plane(image.data, number, slice(None), slice(None)))
        name = image.name if axes.plane_count == 1 else f"{image.name}, plane {number}"
        if plane.ndim == 3 and plane.shape[-1] == 4:
            with _of_file(path):
                plane = as_dtype(plane.dtype, premultiplied(plane)[..., :3])
        yield name, plane


def grey(image: NDArray[Any]) -> NDArray[Any]:
    """Return the luma of a colour image, and a grey one as it is.

    Parameters
    ----------
    image : array of shape (Y, X) or (Y, X, S)
        Of any dtype, which stays.
    """
    return image if image.ndim == 2 else as_dtype(image.dtype, luma(image.astype(np.float64)))


def as_dtype(dtype: np.dtype[Any], image: NDArray[Any]) -> NDArray[Any]:
    """Return an image in a dtype, as a camera or a file would hold it.

    Parameters
    ----------
    dtype : dtype
        Integers are rounded and clipped; for all others it is float32.
    image : array
        In the unit of that dtype.
    """
    if dtype.kind not in "iu":
        return image.astype(np.float32)
    limits = np.iinfo(dtype)
    rounded: NDArray[Any] = np.clip(np.rint(image), limits.min, limits.max).astype(dtype)
    return rounded

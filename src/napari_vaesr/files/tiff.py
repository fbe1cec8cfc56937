"""TIFF files: OME, ImageJ and plain."""

from __future__ import annotations

import logging
import math
import struct
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import tifffile
import zarr

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.described import Described, as_number
from napari_vaesr.files.file_array import FileArray, as_dask, reason
from napari_vaesr.files.image_file import (
    ImageFile,
    Series,
    ask_for_axes,
    chosen_series,
    image_name,
    told_apart,
    told_of_others,
)
from napari_vaesr.files.limits import check_described, check_piece
from napari_vaesr.files.ome import OmeImage, annotation, files_of, images_in
from napari_vaesr.files.orientation import TURNED, upright
from napari_vaesr.files.tiff_described import described, resolution
from napari_vaesr.files.tiff_segments import bound
from napari_vaesr.imaging.axes import LETTERS, Axes
from napari_vaesr.imaging.colour import straight

# tifffile tells of damage by log lines and goes on; here damage is found and raised instead.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

WHOLE_PAGE = 32 * 1024**2
"""Bytes up to which a page is decoded whole, which is faster than strip by strip."""

PROFILE, ALPHA, WEIGHTED = "InterColorProfile", (1, 2), 1

DOT_UNITS = {2: 0.0254, 3: 1e-2, 4: 1e-3, 5: 1e-6}
"""Meters by the tag ResolutionUnit."""


WORDS = ("frames", "slices", "channels")
"""What ImageJ calls the axes T, Z and C."""


def read_tiff(path: Path, axes: str | None, series: Series) -> ImageFile:
    """Open an image of a TIFF in full resolution, lazily: the first, or the one that is named.

    Parameters are those of `read_image`.

    Raises
    ------
    VaesrError
        When the file is damaged or cut off, holds no such image, or its axes are not known or don't fit.
    """
    try:
        with tifffile.TiffFile(path) as first:
            names, images = _images(path, first)
            notes = [*told_of_others(path, names, series)]
            number = chosen_series(path, names, series)
            dots, profile = _dots(first.pages.first), first.pages.first.tags.valueof(PROFILE)
        tiff, pages = open_series(path, number)
        with tiff:
            if not _is_complete(tiff, pages):
                raise VaesrError(f"{path} is cut off or lacks some of its planes, please get it anew.")
            page = pages.keyframe
            tile = (page.tilelength, page.tilewidth) if page.is_tiled else None
            if page.compression != tifffile.COMPRESSION.NONE:
                piece = (*(tile or (page.rowsperstrip, page.imagewidth)), page.samplesperpixel)
                check_piece(path, tuple(map(int, piece)), np.dtype(pages.dtype).itemsize)
            told = images[number].described() if images else described(tiff, page)
            note = annotation(first.pages.first.description) if images else {}
            narrow = _narrow(tiff)
            shape, stored = narrow or (tuple(pages.shape), _axes(path, tiff, pages))
            has_alpha = "S" in stored and shape[stored.index("S")] == 2 and _is_alpha(page)
            is_weighted = [int(each) for each in page.extrasamples or ()] == [WEIGHTED]
            has_alpha &= axes is None or len(axes) < len(shape)
            letters = stored.replace("S", "C" if has_alpha else "S")
            if axes and not has_alpha:
                letters = Axes.parse(axes, shape).names
            _check(path, shape, letters)
            pixels = FileArray(
                path, partial(open_tiff, path, number), tuple(pages.shape), np.dtype(pages.dtype)
            )
            plane = tile or (page.rowsperstrip, 1)
            if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
                notes.append(
                    f"{path.name} says that its least value is white: its numbers are kept, and results are "
                    "shown with the least as black."
                )
            native = tuple(dict(zip("YX", plane, strict=True)).get(name, 1) or 1 for name in letters)
            orientation = 1 if images or tiff.is_imagej else int(page.tags.valueof("Orientation", 1) or 1)
    except VaesrError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise VaesrError(f"{path} is damaged or no TIFF: {reason(error)}.") from error
    if narrow is None:
        data = as_dask(pixels, letters, native)
    else:
        data = as_dask(pixels, "ZYX"[-pixels.ndim :], (1,) * pixels.ndim).reshape(shape)
    if has_alpha:
        data = data[tuple(0 if name == "C" else slice(None) for name in letters)]
        letters = Axes.parse(axes or letters.replace("C", ""), data.shape).names
        notes.append(f"The transparency (alpha) of {path.name} is left out.")
    data = _unweighted(data, letters.find("S")) if is_weighted and "S" in letters else data
    data, dots = upright(data, letters, orientation), dots[::-1] if orientation in TURNED else dots
    fields = _fields(told, note, letters, data.shape, orientation in TURNED)
    notes += told.left_out(path.name, letters, data.shape)
    return ImageFile(
        path=path,
        name=image_name(path, names[number] if series is not None and len(names) > 1 else ""),
        data=data,
        axes=letters,
        annotation=note,
        series=names[number] if len(names) > 1 else "",
        notes=tuple(notes),
        icc=bytes(profile) if isinstance(profile, bytes) else None,
        dots=dots if all(dots) else None,
        **fields,
    )


def _fields(
    told: Described, note: dict[str, Any], letters: str, shape: tuple[int, ...], is_turned: bool
) -> dict[str, Any]:
    """Return what an `ImageFile` takes from a file's description and from the note of this package."""
    fields = told.fields(letters, shape)
    if note:  # what this package wrote tells it of axes of length 1, too
        every = told.fields("TZYX", (1, 1, 1, 1))
        fields |= {kind: every[kind] for kind in ("pixel_size", "units")}
    if "offset" in note:
        fields["offset"] = {name: as_number(place) for name, place in note.pop("offset").items()}
    if is_turned:
        for kind in ("pixel_size", "units", "offset"):
            swapped = {"Y": "X", "X": "Y"}
            fields[kind] = {swapped.get(name, name): each for name, each in fields[kind].items()}
    return fields


def tiff_series(path: Path) -> list[str]:
    """Return the names of the images in a TIFF, as `read_tiff` takes them.

    Raises
    ------
    VaesrError
        When the file is damaged or no TIFF.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            return _images(path, tiff)[0]
    except Exception as error:
        raise VaesrError(f"{path} is damaged or no TIFF: {reason(error)}.") from error


def spread_over(path: Path) -> list[str]:
    """Return the names of the files that an image is spread over, in its order; never raises."""
    try:
        with tifffile.TiffFile(path) as tiff:
            _, images = _images(path, tiff) if tiff.is_ome else ([], [])
            return files_of(images[0].metadata) if len(images) == 1 else []
    except Exception:  # whatever is wrong with it is told when it is opened
        return []


def open_series(path: Path, number: int) -> tuple[tifffile.TiffFile, tifffile.TiffPageSeries]:
    """Return an opened TIFF and the pages of one of its images.

    OME-XML tells of more images than a file may hold, and tifffile leaves out those without pages; so it is
    given the OME-XML of the one image alone.
    """
    with tifffile.TiffFile(path) as first:
        _, images = _images(path, first)
    tiff = tifffile.TiffFile(path, omexml=images[number].metadata if images else None)
    try:
        narrow = _narrow(tiff)
        if narrow:
            return tiff, _stored(tiff, narrow[0])
        return tiff, tiff.series[0 if images else number]
    except BaseException:
        tiff.close()
        raise


def open_tiff(path: Path, number: int) -> Any:
    """Return an image of a TIFF as a Zarr array; the file is closed with it."""
    tiff, pages = open_series(path, number)
    try:
        bound(tiff, pages)
        # What has the header of a whole slide would be unpacked without a look at its pieces.
        whole = pages.keyframe.nbytes <= WHOLE_PAGE and pages.keyframe.jpegheader is None
        store = pages.aszarr(level=0, chunkmode="page" if whole else None)
        array = zarr.open_array(store, mode="r")
    except BaseException:
        tiff.close()
        raise
    weakref.finalize(store, tiff.close)
    return array


def _images(path: Path, tiff: tifffile.TiffFile) -> tuple[list[str], list[OmeImage]]:
    """Return the names of the images in a file and, of an OME-TIFF, their OME-XML."""
    if tiff.is_ome and tiff.ome_metadata:
        check_described(path, tiff.ome_metadata)
        images = images_in(path, tiff.ome_metadata)
        if images:
            return told_apart(image.name for image in images), images
    return told_apart(series.name or str(number) for number, series in enumerate(tiff.series)), []


def _axes(path: Path, tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> str:
    """Return the axes that the file tells; ``S`` for colours, and for grey with its alpha."""
    names = str(series.axes)
    page = series.keyframe
    photometric = page.photometric
    if photometric == tifffile.PHOTOMETRIC.PALETTE and not tiff.is_imagej and not _is_ramp(page):
        raise VaesrError(f"{path} holds colours by number, please convert it to RGB or grey first.")
    if "S" in names:
        count = series.shape[names.index("S")]
        # A fourth sample that is not told to be alpha is another channel, such as infrared.
        colour = photometric in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR) and (
            count == 3 or (count == 4 and _is_alpha(page))
        )
        if not colour and not (count == 2 and _is_alpha(page)) and "C" not in names:
            names = names.replace("S", "C")
    return names


def _narrow(tiff: tifffile.TiffFile) -> tuple[tuple[int, ...], str] | None:
    """Return the true shape and axes of an ImageJ stack one pixel wide that tifffile wrote.

    tifffile takes the last but one axis of such a stack for the width of its pages, and what is before it for
    their height. What it says about the stack is right, so that the pages hold too few pixels for it. Where
    what is before has the length 1, the file is that of a stack one pixel high to the last byte, and opens as
    one: (5, 1, 7, 1) as (5, 1, 7).
    """
    page = tiff.pages.first
    if not tiff.is_imagej or page.software != "tifffile.py":
        return None
    told = tiff.imagej_metadata or {}
    lengths = {name: int(told.get(key, 1)) for name, key in zip("TZC", WORDS, strict=True)}
    planes, length, height = math.prod(lengths.values()), page.imagelength, page.imagewidth
    innermost = next((lengths[name] for name in "CZT" if lengths[name] > 1), 1)
    if length < 2 or length != innermost or page.samplesperpixel > 1:
        return None
    if len(tiff.pages) == 1 and page.is_final:
        # A page alone, if not packed, may stand for all that follow it: then the length of the file tells.
        held = tiff.filehandle.size - page.dataoffsets[0]
        if not planes * page.nbytes // length <= held < planes * page.nbytes:
            return None
    elif len(tiff.pages) * length != planes:
        return None
    names = "".join(name for name in "TZC" if lengths[name] > 1)
    return (*(lengths[name] for name in names), height, 1), f"{names}YX"


def _stored(tiff: tifffile.TiffFile, shape: tuple[int, ...]) -> tifffile.TiffPageSeries:
    """Return the pages of a stack one pixel wide as they are stored."""
    page = tiff.pages.first
    count = math.prod(shape) // page.size
    is_cut = count > 1 and len(tiff.pages) == 1  # which tells tifffile to read on after the page
    return tifffile.TiffPageSeries(
        tiff.pages[:], (count, *page.shape), page.dtype, "QYX", kind="imagej", truncated=is_cut
    )


def _check(path: Path, shape: tuple[int, ...], names: str) -> None:
    if set(names) - set(LETTERS) or len(set(names)) != len(names):
        raise ask_for_axes(path, shape, names if set(names) & set("TCZ") else "")
    Axes.parse(names, shape)


def _is_alpha(page: tifffile.TiffPage) -> bool:
    """Whether the last sample of a pixel is told to be its transparency."""
    extra = page.extrasamples
    return bool(extra) and int(extra[-1]) in ALPHA


def _unweighted(data: da.Array, axis: int) -> da.Array:
    """Return colours along an axis that are stored as weighted by their alpha as they are without it."""

    def without(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        colours = straight(pixels.astype(np.float64), pixels.dtype)
        return (np.rint(colours) if pixels.dtype.kind in "iu" else colours).astype(pixels.dtype)

    last = da.moveaxis(data, axis, -1).rechunk({-1: -1})
    found: da.Array = da.moveaxis(last.map_blocks(without, dtype=data.dtype), -1, axis)
    return found


def _dots(page: tifffile.TiffPage) -> tuple[float, float]:
    """Return pixels per meter along X and Y, as a printer would take them; 0 where they are not told."""
    unit = DOT_UNITS.get(int(page.resolutionunit or 0))
    across, down = resolution(page)
    return (1 / across / unit, 1 / down / unit) if unit and across > 0 and down > 0 else (0.0, 0.0)


def _is_ramp(page: tifffile.TiffPage) -> bool:
    """Whether a colour table only paints intensities: every colour rises steadily."""
    return page.colormap is not None and bool((np.diff(page.colormap.astype(int), axis=1) >= 0).all())


def _is_complete(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> bool:
    """Whether all pixels are in the file, as far as that can be told without reading them."""
    if tiff.is_imagej:
        planes = int((tiff.imagej_metadata or {}).get("images", 1))
        if math.prod(series.shape) < planes * series.keyframe.size and _narrow(tiff) is None:
            return False
    elif not _chain_ends(tiff):
        return False
    if series.dataoffset is not None:
        return bool(series.dataoffset + series.nbytes <= tiff.filehandle.size)
    for page in series:
        if page is None:
            return False
        held = sum(page.databytecounts)
        # A strip may hold more rows than it says, if it is not packed.
        if len(page.dataoffsets) < math.prod(page.chunked) and (page.compression != 1 or held < page.nbytes):
            return False
        ends = [start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
        if max(ends, default=0) > page.parent.filehandle.size:
            return False
    return True


def _chain_ends(tiff: tifffile.TiffFile) -> bool:
    """Whether the last page says that it is the last; if not, pages are missing."""
    where = tiff.pages.next_page_offset
    if where is None:
        return True
    tiff.filehandle.seek(where)
    data = tiff.filehandle.read(tiff.tiff.offsetsize)
    return len(data) == tiff.tiff.offsetsize and struct.unpack(tiff.tiff.offsetformat, data)[0] == 0

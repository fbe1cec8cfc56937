"""TIFF files: OME, ImageJ and plain."""

from __future__ import annotations

import json
import logging
import math
import struct
import weakref
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
import zarr

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import ImageFile, ask_for_axes, image_name
from napari_vaesr.files.lazy import FileArray, as_dask, reason
from napari_vaesr.files.tiff_output import NAMESPACE
from napari_vaesr.files.units import spell_out
from napari_vaesr.imaging.axes import LETTERS, Axes

# tifffile tells of damage by log lines and goes on; here damage is found and raised instead.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

WHOLE_PAGE = 32 * 1024**2
"""Bytes up to which a page is decoded whole, which is faster than strip by strip."""

Sizes = dict[str, tuple[float, str | None]]


def read_tiff(path: Path, axes: str | None) -> ImageFile:
    """Open the first image series of a TIFF in full resolution, lazily.

    Raises
    ------
    VaesrError
        When the file is damaged or cut off, or its axes are not known or don't fit.
    """
    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            if not _is_complete(tiff, series):
                raise VaesrError(f"{path} is cut off or lacks some of its planes, please get it anew.")
            names = Axes.parse(axes or _axes(path, tiff, series), series.shape).names
            sizes, channels = _sizes_and_channels(tiff)
            annotation = _annotation(tiff.ome_metadata) if tiff.is_ome and tiff.ome_metadata else {}
            pixels = FileArray(path, partial(open_tiff, path), tuple(series.shape), np.dtype(series.dtype))
            page = series.keyframe
            plane = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, 1)
            native = tuple(dict(zip("YX", plane, strict=True)).get(name, 1) or 1 for name in names)
    except VaesrError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise VaesrError(f"{path} is damaged or no TIFF: {reason(error)}.") from error
    sizes = {name: size for name, size in sizes.items() if name in names}
    return ImageFile(
        path=path,
        name=image_name(path),
        data=as_dask(pixels, names, native),
        axes=names,
        pixel_size={name: size for name, (size, _) in sizes.items()},
        units={name: unit for name, (_, unit) in sizes.items() if unit},
        channel_names=channels if "C" in names else (),
        offset={name: _number(place) for name, place in annotation.pop("offset", {}).items()},
        annotation=annotation,
    )


def open_tiff(path: Path) -> Any:
    """Return the first series of a TIFF as a Zarr array; the file is closed with it."""
    tiff = tifffile.TiffFile(path)
    page = tiff.series[0].keyframe
    whole = page.nbytes <= WHOLE_PAGE
    store = tiff.series[0].aszarr(level=0, chunkmode="page" if whole else None)
    weakref.finalize(store, tiff.close)
    return zarr.open_array(store, mode="r")


def _axes(path: Path, tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> str:
    """Return the axes that the file tells, in our letters."""
    names = str(series.axes)
    photometric = series.keyframe.photometric
    if photometric == tifffile.PHOTOMETRIC.PALETTE and not tiff.is_imagej and not _is_ramp(series.keyframe):
        raise VaesrError(f"{path} holds colours by number, please convert it to RGB or grey first.")
    if "S" in names:
        colour = photometric in (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR)
        if (not colour or series.shape[names.index("S")] not in (3, 4)) and "C" not in names:
            names = names.replace("S", "C")
    if set(names) - set(LETTERS) or len(set(names)) != len(names):
        raise ask_for_axes(path, series.shape, names if set(names) & set("TCZ") else "")
    return names


def _is_ramp(page: tifffile.TiffPage) -> bool:
    """Whether a colour table only paints intensities: every colour rises steadily."""
    return page.colormap is not None and bool((np.diff(page.colormap.astype(int), axis=1) >= 0).all())


def _is_complete(tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> bool:
    """Whether all pixels are in the file, as far as that can be told without reading them."""
    if tiff.is_imagej:
        planes = int((tiff.imagej_metadata or {}).get("images", 1))
        if math.prod(series.shape) < planes * series.keyframe.size:
            return False
    elif not _chain_ends(tiff):
        return False
    if series.dataoffset is not None:
        return bool(series.dataoffset + series.nbytes <= tiff.filehandle.size)
    for page in series:
        if page is None:
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


def _sizes_and_channels(tiff: tifffile.TiffFile) -> tuple[Sizes, tuple[str, ...]]:
    """Return the pixel size and unit by axis, and the channel names."""
    if tiff.is_ome and tiff.ome_metadata:
        return _ome(tiff.ome_metadata)
    if tiff.is_imagej:
        return _imagej(tiff.imagej_metadata or {}, *_resolution(tiff.pages.first)), ()
    page = tiff.pages.first
    if page.resolutionunit != tifffile.RESUNIT.CENTIMETER:
        return {}, ()  # inches are about printing, 72 or 96 of them and untrue
    across, down = _resolution(page)
    return _known({"X": (1e4 * across, "micrometer"), "Y": (1e4 * down, "micrometer")}), ()


def _resolution(page: tifffile.TiffPage) -> tuple[float, float]:
    """Return units per pixel along X and Y, 0 where the page doesn't tell."""
    sizes = []
    for name in ("XResolution", "YResolution"):
        tag = page.tags.get(name)
        pixels, units = tag.value if tag is not None else (0, 0)
        sizes.append(units / pixels if pixels else 0.0)
    return sizes[0], sizes[1]


def _imagej(metadata: Mapping[str, Any], across: float, down: float) -> Sizes:
    unit = str(metadata.get("unit", ""))
    depth_unit = str(metadata.get("zunit", unit))
    sizes: Sizes = {
        "Z": (_number(metadata.get("spacing")), spell_out(depth_unit)),
        "T": (_number(metadata.get("finterval")), spell_out(str(metadata.get("tunit", "s")))),
    }
    if unit:  # without one, the resolution is about printing
        sizes |= {"X": (across, spell_out(unit)), "Y": (down, spell_out(str(metadata.get("yunit", unit))))}
    return _known(sizes)


def _ome(metadata: str) -> tuple[Sizes, tuple[str, ...]]:
    """Read the first image of OME-XML, https://docs.openmicroscopy.org/ome-model ."""
    pixels = ElementTree.fromstring(metadata).find("{*}Image/{*}Pixels")
    if pixels is None:
        return {}, ()
    attributes = {name: f"PhysicalSize{name}" for name in "XYZ"} | {"T": "TimeIncrement"}
    sizes = {
        name: (
            _number(pixels.get(attribute)),
            spell_out(pixels.get(f"{attribute}Unit", "s" if name == "T" else "µm")),
        )
        for name, attribute in attributes.items()
    }
    channels = [channel.get("Name") for channel in pixels.findall("{*}Channel")]
    names = tuple(name or f"channel {number}" for number, name in enumerate(channels))
    return _known(sizes), names if any(channels) else ()


def _annotation(metadata: str) -> dict[str, Any]:
    """Return what `TiffOutput` wrote about the image, if it did."""
    root = ElementTree.fromstring(metadata)
    for note in root.findall("{*}StructuredAnnotations/{*}CommentAnnotation"):
        if note.get("Namespace") == NAMESPACE:
            told = json.loads(note.findtext("{*}Value") or "{}")
            return told if isinstance(told, dict) else {}
    return {}


def _number(value: Any) -> float:
    """Return a number out of a file, 0 for what isn't one."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _known(sizes: Sizes) -> Sizes:
    return {name: (size, unit) for name, (size, unit) in sizes.items() if math.isfinite(size) and size > 0}

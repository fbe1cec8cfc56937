"""Write results: OME-TIFF, JSON and, from `napari_vaesr.files.figure`, the figure."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import tifffile

from napari_vaesr.files.atomic import atomic_path
from napari_vaesr.files.figure import write_figure
from napari_vaesr.files.units import symbol
from napari_vaesr.imaging.axes import Axes

__all__ = ["atomic_path", "write_figure", "write_json", "write_ome_tiff"]

CLASSIC_TIFF_LIMIT = 3_900_000_000
"""Bytes above which offsets of 64 bits are needed, with some room for the metadata."""

OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
OME_TYPES = {"float32": "float", "float64": "double"}  # integers are called as in NumPy

Page = tuple[int, int, int]
"""Position of a page along C, Z and T."""


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any]) -> None:
    """Write a record as JSON.

    Raises
    ------
    VaesrError
        When the file can't be written; see `atomic_path`.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_ome_tiff(
    path: str | os.PathLike[str],
    planes: Iterator[npt.NDArray[Any]],
    axes: str,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    pixel_size: Mapping[str, float],
    units: Mapping[str, str],
    channel_names: Sequence[str],
) -> None:
    """Write planes to an OME-TIFF as they come; only one is in memory at a time.

    Parameters
    ----------
    path : str or Path
        The file.
    planes : iterator of array of shape (channels, Y, X)
        One item for every plane of the image, in C order over its axes other than ``YXS``: what was made of
        that plane, for example its mean and its std.
    axes : str
        The image's axes, in any order, for example ``"TCZYX"``; ``S`` is passed over.
    shape : sequence of int
        The image's shape, as large as the planes are. Its ``C`` counts the source's channels.
    dtype : dtype
        Type to write.
    pixel_size : mapping of str to float
        Distance between the pixels written, by axis letter.
    units : mapping of str to str
        Unit of these distances, in any usual spelling; pixels where there is none.
    channel_names : sequence of str
        Names of all channels written: those of the source's first channel, then of the second, and so on;
        for example ``["DNA mean", "DNA std", "actin mean", "actin std"]``.

    Raises
    ------
    VaesrError
        When the axes don't fit the shape or the file can't be written; see `atomic_path`.
    ValueError
        When `planes` are too few, too many, or of another shape.

    Notes
    -----
    Pages are stored in the order in which planes come, and the OME-XML says which is which. So mean and std
    of a plane lie next to each other even where the source has its channels outermost.
    """
    named = Axes.parse(axes, shape).without_samples()
    source_channels = dict(zip(named.names, named.shape, strict=True)).get("C", 1)
    together, rest = divmod(len(channel_names), source_channels)
    if rest or not together:
        raise ValueError(
            f"{len(channel_names)} names do not name the channels of {source_channels} channels."
        )
    pages = _pages(named, together)
    description = _ome_xml(named, np.dtype(dtype), pages, pixel_size, units, channel_names)
    size = len(pages) * named.height * named.width * np.dtype(dtype).itemsize
    with (
        atomic_path(path) as temporary,
        tifffile.TiffWriter(temporary, bigtiff=size > CLASSIC_TIFF_LIMIT, ome=False) as tiff,
    ):
        tiff.write(
            _checked(planes, named, together, np.dtype(dtype)),
            shape=(len(pages), named.height, named.width),
            dtype=dtype,
            photometric="minisblack",
            description=description,
            metadata=None,  # the description says it all
            software="napari-vaesr",
        )


def _pages(axes: Axes, together: int) -> list[Page]:
    """Return the positions of all pages in the order in which they come."""
    pages = []
    for position in product(*map(range, axes.loop_shape)):
        at = dict(zip(axes.loop_names, position, strict=True))
        first = at.get("C", 0) * together
        pages += [(first + channel, at.get("Z", 0), at.get("T", 0)) for channel in range(together)]
    return pages


def _checked(
    planes: Iterator[npt.NDArray[Any]], axes: Axes, together: int, dtype: np.dtype[Any]
) -> Iterator[npt.NDArray[Any]]:
    """Give out single pages, and make sure that they are as many and as large as announced."""
    expected = (together, axes.height, axes.width)
    count = 0
    for plane in planes:
        count += 1
        if plane.shape != expected or count > axes.plane_count:
            raise ValueError(
                f"Plane {count} of {axes.plane_count} has shape {plane.shape} and not {expected}."
            )
        for page in plane:
            yield np.ascontiguousarray(page, dtype=dtype)
    if count != axes.plane_count:
        raise ValueError(f"There are {count} planes and not {axes.plane_count}.")


def _ome_xml(
    axes: Axes,
    dtype: np.dtype[Any],
    pages: Sequence[Page],
    pixel_size: Mapping[str, float],
    units: Mapping[str, str],
    channel_names: Sequence[str],
) -> bytes:
    """Describe an image. https://docs.openmicroscopy.org/ome-model/6.3.1/ome-tiff/specification.html ."""
    lengths = dict(zip(axes.names, axes.shape, strict=True)) | {"C": len(channel_names)}
    attributes = {
        "ID": "Pixels:0",
        "DimensionOrder": "XYC" + ("ZT" if axes.loop_names.find("Z") > axes.loop_names.find("T") else "TZ"),
        "Type": OME_TYPES.get(dtype.name, dtype.name),
        **{f"Size{name}": str(lengths.get(name, 1)) for name in "XYZCT"},
    }
    for name, attribute in {**{name: f"PhysicalSize{name}" for name in "XYZ"}, "T": "TimeIncrement"}.items():
        unit = symbol(units.get(name, ""))
        if name in axes.names and name in pixel_size and (unit or name != "T"):  # time has no pixels
            attributes |= {attribute: repr(float(pixel_size[name])), f"{attribute}Unit": unit or "pixel"}

    root = ElementTree.Element("OME", {"xmlns": OME, SCHEMA_LOCATION: f"{OME} {OME}/ome.xsd"})
    image = ElementTree.SubElement(root, "Image", {"ID": "Image:0"})
    pixels = ElementTree.SubElement(image, "Pixels", attributes)
    for number, name in enumerate(channel_names):
        about = {"ID": f"Channel:0:{number}", "Name": name, "SamplesPerPixel": "1"}
        ElementTree.SubElement(pixels, "Channel", about)
    for number, (channel, depth, time) in enumerate(pages):
        where = {"IFD": number, "FirstC": channel, "FirstZ": depth, "FirstT": time, "PlaneCount": 1}
        ElementTree.SubElement(pixels, "TiffData", {name: str(value) for name, value in where.items()})
    # ASCII with character references, as TIFF wants its descriptions.
    text: bytes = ElementTree.tostring(root, encoding="ascii", xml_declaration=True)
    return text

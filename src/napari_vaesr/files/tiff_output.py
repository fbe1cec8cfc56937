"""OME-TIFF written in any order: all pages are laid out at first, and filled as results come."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zlib import crc32

import numpy as np
import numpy.typing as npt
import tifffile

from napari_vaesr.files.atomic import sync
from napari_vaesr.files.made import SOFTWARE
from napari_vaesr.files.ome import NAMESPACE
from napari_vaesr.files.output import Output, OutputImage
from napari_vaesr.files.units import symbol
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.region import Region

CLASSIC_TIFF_LIMIT = 3_900_000_000
"""Bytes above which offsets of 64 bits are needed, with some room for the metadata."""

OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
OME_TYPES = {"float32": "float", "float64": "double"}  # integers are called as in NumPy

ANNOTATION = "Annotation:0"
"""Of what is told beyond the pixels and their sizes."""

NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML has no words for."""

LARGEST_RATIO = 2**32 - 1
"""Largest number that the resolution of a TIFF can be."""

Page = tuple[int, int, int]
"""Position of a page along C, Z and T."""


@dataclass(frozen=True)
class TiffOutput(Output):
    """An uncompressed OME-TIFF whose pages lie one after the other.

    Pages are stored in the order of the source's planes, and the OME-XML says which is which. So mean and std
    of a plane lie next to each other even where the source has its channels outermost.

    Attributes
    ----------
    start, stop : int
        Where in the file the pixels begin, and how long it is, in bytes.
    """

    start: int
    stop: int

    @classmethod
    def create(cls, path: Path, image: OutputImage) -> TiffOutput:
        """Lay out a file, with pixels that take no room on the disk yet where it knows of such holes."""
        axes = image.axes
        pages = _pages(axes, image.together)
        # An empty file says with its size that a disk is full, long before its holes are filled.
        with tifffile.TiffWriter(path, bigtiff=image.nbytes > CLASSIC_TIFF_LIMIT, ome=False) as tiff:
            place = tiff.write(
                shape=(len(pages), axes.height, axes.width),
                dtype=image.dtype,
                photometric="minisblack",
                description=_ome_xml(image, pages),
                metadata=None,  # the description says it all
                software=SOFTWARE,
                iccprofile=image.icc,
                **_resolution(image),
                returnoffset=True,
            )
        assert place is not None
        return cls(path, image, place[0], path.stat().st_size)

    def write(self, region: Region, channels: npt.NDArray[Any]) -> None:
        """Write a part; see `Output`."""
        pixels = np.ascontiguousarray(channels, dtype=self.image.dtype.newbyteorder("="))
        content = pixels.data.cast("B")
        with self.path.open("r+b") as file:
            done = 0
            for where, count in self._pieces(region):
                file.seek(where)
                file.write(content[done : done + count])
                done += count

    def settle(self, region: Region) -> None:
        """Wait until a part would outlast a power failure; see `Output`."""
        sync(self.path)

    def stored(self, region: Region) -> int | None:
        """Return a checksum of a part; see `Output`."""
        return self._checksum(self._pieces(region))

    def laid_out(self) -> dict[str, Any]:
        """Return where the pixels lie, and a checksum of what is before and behind them; see `Output`."""
        behind = self.start + self.image.nbytes
        checksum = self._checksum([(0, self.start), (behind, self.stop - behind)])
        return {"start": self.start, "stop": self.path.stat().st_size, "checksum": checksum}

    def _pieces(self, region: Region) -> Iterator[tuple[int, int]]:
        """Yield where in the file the pieces of a part lie, and how long they are, in bytes."""
        axes, item = self.image.axes, self.image.dtype.itemsize
        plane, rows, columns = self.image.plane_of(region), region["Y"], region["X"]
        whole = len(columns) == axes.width  # then rows lie behind one another
        for page in range(plane * self.image.together, (plane + 1) * self.image.together):
            for row in rows[:1] if whole else rows:
                first = (page * axes.height + row) * axes.width + columns.start
                yield self.start + first * item, len(columns) * item * (len(rows) if whole else 1)

    def _checksum(self, pieces: Iterable[tuple[int, int]]) -> int | None:
        checksum = 0
        with self.path.open("rb") as file:
            for where, count in pieces:
                file.seek(where)
                content = file.read(count)
                if len(content) < count:
                    return None
                checksum = crc32(content, checksum)
        return checksum

    def read(self, plane: int) -> npt.NDArray[Any]:
        """Return what was made of a plane; see `Output`."""
        axes, together = self.image.axes, self.image.together
        count = together * axes.height * axes.width
        where = self.start + plane * count * self.image.dtype.itemsize
        pixels = np.fromfile(self.path, self.image.dtype, count, offset=where)
        return pixels.reshape(together, axes.height, axes.width)

    def finish(self, record: Mapping[str, Any]) -> None:
        """Nothing is left to do; the record has no place in here. See `Output`."""


def _resolution(image: OutputImage) -> dict[str, Any]:
    """Return how many pixels there are to a centimeter, for programs that know no OME-XML."""
    dots = image.dots_per_meter
    if dots is None or not all(1 / LARGEST_RATIO < each / 100 < LARGEST_RATIO for each in dots):
        return {}
    return {"resolution": (dots[0] / 100, dots[1] / 100), "resolutionunit": "CENTIMETER"}


def _pages(axes: Axes, together: int) -> list[Page]:
    """Return the positions of all pages in the order in which they are stored."""
    pages = []
    for position in product(*map(range, axes.loop_shape)):
        at = dict(zip(axes.loop_names, position, strict=True))
        first = at.get("C", 0) * together
        pages += [(first + channel, at.get("Z", 0), at.get("T", 0)) for channel in range(together)]
    return pages


def _places(image: OutputImage, pages: Sequence[Page]) -> Iterator[dict[str, str]]:
    """Yield where the centre of every page's first pixel is, and its time since the source began."""
    second = symbol(image.units.get("T", ""))
    is_late = second is not None and bool(image.offset.get("T"))  # time has no pixels
    if not is_late and not any(image.offset.get(name) for name in "XYZ"):
        return
    for channel, depth, time in pages:
        place = {"TheC": str(channel), "TheZ": str(depth), "TheT": str(time)}
        for name in "XYZ":
            if name in image.offset:
                moved = depth * image.pixel_size.get("Z", 1.0) if name == "Z" else 0.0
                place[f"Position{name}"] = repr(float(image.offset[name]) + moved)
                place[f"Position{name}Unit"] = symbol(image.units.get(name, "")) or "pixel"
        if is_late:
            place["DeltaT"] = repr(float(image.offset["T"]) + time * image.pixel_size.get("T", 1.0))
            place["DeltaTUnit"] = str(second)
        yield place


def _ome_xml(image: OutputImage, pages: Sequence[Page]) -> bytes:
    """Describe an image. https://docs.openmicroscopy.org/ome-model/6.3.1/ome-tiff/specification.html ."""
    axes = image.axes
    lengths = axes.lengths | {"C": len(image.channel_names)}
    attributes = {
        "ID": "Pixels:0",
        "DimensionOrder": "XYC" + ("ZT" if axes.loop_names.find("Z") > axes.loop_names.find("T") else "TZ"),
        "Type": OME_TYPES.get(image.dtype.name, image.dtype.name),
        **{f"Size{name}": str(lengths.get(name, 1)) for name in "XYZCT"},
    }
    for name, attribute in {**{name: f"PhysicalSize{name}" for name in "XYZ"}, "T": "TimeIncrement"}.items():
        unit = symbol(image.units.get(name, ""))
        if name in axes.names and name in image.pixel_size and (unit or name != "T"):  # time has no pixels
            attributes[attribute] = repr(float(image.pixel_size[name]))
            attributes[f"{attribute}Unit"] = unit or "pixel"

    root = ElementTree.Element("OME", {"xmlns": OME, SCHEMA_LOCATION: f"{OME} {OME}/ome.xsd"})
    element = ElementTree.SubElement(root, "Image", {"ID": "Image:0"})
    pixels = ElementTree.SubElement(element, "Pixels", attributes)
    for number, name in enumerate(image.channel_names):
        # What ElementTree writes for control characters cannot be read.
        legible = NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", name)
        about = {"ID": f"Channel:0:{number}", "Name": legible, "SamplesPerPixel": "1"}
        if number < len(image.colours) and image.colours[number]:  # as one signed number, opaque
            colour = int(image.colours[number], 16) << 8 | 0xFF
            about["Color"] = str(colour - (colour >> 31 << 32))
        ElementTree.SubElement(pixels, "Channel", about)
    for number, (channel, depth, time) in enumerate(pages):
        where = {"IFD": number, "FirstC": channel, "FirstZ": depth, "FirstT": time, "PlaneCount": 1}
        ElementTree.SubElement(pixels, "TiffData", {name: str(value) for name, value in where.items()})
    for place in _places(image, pages):
        ElementTree.SubElement(pixels, "Plane", place)
    told = {**image.annotation, **({"offset": dict(image.offset)} if image.offset else {})}
    if told:
        ElementTree.SubElement(element, "AnnotationRef", {"ID": ANNOTATION})
        about = {"ID": ANNOTATION, "Namespace": NAMESPACE}
        notes = ElementTree.SubElement(root, "StructuredAnnotations")
        note = ElementTree.SubElement(notes, "CommentAnnotation", about)
        ElementTree.SubElement(note, "Value").text = json.dumps(told, allow_nan=False)
    # ASCII with character references, as TIFF wants its descriptions.
    text: bytes = ElementTree.tostring(root, encoding="ascii", xml_declaration=True)
    return text

"""OME-XML: which of its images a TIFF holds, and what it says about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from napari_vaesr.files.described import Described, placed, sized

NAMESPACE = "napari-vaesr"
"""Of what this package tells beyond the pixels and their sizes."""

WHITE = 0xFFFFFF


@dataclass(frozen=True)
class OmeImage:
    """One of the images of a file.

    Attributes
    ----------
    name : str
        As the file calls it, or its number.
    metadata : str
        OME-XML of this image alone, of which tifffile makes its pages.
    """

    name: str
    metadata: str

    def described(self) -> Described:
        """Return what is told about its pixels."""
        pixels = ElementTree.fromstring(self.metadata).find("{*}Image/{*}Pixels")
        return Described() if pixels is None else _described(pixels)


def images_in(path: Path, metadata: str) -> list[OmeImage]:
    """Return the images whose pixels, or some of them, are in a file, in the order of its OME-XML.

    OME-XML often tells of images in other files, too. Those of this file are found by its UUID and then by
    its name; where neither is named, the file has been renamed, and its pages are its own.

    Parameters
    ----------
    path : Path
        The file.
    metadata : str
        Its OME-XML.
    """
    root = _complete(path, ElementTree.fromstring(metadata))
    images = root.findall("{*}Image")
    uuid = root.get("UUID")
    named = [each for image in images for each in image.findall("{*}Pixels/{*}TiffData/{*}UUID")]
    by_uuid = bool(uuid) and any((each.text or "").strip() == uuid for each in named)
    by_name = any(_is_name(each, path) for each in named)
    files = {each.get("FileName") for each in named}
    if named and not by_uuid and not by_name and len(files) == 1 and not (path.parent / str(*files)).exists():
        for data in root.iterfind("{*}Image/{*}Pixels/{*}TiffData"):
            for each in data.findall("{*}UUID"):
                data.remove(each)

    def is_own(data: Element) -> bool:
        each = data.find("{*}UUID")
        if each is None:
            return True
        return (each.text or "").strip() == uuid if by_uuid else _is_name(each, path)

    chosen = [
        (image.get("Name") or str(number), image)
        for number, image in enumerate(images)
        if any(is_own(data) for data in image.findall("{*}Pixels/{*}TiffData"))
    ]
    return [OmeImage(name, _alone(root, image)) for name, image in chosen]


def files_of(metadata: str) -> list[str]:
    """Return the names of the files that the only image of some OME-XML is spread over, in its order."""
    root = ElementTree.fromstring(metadata)
    named = (each.get("FileName", "") for each in root.iterfind("{*}Image/{*}Pixels/{*}TiffData/{*}UUID"))
    return list(dict.fromkeys(named))


def annotation(metadata: str) -> dict[str, Any]:
    """Return what `TiffOutput` wrote about the image, if it did."""
    root = ElementTree.fromstring(metadata)
    for note in root.findall("{*}StructuredAnnotations/{*}CommentAnnotation"):
        if note.get("Namespace") == NAMESPACE:
            told = json.loads(note.findtext("{*}Value") or "{}")
            return told if isinstance(told, dict) else {}
    return {}


def _complete(path: Path, root: Element) -> Element:
    """Return the OME-XML that a file refers to, where it holds no more than such a reference."""
    reference = root.find("{*}BinaryOnly")
    if reference is None:
        return root
    companion = path.parent / Path(reference.get("MetadataFile", "")).name
    if not companion.is_file() or companion.suffix.lower() != ".ome":
        return root
    complete = ElementTree.fromstring(companion.read_text(encoding="utf-8"))
    if root.get("UUID"):
        complete.set("UUID", root.get("UUID", ""))
    return complete


def _is_name(each: Element, path: Path) -> bool:
    return each.get("FileName", "").lower() == path.name.lower()


def _alone(root: Element, image: Element) -> str:
    """Return OME-XML of one image, with the annotations by which axes are split."""
    alone = Element(root.tag, root.attrib)
    alone.append(image)
    for notes in root.findall("{*}StructuredAnnotations"):
        kept = Element(notes.tag)
        kept.extend(note for note in notes if note.get("Namespace", "").endswith("modulo"))
        alone.append(kept)
    return ElementTree.tostring(alone, encoding="unicode")


def _described(pixels: Element) -> Described:
    channels = pixels.findall("{*}Channel")
    names = [channel.get("Name") for channel in channels]
    colours = [_colour(channel.get("Color")) for channel in channels]
    return Described(
        sizes=sized(
            [(name, pixels.get(f"PhysicalSize{name}"), _unit(pixels, name)) for name in "XYZ"]
            + [("T", pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))]
        ),
        starts=placed(_positions(pixels)),
        channel_names=(
            tuple(name or f"channel {number}" for number, name in enumerate(names)) if any(names) else ()
        ),
        colours=tuple(colours) if any(colours) else (),
    )


def _unit(pixels: Element, name: str) -> str:
    return pixels.get(f"PhysicalSize{name}Unit", "µm")


def _positions(pixels: Element) -> Iterator[tuple[str, Any, str]]:
    """Yield where the first plane is, and when. A place without a unit is that of a stage: of no use."""
    planes = pixels.findall("{*}Plane")
    first = [plane for plane in planes if all(plane.get(f"The{name}", "0") == "0" for name in "CZT")]
    for plane in (first or planes)[:1]:
        for name in "XYZ":
            if (place := plane.get(f"Position{name}")) is not None:
                yield name, place, plane.get(f"Position{name}Unit", "reference frame")
        if (start := plane.get("DeltaT")) is not None:
            yield "T", start, plane.get("DeltaTUnit", "s")


def _colour(text: str | None) -> str:
    """Return a colour as ``00FF00``; OME-XML has it as one signed number, white where it is not told."""
    try:
        colour = int(text or "-1") >> 8 & WHITE
    except ValueError:
        return ""
    return "" if colour == WHITE else f"{colour:06X}"

"""A part of an image: a range of indices along some of its axes, the others whole."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import product

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes

Extent = Mapping[str, range]
"""Range of pixels by axis letter; an axis that is not named is taken whole."""

_PART = re.compile(r"\s*([A-Za-z])\s*=\s*(\d+)\s*(?::\s*(\d+)\s*)?")


def parse_extent(text: str) -> dict[str, range]:
    """Read an extent such as ``Z=10:20,Y=0:64`` (from 10 to 19) or ``T=3`` (3 alone).

    Raises
    ------
    VaesrError
        When it is written in another way or names an axis twice.
    """
    extent: dict[str, range] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part)
        name = match[1].upper() if match else ""
        if match is None or name in extent:
            raise VaesrError(
                f"The extent {text!r} cannot be read, please write it like Z=10:20,Y=0:64 "
                "with every axis named once and the end not included."
            )
        start = int(match[2])
        extent[name] = range(start, int(match[3]) if match[3] else start + 1)
    return extent


def format_extent(extent: Extent) -> str:
    """Write an extent so that `parse_extent` reads it."""
    return ",".join(f"{name}={part.start}:{part.stop}" for name, part in extent.items())


def select(extent: Extent, axes: Axes) -> tuple[list[int] | None, range, range]:
    """Say which planes, rows and columns an extent means.

    Parameters
    ----------
    extent : mapping of str to range
        By axis letter, in pixels.
    axes : Axes
        The whole image's.

    Returns
    -------
    planes : list of int or None
        Plane numbers in order; None for all of them.
    rows, columns : range
        Of every plane.

    Raises
    ------
    VaesrError
        When the image lacks an axis, or a range is none, has steps, is empty or reaches out of it.
    """
    lengths = dict(zip(axes.names, axes.shape, strict=True))
    for name, part in extent.items():
        if name not in lengths or name == "S":
            choices = ", ".join(axes.loop_names + "YX")
            raise VaesrError(f"The image has no axis {name} to choose from, please use {choices}.")
        if not isinstance(part, range) or part.step != 1:
            raise VaesrError(f"The extent of {name} is {part!r}, please write a range such as range(10, 20).")
        if not part or part.start < 0 or part.stop > lengths[name]:
            raise VaesrError(
                f"The extent {format_extent({name: part})} is not inside the image, "
                f"please choose from 0 to {lengths[name]} along {name}."
            )
    whole = {name: range(length) for name, length in lengths.items()}
    chosen = {**whole, **extent}
    rows, columns = chosen["Y"], chosen["X"]
    if all(chosen[name] == whole[name] for name in axes.loop_names):
        return None, rows, columns
    positions = product(*(chosen[name] for name in axes.loop_names))
    planes = [axes.plane_number(dict(zip(axes.loop_names, position, strict=True))) for position in positions]
    return planes, rows, columns


def checked_part(name: str, part: range | None, size: int) -> range:
    """Return a part of an axis of so many pixels, the whole by default.

    Raises
    ------
    VaesrError
        When it is empty or not inside.
    """
    if part is None:
        return range(size)
    if part.step != 1 or not part or part.start < 0 or part.stop > size:
        raise VaesrError(f"The {name} {part} are not inside the image, please choose from 0 to {size}.")
    return part


def picked_axes(axes: Axes, planes: Sequence[int] | None, rows: range, columns: range) -> Axes:
    """Return the axes of chosen pixels: those looped over keep the indices picked alone.

    Parameters
    ----------
    axes : Axes
        The whole image's.
    planes : sequence of int, optional
        Numbers of the planes; all by default.
    rows, columns : range
        Of every plane.

    Raises
    ------
    VaesrError
        When the planes make no array, in order.
    """

    def resized(lengths: Mapping[str, int]) -> Axes:
        named = zip(axes.names, axes.shape, strict=True)
        return Axes(axes.names, tuple(lengths.get(name, length) for name, length in named))

    region = {"Y": len(rows), "X": len(columns)}
    if planes is None:
        return resized(region)
    if not planes:
        raise VaesrError("No plane is chosen, please choose at least one.")
    places = [axes.plane_coordinates(number) for number in planes]
    picked = {name: sorted({place[name] for place in places}) for name in axes.loop_names}
    result = resized(region | {name: len(indices) for name, indices in picked.items()})
    # Only the same indices along every loop axis, in order, make an array.
    if result.plane_count == len(planes):
        block = [result.plane_coordinates(position) for position in range(result.plane_count)]
        if places == [{name: picked[name][i] for name, i in place.items()} for place in block]:
            return result
    raise VaesrError(
        "The planes chosen don't form a block, please choose the same indices along every axis in order."
    )


def recorded_extent(record: Mapping[str, object]) -> dict[str, range]:
    """Return the extent that a result's record tells of, without the axes that are whole.

    Raises
    ------
    VaesrError
        When its planes have gaps, so that they are no range.
    """
    extent = record["extent"]
    source = record["input"]
    assert isinstance(extent, Mapping) and isinstance(source, Mapping)
    axes = Axes.parse(str(record["axes"]), source["shape"])
    parts = {"Y": range(*extent["rows"]), "X": range(*extent["columns"])}
    if extent["planes"] is not None:
        places = [axes.plane_coordinates(number) for number in extent["planes"]]
        for name in axes.loop_names:
            indices = {place[name] for place in places}
            parts[name] = range(min(indices), max(indices) + 1)
        if select(parts, axes)[0] not in (None, list(extent["planes"])):
            raise VaesrError("The planes of this result have gaps between them, so they are no range.")
    lengths = dict(zip(axes.names, axes.shape, strict=True))
    return {name: parts[name] for name in axes.names if name in parts and len(parts[name]) < lengths[name]}

"""Zarr: OME-Zarr of every version with its plates and collections, and plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.described import Described, as_number, placed, sized
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
from napari_vaesr.files.limits import check_piece
from napari_vaesr.files.output import KEY
from napari_vaesr.files.place import Address, Place
from napari_vaesr.files.zarr_store import ZarrPlace, unreachable, zarr_root
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.axis_names import axis_letters

LAYOUT = "bioformats2raw.layout"

MOST_WELLS = 6144
"""Of a plate: four times as many as the usual ones of most wells have."""


@dataclass(frozen=True)
class Entry:
    """One of the images in a store: what to call it, where it is, and which of the images there."""

    name: str
    where: ZarrPlace
    number: int = 0


def read_zarr(place: Place, axes: str | None, series: Series, labels: bool) -> ImageFile:
    """Open an OME-Zarr image in full resolution, or a plain Zarr array, lazily.

    Of a plate, a well, or another collection of images the first is opened, or the one that is named.

    Parameters
    ----------
    place : Place
        A folder, a zip file or an address.
    axes : str or None
        One letter of ``TCZYXS`` per axis; None: as the file tells.
    series : str, int or None
        The image in the file, by its name or from 0 on; None: the first.
    labels : bool
        Open labels, too, which are no image.

    Raises
    ------
    VaesrError
        When it is damaged, holds no image or labels, or the axes are not known or don't fit.
    """
    with _spoken(place):
        root = zarr_root(place)
        node = root.node()
        if isinstance(node, zarr.Array):
            chosen_series(place, [""], series or None)
            return _lone_array(place, root, node, axes, labels)
        entries = list(_entries(root))
        if not entries:
            raise VaesrError(f"{place} is no OME-Zarr image, please choose an image or an array inside it.")
        names = told_apart(entry.name for entry in entries)
        number = chosen_series(place, names, series)
        entry, own = entries[number], names[number] if len(entries) > 1 else ""
        name = image_name(place, own if series is not None else "")
        notes = told_of_others(place, names, series)
        image = _multiscale(place, entry.where, entry.number, axes, 0, labels)
        return replace(image, name=name, series=own, notes=(*notes, *image.notes))


def zarr_series(place: Place) -> list[str]:
    """Return the names of the images in a store, as `read_zarr` takes them: wells and fields of a plate."""
    with _spoken(place):
        root = zarr_root(place)
        return (
            [""]
            if isinstance(root.node(), zarr.Array)
            else told_apart(entry.name for entry in _entries(root))
        )


def is_plate(place: Place) -> bool:
    """Whether a store is a plate or a well of one; never raises."""
    try:
        with _spoken(place):
            return bool({"plate", "well"} & _ome(zarr_root(place).attributes()).keys())
    except VaesrError:
        return False


@contextmanager
def _spoken(place: Place) -> Iterator[None]:
    """Turn whatever damaged metadata and servers raise into one sentence."""
    try:
        yield
    except VaesrError:
        raise
    except Exception as error:  # damaged metadata can raise anything
        if isinstance(place, Address) and isinstance(error, FileNotFoundError):
            raise VaesrError(f"There is no Zarr image at {place}, please check the address.") from error
        damaged = VaesrError(f"{place} is damaged or no Zarr image: {reason(error)}.")
        raise (unreachable(place, error) or damaged) from error


def _ome(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the attributes that are OME-Zarr's: in a room of their own from version 0.5 on."""
    ome = attributes.get("ome", attributes)
    return ome if isinstance(ome, Mapping) else {}


def _entries(where: ZarrPlace, prefix: str = "") -> Iterator[Entry]:
    """Find the images in a group: its own, or those of a plate, a well, or a collection."""
    attributes = where.attributes()
    told = _ome(attributes)
    if "multiscales" in told:
        several = len(told["multiscales"]) > 1
        for number, image in enumerate(told["multiscales"]):
            name = str(image.get("name") or number) if several else prefix
            yield Entry(name, where, number)
    elif "plate" in told:
        if len(told["plate"]["wells"]) > MOST_WELLS:
            raise VaesrError(f"{where.place} says that it has {len(told['plate']['wells'])} wells, too many.")
        for well in told["plate"]["wells"]:
            yield from _entries(where / well["path"], well["path"])
    elif "well" in told:
        for field in told["well"]["images"]:
            yield Entry(f"{prefix}/{field['path']}".strip("/"), where / field["path"])
    elif LAYOUT in told or LAYOUT in attributes:
        number = 0
        while (child := where / str(number)).attributes():
            yield from _entries(child, str(number))
            number += 1


def _lone_array(
    place: Place, where: ZarrPlace, array: zarr.Array[Any], axes: str | None, labels: bool
) -> ImageFile:
    """Open an array that was named itself; the group around it may tell what it is."""
    if isinstance(place, Path) and not where.inside:
        around = ZarrPlace(place.resolve().parent)
        for number, image in enumerate(_ome(around.attributes()).get("multiscales", [])):
            paths = [dataset.get("path") for dataset in image.get("datasets", [])]
            if place.name in paths:
                return _multiscale(place, around, number, axes, paths.index(place.name), labels)
    named = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    letters = axes or axis_letters(list(named) if isinstance(named, (list, tuple)) else [])
    return _image(place, where, array, letters, Described(), [])


def _multiscale(
    place: Place, where: ZarrPlace, number: int, axes: str | None, level: int, labels: bool
) -> ImageFile:
    """Open one level of an image."""
    attributes = where.attributes()
    told = _ome(attributes)
    if not labels:
        _refuse_labels(place, where, told)
    multiscale = told["multiscales"][number]
    dataset = multiscale["datasets"][level]
    array = (where / dataset["path"]).array()
    described = [
        {"name": axis} if isinstance(axis, str) else axis
        for axis in multiscale.get("axes", list("tczyx"))  # fixed before version 0.3
    ]
    names = [str(axis.get("name", "")) for axis in described]
    letters = axis_letters(names, [axis.get("type", "") for axis in described])
    notes: list[str] = []
    # The image's own scale and translation act on what its levels' give.
    parts = [part.get("coordinateTransformations") or [] for part in (dataset, multiscale)]
    scales = [_numbers(place, part, "scale", 1.0, letters or "", notes) for part in parts]
    shifts = [_numbers(place, part, "translation", 0.0, letters or "", notes) for part in parts]
    units = [str(axis.get("unit") or "") for axis in described]
    sizes, starts = [], []
    for index, letter in enumerate(letters or ""):
        size = scales[0][index] * scales[1][index]
        sizes.append((letter, size, units[index]))
        starts.append((letter, shifts[0][index] * scales[1][index] + shifts[1][index], units[index]))
    mirrored = [name for name, size, _ in sizes if size < 0]
    lengths = sized((name, abs(size), unit) for name, size, unit in sizes)
    about = Described(lengths, placed(starts), *_channels(told))
    image = _image(place, where / dataset["path"], array, axes or letters, about, mirrored)
    note = attributes.get(KEY)
    return replace(
        image,
        annotation=dict(note) if isinstance(note, Mapping) else {},
        notes=(*dict.fromkeys(notes), *image.notes),
    )


def _refuse_labels(place: Place, where: ZarrPlace, told: Mapping[str, Any]) -> None:
    """Raise `VaesrError` for an image of labels: by its own word, or by that of the group it is in."""
    is_labels = "image-label" in told
    if not is_labels:
        outer, _, name = where.inside.rpartition("/")
        around = replace(where, inside=outer)
        if not where.inside and isinstance(where.place, Path):
            around, name = ZarrPlace(where.place.resolve().parent), where.place.name
        listed = _ome(around.attributes()).get("labels") if name else None
        is_labels = isinstance(listed, (list, tuple)) and name in listed
    if is_labels:
        raise VaesrError(
            f"{place} holds labels, the numbers of objects, between which there are no values: choose the "
            "image that they are of; to enlarge labels, repeat their pixels (numpy.repeat)."
        )


def _numbers(
    place: Place,
    transformations: Sequence[Mapping[str, Any]],
    kind: str,
    none: float,
    letters: str,
    notes: list[str],
) -> list[float]:
    """Return the numbers of the first transformation of a kind, one per axis; `none` where it tells nothing.

    Files written by hand leave out the channels, or all but the axes in space: what is left is theirs.
    """
    for transformation in transformations:
        other = transformation.get("type")
        if other not in ("scale", "translation", "identity"):
            notes.append(f"{place} has a transformation ({other}) that is not known here and is left out.")
        if other != kind:
            continue
        told = [as_number(number, float("nan")) for number in transformation.get(kind) or []]
        if not all(map(isfinite, told)):
            raise VaesrError(f"{place} has a {kind} that is no finite number, please correct its metadata.")
        if len(told) == len(letters):
            return told
        for fewer in (letters.replace("C", ""), "".join(each for each in letters if each in "ZYX")):
            if len(told) == len(fewer):
                notes.append(
                    f"{place} has {len(told)} numbers for the {kind} of its {len(letters)} axes, taken as "
                    f"those of {', '.join(fewer)}."
                )
                return [told[fewer.index(name)] if name in fewer else none for name in letters]
        notes.append(
            f"{place} has {len(told)} numbers for the {kind} of its {len(letters)} axes, so it is not known."
        )
        return [float("nan")] * len(letters)
    return [none] * len(letters)


def _channels(
    told: Mapping[str, Any],
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[float, float] | None, ...]]:
    """Return names, colours and windows of the channels."""
    omero = told.get("omero")
    channels = (omero.get("channels") or []) if isinstance(omero, Mapping) else []
    labels = [channel.get("label") for channel in channels]
    names = tuple(str(label or f"channel {n}") for n, label in enumerate(labels)) if any(labels) else ()
    colours = tuple(str(channel.get("color") or "").lstrip("#").upper()[:6] for channel in channels)
    windows = []
    for channel in channels:
        window = channel.get("window") or {}
        low, high = (as_number(window.get(key), float("nan")) for key in ("start", "end"))
        windows.append((low, high) if low < high else None)
    plain = tuple("" if colour == "FFFFFF" or len(colour) != 6 else colour for colour in colours)
    return names, plain, tuple(windows)


def _image(
    place: Place,
    where: ZarrPlace,
    array: zarr.Array[Any],
    axes: str | None,
    about: Described,
    mirrored: Sequence[str],
) -> ImageFile:
    if axes is None:
        raise ask_for_axes(place, array.shape)
    names = Axes.parse(axes, array.shape).names
    check_piece(place, array.chunks, np.dtype(array.dtype).itemsize)
    pixels = FileArray(place, where.array, array.shape, np.dtype(array.dtype))
    data = as_dask(pixels, names, array.chunks)
    fields = about.fields(names, array.shape)
    notes = about.left_out(place.name, names, array.shape)
    for name in mirrored:
        if name in names and name in fields["pixel_size"]:
            # The last pixel becomes the first: everything stays where it is, and distances are above 0.
            data = data[tuple(slice(None, None, -1 if each == name else None) for each in names)]
            length, size = array.shape[names.index(name)], fields["pixel_size"][name]
            fields["offset"][name] = fields["offset"].get(name, 0.0) - (length - 1) * size
            notes.append(f"{place} is mirrored along {name}; its pixels are turned round.")
    return ImageFile(path=place, name=image_name(place), data=data, axes=names, notes=tuple(notes), **fields)

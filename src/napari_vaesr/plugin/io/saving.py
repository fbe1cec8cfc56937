"""Save the layers of a result as one OME-TIFF or OME-Zarr, and open it again as it was."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_vaesr.engine.record import Record
from napari_vaesr.engine.result_file import (
    PARTS,
    Part,
    as_channels,
    layer_axes,
    output_image,
    stored_parts,
    write_whole,
)
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import KEY
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.plugin.viewer.layers import UNCERTAINTY_COLORMAP, LayerTuple, lazy_uncertainty_limits
from napari_vaesr.plugin.viewer.results import KINDS

if TYPE_CHECKING:
    from napari_vaesr.files.image_file import ImageFile
    from napari_vaesr.files.output import OutputImage

ROLES = ("mean", *KINDS, "lower", "upper")
"""Layers that a file can hold, in its order; samples and veils can be made again from it."""

KEPT = (
    "name",
    "scale",
    "translate",
    "rotate",
    "shear",
    "affine",
    "units",
    "axis_labels",
    "opacity",
    "blending",
    "visible",
    "rgb",
    "colormap",
    "contrast_limits",
    "gamma",
    "interpolation2d",
    "interpolation3d",
    "rendering",
    "projection_mode",
    "iso_threshold",
    "attenuation",
)
"""Attributes of a layer that are kept."""

MIRRORED = "mirrored"
"""Where a file tells along which axes its pixels lie the other way round than in the layer."""

FLOAT32_DIGITS = 2**24
"""Largest integer up to which float32 holds all of them."""


def write_tiff(path: str | PathLike[str], layers: Sequence[LayerTuple]) -> list[str]:
    """Write a result as OME-TIFF, whose ending is added to a path without one; see `write_result`."""
    return write_result(_with_ending(path, (".tif", ".tiff"), ".ome.tif"), layers)


def write_zarr(path: str | PathLike[str], layers: Sequence[LayerTuple]) -> list[str]:
    """Write a result as OME-Zarr, whose ending is added to a path without one; see `write_result`."""
    return write_result(_with_ending(path, (".zarr",), ".ome.zarr"), layers)


def _with_ending(path: str | PathLike[str], endings: tuple[str, ...], added: str) -> Path:
    """Return a path that ends as its kind of file has to, or it could not be opened again."""
    path = Path(path)
    if path.name.lower().endswith(endings):
        return path
    whole = path.with_name(path.name + added)
    if whole.exists():  # nobody was asked about this one
        raise VaesrError(f"{whole.name} is there already: save under another name, or type it in full.")
    return whole


def write_result(path: str | PathLike[str], layers: Sequence[LayerTuple]) -> list[str]:
    """Write mean and uncertainty of one result, with all that is needed to open it as it was.

    Parameters
    ----------
    path : path
        A file that ends with ``.ome.tif``, or a folder that ends with ``.ome.zarr`` or ``.zarr``.
    layers : sequence of (array, dict, "image")
        Layer data tuples, as napari hands them to writers.

    Returns
    -------
    list of str
        The path.

    Raises
    ------
    VaesrError
        If the layers are not those of one result, or the file cannot be written.
    """
    chosen = _of_one_result(layers)
    record = chosen[0][1]["metadata"][KEY]
    axes = layer_axes(record["axes"], len(chosen[0][1]["scale"]))
    arrays = [_finest(data, attributes) for data, attributes, _ in chosen]
    shape = np.shape(arrays[0])[: len(axes)]
    for array in arrays:
        if np.shape(array)[: len(axes)] != shape:
            raise VaesrError("The layers of the result differ in size, so they do not fit into one file.")
    named = Axes.parse(axes, shape)
    parts = [
        Part(
            role=attributes["metadata"][KEY]["layer"]["role"],
            dtype=str(array.dtype),
            channels=array.shape[-1] if attributes.get("rgb") else 1,
            axes=axes,
            attributes=_plain({name: attributes[name] for name in KEPT if name in attributes}),
        )
        for array, (_, attributes, _) in zip(arrays, chosen, strict=True)
    ]
    told = _plain({key: value for key, value in record.items() if key not in ("layer", MIRRORED)})
    mirrored = "".join(name for name, size in zip(axes, chosen[0][1]["scale"], strict=True) if size < 0)
    if mirrored:
        arrays = [_turned_round(array, axes, mirrored) for array in arrays]
        told[MIRRORED] = mirrored
    _tell_what_is_lost(chosen[0][1])
    image = _output_image(named, arrays, parts, chosen[0][1], told)
    write_whole(path, image, _planes(named, arrays, image.dtype))
    return [str(path)]


def _turned_round(array: Any, axes: str, mirrored: str) -> Any:
    """Return pixels, lazily, from the last to the first along some axes."""
    import dask.array as da

    steps = tuple(slice(None, None, -1 if name in mirrored else None) for name in axes)
    return da.asarray(array)[steps]


def _tell_what_is_lost(attributes: Mapping[str, Any]) -> None:
    """Say what of a layer's place other programs will not see: the file has no words for it."""
    from napari.utils.notifications import show_info

    size = len(attributes["scale"])
    shear = np.asarray(attributes.get("shear", 0.0))
    straight = {
        "rotation": np.allclose(attributes.get("rotate", np.eye(size)), np.eye(size)),
        "shear": np.allclose(shear, np.eye(size) if shear.ndim == 2 else 0),
        "affine transform": np.allclose(attributes.get("affine", np.eye(size + 1)), np.eye(size + 1)),
    }
    lost = [name for name, nothing in straight.items() if not nothing]
    if lost:
        show_info(
            f"Other programs will not see the {' and '.join(lost)} of '{attributes['name']}', for which the "
            "file has no words; napari-vaesr opens it as it was."
        )


def saved_layers(image: ImageFile) -> list[LayerTuple] | None:
    """Return the layers of a result, lazily, as `write_result` or the command line wrote it; else None.

    Parameters
    ----------
    image : ImageFile
        As `napari_vaesr.files.image.read_image` opens it.
    """
    from napari_vaesr.files.image_file import image_name

    parts = stored_parts(image)
    if parts is None:
        return None
    told = {key: value for key, value in image.annotation.items() if key not in (PARTS, MIRRORED)}
    mirrored = image.annotation.get(MIRRORED, "")
    source = told.get("files", {}).get("input")
    name = image_name(Path(source)) if source else image.name
    told.setdefault("source", {"name": name, "path": source, "sample": None})
    identity = uuid.uuid4().hex  # another result than the one it was saved from, which may be there too
    layers: list[LayerTuple] = []
    for part, data in parts:
        attributes = part.attributes or _look(part, image)
        if mirrored:
            data = _turned_round(data, part.axes, mirrored)
        metadata = {KEY: {**told, "layer": {"role": part.role, "result": identity}}}
        layers.append((data, {**attributes, "multiscale": False, "metadata": metadata}, "image"))
    return layers


def _look(part: Part, image: ImageFile) -> dict[str, Any]:
    """Return attributes of a layer of a result that was not saved from a viewer."""
    record = Record.read(image.annotation)
    offset = image.offset or _first_pixel(record, image.pixel_size)
    offset = {"C": float(record.channels.start), **offset}  # which files do not tell
    is_map, bright = part.role in KINDS, record.bright[0]
    return {
        "scale": [image.pixel_size.get(name, 1.0) for name in part.axes],
        "translate": [offset.get(name, 0.0) for name in part.axes],
        "units": [image.units.get(name, "pixel") for name in part.axes],
        "axis_labels": list(part.axes),
        "name": f"{image.name} {part.role}",
        "visible": part.role == "mean",
        "rgb": part.channels > 1,
        "contrast_limits": lazy_uncertainty_limits(bright, part.role) if is_map else bright,
        **({"colormap": UNCERTAINTY_COLORMAP} if is_map else {}),
    }


def _first_pixel(record: Record, pixel_size: Mapping[str, float]) -> dict[str, float]:
    """Return where a result of a source that begins at 0 has its first pixel: older TIFFs do not tell."""
    factors = record.settings.factors
    return {
        name: index * factors.along(name) * pixel_size.get(name, 1.0)
        for name, index in record.extent.first_pixel(factors).items()
    }


def _of_one_result(layers: Sequence[LayerTuple]) -> list[LayerTuple]:
    """Return the layers that a file can hold, in its order."""
    parts: dict[str, LayerTuple] = {}
    identities = set()
    for layer in layers:
        told = layer[1].get("metadata", {}).get(KEY, {}).get("layer", {})
        if told.get("role") in ROLES:
            identities.add(told["result"])
            parts.setdefault(told["role"], layer)
    if len(identities) != 1 or "mean" not in parts:
        raise VaesrError(
            "Select the mean and the uncertainty of one result to save them together; "
            "save other layers with another writer."
        )
    return [parts[role] for role in ROLES if role in parts]


def _finest(data: Any, attributes: Mapping[str, Any]) -> Any:
    return data[0] if attributes.get("multiscale") else data


def _output_image(
    named: Axes,
    arrays: Sequence[Any],
    parts: Sequence[Part],
    attributes: Mapping[str, Any],
    told: Mapping[str, Any],
) -> OutputImage:
    pixel_size = dict(zip(named.names, map(float, attributes["scale"]), strict=True))
    dtype = arrays[0].dtype
    wide = dtype.kind in "iu" and np.iinfo(dtype).max > FLOAT32_DIGITS
    channels = named.lengths.get("C")
    return output_image(
        parts,
        named,
        [""] if channels is None else [f"channel {number} " for number in range(channels)],
        told,
        dtype=np.dtype(np.float64 if wide else np.float32),
        pixel_size={name: abs(size) for name, size in pixel_size.items() if name != "C"},
        units={name: str(unit) for name, unit in zip(named.names, attributes["units"], strict=True)},
        offset={
            # Mirrored pixels are written from the last to the first, which other programs show right.
            name: float(start) + (min(0.0, pixel_size[name]) * (named.lengths[name] - 1))
            for name, start in zip(named.names, attributes["translate"], strict=True)
        },
        name=attributes["name"],
    )


def _planes(named: Axes, arrays: Sequence[Any], dtype: np.dtype[Any]) -> Iterator[Any]:
    """Yield what the file holds of each plane, shape (channels, Y, X)."""
    for number in range(named.plane_count):
        planes = []
        for array in arrays:
            colours = Axes(named.names + "S", array.shape) if len(array.shape) > len(named.names) else named
            planes.append(colours.read_plane(array, number, slice(None), slice(None)))
        yield as_channels(planes, dtype)


def _plain(value: Any) -> Any:
    """Turn what napari and NumPy hold into what JSON knows."""
    return json.loads(json.dumps(value, default=_plainer))


def _plainer(value: Any) -> Any:
    if hasattr(value, "tolist"):  # arrays and numbers of NumPy
        return value.tolist()
    return str(value)  # units and choices

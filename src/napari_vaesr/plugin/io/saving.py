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
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.colour import COLOURS
from napari_vaesr.plugin.viewer.layers import KEY, UNCERTAINTY_COLORMAP, LayerTuple, lazy_uncertainty_limits
from napari_vaesr.plugin.viewer.results import KINDS

if TYPE_CHECKING:
    from napari_vaesr.files.image import ImageFile
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

BLOCK = 1024
"""Side of the pieces that an OME-Zarr is written in, in pixels."""

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
    axes = _axes(chosen[0][1], record)
    arrays = [_finest(data, attributes) for data, attributes, _ in chosen]
    shape = np.shape(arrays[0])[: len(axes)]
    for array in arrays:
        if np.shape(array)[: len(axes)] != shape:
            raise VaesrError("The layers of the result differ in size, so they do not fit into one file.")
    named = Axes.parse(axes, shape)
    saved = [
        {
            "role": attributes["metadata"][KEY]["layer"]["role"],
            "dtype": str(array.dtype),
            "channels": array.shape[-1] if attributes.get("rgb") else 1,
            "attributes": _plain({name: attributes[name] for name in KEPT if name in attributes}),
        }
        for array, (_, attributes, _) in zip(arrays, chosen, strict=True)
    ]
    told = {key: value for key, value in record.items() if key != "layer"}
    image = _output_image(named, arrays, saved, chosen[0][1], {**_plain(told), "layers": saved})
    if str(path).lower().endswith(".zarr"):
        _write_zarr(path, image, named, arrays)
    else:
        _write_tiff(path, image, named, arrays)
    return [str(path)]


def saved_layers(image: ImageFile) -> list[LayerTuple] | None:
    """Return the layers of a result, lazily, as `write_result` or the command line wrote it; else None.

    Parameters
    ----------
    image : ImageFile
        As `napari_vaesr.files.image.read_image` opens it.
    """
    import dask.array as da

    from napari_vaesr.files.image import image_name

    told = dict(image.annotation)
    saved = told.pop("layers", None) or _described(image)
    if not saved:
        return None
    source = told.get("files", {}).get("input")
    name = image_name(Path(source)) if source else image.name
    told.setdefault("source", {"name": name, "path": source, "sample": None})
    identity = uuid.uuid4().hex  # another result than the one it was saved from, which may be there too
    together = sum(layer["channels"] for layer in saved)
    layers: list[LayerTuple] = []
    first = 0
    for layer in saved:
        attributes, count = layer["attributes"], layer["channels"]
        wanted = _layer_axes(told, len(attributes["scale"]))
        if "C" in wanted:
            take: int | slice = slice(first, None, together)
        else:
            take = slice(first, first + count) if attributes["rgb"] else first
            wanted += "C" if attributes["rgb"] else ""
        data = _with_axes(da.asarray(image.data), image.axes, wanted, take).astype(layer["dtype"])
        metadata = {KEY: {**told, "layer": {"role": layer["role"], "result": identity}}}
        layers.append((data, {**attributes, "multiscale": False, "metadata": metadata}, "image"))
        first += count
    return layers


def _described(image: ImageFile) -> list[dict[str, Any]] | None:
    """Describe the layers of a result that the command line wrote, from its record and channel names."""
    if not image.channel_names:
        return None
    try:
        record = Record.read(image.annotation)
    except VaesrError:
        return None
    sources = len(record.channels)
    names = image.channel_names[: len(image.channel_names) // sources]
    colours = sum(name.endswith(" mean") for name in names) if "S" in record.axes else 0
    axes = record.axes.replace("S", "")
    offset = image.offset or _first_pixel(record, image.pixel_size)
    place = {
        "scale": [image.pixel_size.get(name, 1.0) for name in axes],
        "translate": [offset.get(name, 0.0) for name in axes],
        "units": [image.units.get(name, "pixel") for name in axes],
        "axis_labels": list(axes),
    }
    bright = record.bright[0]
    mean_dtype = np.dtype(record.input.dtype)
    layers = []
    for role in ["mean", *(name.split()[-1] for name in names[max(colours, 1) :])]:
        is_map = role in KINDS
        rgb = role == "mean" and colours > 0
        attributes = {
            **place,
            "name": f"{image.name} {role}",
            "visible": role == "mean",
            "rgb": rgb,
            "contrast_limits": lazy_uncertainty_limits(bright, role) if is_map else bright,
            **({"colormap": UNCERTAINTY_COLORMAP} if is_map else {}),
        }
        dtype = str(mean_dtype) if role == "mean" and mean_dtype.kind in "iu" else "float32"
        layers.append(
            {"role": role, "dtype": dtype, "channels": colours if rgb else 1, "attributes": attributes}
        )
    return layers


def _first_pixel(record: Record, pixel_size: Mapping[str, float]) -> dict[str, float]:
    """Return where the first pixel of a result lies when its source begins at 0: a TIFF does not tell."""
    factors = record.settings.factors
    return {
        name: index * factors.along(name) * pixel_size.get(name, 1.0)
        for name, index in record.extent.first_pixel(factors).items()
    }


def _with_axes(pixels: Any, names: str, wanted: str, channels: int | slice) -> Any:
    """Take channels and bring the axes into an order; axes of length 1 may be missing in a file."""
    for name in "C" + wanted:
        if name not in names:
            pixels, names = pixels[np.newaxis], name + names
    pixels = pixels[tuple(channels if name == "C" else slice(None) for name in names)]
    if isinstance(channels, int):
        names = names.replace("C", "")
    return pixels.transpose([names.index(name) for name in wanted])


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


def _axes(attributes: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    return _layer_axes(record, len(attributes["scale"]))


def _layer_axes(record: Mapping[str, Any], ndim: int) -> str:
    """Return the axes of a layer of a result, less ``S``: those of the source or of one of its channels."""
    axes = str(record["axes"]).replace("S", "")
    if len(axes) != ndim:
        axes = axes.replace("C", "")
    if len(axes) != ndim:
        raise VaesrError(f"The layer has {ndim} axes and not those of its source, {record['axes']}.")
    return axes


def _output_image(
    named: Axes,
    arrays: Sequence[Any],
    saved: Sequence[Mapping[str, Any]],
    attributes: Mapping[str, Any],
    annotation: Mapping[str, Any],
) -> OutputImage:
    from napari_vaesr.files.output import OutputImage

    names = []
    for layer in saved:
        many = layer["channels"] > 1
        names += [f"{colour} mean" for colour in COLOURS[: layer["channels"]]] if many else [layer["role"]]
    lengths = dict(zip(named.names, named.shape, strict=True))
    channels = [f"channel {number} " for number in range(lengths["C"])] if "C" in lengths else [""]
    pixel_size = dict(zip(named.names, map(float, attributes["scale"]), strict=True))
    dtype = arrays[0].dtype
    wide = dtype.kind in "iu" and np.iinfo(dtype).max > FLOAT32_DIGITS
    return OutputImage(
        axes=named,
        channel_names=tuple(channel + name for channel in channels for name in names),
        dtype=np.dtype(np.float64 if wide else np.float32),
        pixel_size={name: abs(size) for name, size in pixel_size.items() if name != "C"},
        units={name: str(unit) for name, unit in zip(named.names, attributes["units"], strict=True)},
        offset=dict(zip(named.names, map(float, attributes["translate"]), strict=True)),
        name=attributes["name"],
        annotation=annotation,
    )


def _planes(named: Axes, arrays: Sequence[Any], dtype: np.dtype[Any]) -> Iterator[Any]:
    """Yield what the file holds of each plane, shape (channels, Y, X)."""
    for number in range(named.plane_count):
        parts = []
        for array in arrays:
            colours = Axes(named.names + "S", array.shape) if len(array.shape) > len(named.names) else named
            plane = colours.read_plane(array, number, slice(None), slice(None))
            parts.append(np.moveaxis(plane, -1, 0) if plane.ndim == 3 else plane[np.newaxis])
        yield np.concatenate(parts).astype(dtype)


def _write_tiff(path: str | PathLike[str], image: OutputImage, named: Axes, arrays: Sequence[Any]) -> None:
    from napari_vaesr.files.atomic import atomic_path
    from napari_vaesr.files.tiff_output import TiffOutput

    with atomic_path(path) as temporary:
        output = TiffOutput.create(temporary, image)
        for number, plane in enumerate(_planes(named, arrays, image.dtype)):
            output.write(named.region(number, range(named.height), range(named.width)), plane)


def _write_zarr(path: str | PathLike[str], image: OutputImage, named: Axes, arrays: Sequence[Any]) -> None:
    from napari_vaesr.files.atomic import atomic_folder
    from napari_vaesr.files.zarr_output import ZarrOutput
    from napari_vaesr.imaging.tiling import round_up

    height, width = (round_up(min(length, BLOCK), 32) for length in (named.height, named.width))
    with atomic_folder(Path(path)) as temporary:
        output = ZarrOutput.create(temporary, image, (height, width))
        for number, plane in enumerate(_planes(named, arrays, image.dtype)):
            for top in range(0, named.height, height):
                for left in range(0, named.width, width):
                    part = plane[:, top : top + height, left : left + width]
                    rows, columns = range(top, top + part.shape[1]), range(left, left + part.shape[2])
                    output.write(named.region(number, rows, columns), part)
        output.finish(image.annotation)


def _plain(value: Any) -> Any:
    """Turn what napari and NumPy hold into what JSON knows."""
    return json.loads(json.dumps(value, default=_plainer))


def _plainer(value: Any) -> Any:
    if hasattr(value, "tolist"):  # arrays and numbers of NumPy
        return value.tolist()
    return str(value)  # units and choices

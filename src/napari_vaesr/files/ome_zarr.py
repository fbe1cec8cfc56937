"""Zarr folders: OME-Zarr of every version, and plain arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import ImageFile, ask_for_axes, image_name
from napari_vaesr.files.lazy import FileArray, as_dask, reason
from napari_vaesr.files.units import spell_out
from napari_vaesr.imaging.axes import LETTERS, Axes


def read_zarr(path: Path, axes: str | None) -> ImageFile:
    """Open an OME-Zarr image in full resolution, or a plain Zarr array whose axes are given, lazily.

    Raises
    ------
    VaesrError
        When the folder is damaged, holds no image, or the axes are not known or don't fit.
    """
    try:
        node = zarr.open(path, mode="r")
        if isinstance(node, zarr.Array):
            return _image(path, path, node, axes or _dimension_names(node), {}, (), {}, {})
        return _read_group(path, path, axes)
    except VaesrError:
        raise
    except Exception as error:  # damaged metadata can raise anything
        raise VaesrError(f"{path} is damaged or no Zarr image: {reason(error)}.") from error


def _read_group(path: Path, folder: Path, axes: str | None) -> ImageFile:
    group = zarr.open_group(folder, mode="r")
    attributes: Mapping[str, Any] = dict(group.attrs)
    told = attributes.get("napari_vaesr")
    annotation = dict(told) if isinstance(told, Mapping) else {}
    attributes = attributes.get("ome", attributes)  # from version 0.5 on
    if "multiscales" not in attributes:
        if "bioformats2raw.layout" in attributes and "0" in group:  # a collection of images
            return _read_group(path, folder / "0", axes)
        raise VaesrError(f"{path} is no OME-Zarr image, please choose an image or an array inside it.")
    multiscale = attributes["multiscales"][0]
    dataset = multiscale["datasets"][0]
    array = zarr.open_array(folder / dataset["path"], mode="r")
    named = multiscale.get("axes", list("tczyx"))  # fixed before version 0.3
    described = [{"name": axis} if isinstance(axis, str) else axis for axis in named]
    letters = [str(axis["name"]).upper() for axis in described]
    scales = [_transformation(part, "scale", [1.0] * len(letters)) for part in (dataset, multiscale)]
    shifts = [_transformation(part, "translation", [0.0] * len(letters)) for part in (dataset, multiscale)]
    # The image's own scale and translation act on what its levels' give.
    offset = {
        letter: float(own * common + shift)
        for letter, own, common, shift in zip(letters, shifts[0], scales[1], shifts[1], strict=True)
        if own or shift
    }
    sizes = {
        letter: (float(own * common), spell_out(str(axis.get("unit", ""))))
        for letter, axis, own, common in zip(letters, described, *scales, strict=True)
    }
    channels = attributes.get("omero", {}).get("channels", [])
    names = tuple(str(channel.get("label") or f"channel {n}") for n, channel in enumerate(channels))
    known = "".join(letters) if all(letter in LETTERS for letter in letters) else None
    return _image(path, folder / dataset["path"], array, axes or known, sizes, names, offset, annotation)


def _transformation(part: Mapping[str, Any], kind: str, none: Sequence[float]) -> Sequence[float]:
    """Return the numbers of the first transformation of a kind, `none` where there isn't one."""
    for transformation in part.get("coordinateTransformations", []):
        if transformation.get("type") == kind:
            numbers: Sequence[float] = transformation[kind]
            return numbers
    return none


def _dimension_names(array: zarr.Array[Any]) -> str | None:
    """Return the axes that a Zarr 3 array names itself, if it names all with a letter that we know."""
    names = getattr(array.metadata, "dimension_names", None) or ()
    letters = [str(name).upper() for name in names]
    return "".join(letters) if letters and all(letter in LETTERS for letter in letters) else None


def _image(
    path: Path,
    folder: Path,
    array: zarr.Array[Any],
    axes: str | None,
    sizes: Mapping[str, tuple[float, str | None]],
    channels: tuple[str, ...],
    offset: Mapping[str, float],
    annotation: dict[str, Any],
) -> ImageFile:
    if axes is None:
        raise ask_for_axes(path, array.shape)
    names = Axes.parse(axes, array.shape).names
    known = {name: sizes[name] for name in names if name != "C" and name in sizes and sizes[name][0] > 0}
    pixels = FileArray(path, partial(zarr.open_array, folder, mode="r"), array.shape, np.dtype(array.dtype))
    return ImageFile(
        path=path,
        name=image_name(path),
        data=as_dask(pixels, names, array.chunks),
        axes=names,
        pixel_size={name: size for name, (size, _) in known.items()},
        units={name: unit for name, (_, unit) in known.items() if unit},
        channel_names=channels if "C" in names else (),
        offset={name: offset[name] for name in known if name in offset},
        annotation=annotation,
    )

"""The layer that a result was made from: found again among the layers of a viewer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from napari_vaesr.engine.record import Record
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.plugin.viewer.layers import source_array

Told = Mapping[str, Any]
"""A layer's metadata under ``napari_vaesr``: its record, with ``source`` and ``layer``."""


def source_axes(told: Told) -> str:
    """Return the axes of the layer that a result was made from: without C where it is a channel of a file."""
    return str(told["source"].get("axes") or told["axes"])


def source_of(told: Told, layers: Iterable[Any]) -> Any:
    """Return the layer that a result was made from, if it is still there with the same pixels, else None.

    It is looked for by name and then, for it may have been renamed, by shape, type and intensities.
    """
    made, axes = Record.read(told), source_axes(told)
    shape, dtype = [made.image_axes.lengths[name] for name in axes], made.input.dtype
    fitting = [
        layer
        for layer in layers
        if type(layer).__name__ == "Image"
        and list(source_array(layer).shape) == shape
        and str(source_array(layer).dtype) == dtype
    ]
    by_name = [layer for layer in fitting if layer.name == told["source"]["name"]]
    if by_name:
        return by_name[0]
    return next((each for each in fitting if has_intensities(source_array(each), axes, made)), None)


def has_intensities(pixels: Any, axes: str, made: Record) -> bool:
    """Whether pixels, or those of the one channel that a record is of, are as bright as it tells."""
    from napari_vaesr.imaging.intensity import fit_scalings
    from napari_vaesr.zoo.registry import get_card

    told = made.intensity
    if "C" not in axes and len(told) > 1:
        told = tuple(told[index] for index in made.channels)
    try:
        method = get_card(made.settings.model).intensity
        return tuple(fit_scalings(pixels, Axes.parse(axes, pixels.shape), method)) == told
    except VaesrError:
        return False

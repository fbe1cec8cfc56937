"""What is measured: of a layer of napari, its samples, or new ones of the file that it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.record import Record
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import read_image
from napari_vaesr.files.output import KEY
from napari_vaesr.imaging.geometry import Turn


@dataclass(frozen=True)
class LayerSource:
    """What to measure, and where it is.

    Attributes
    ----------
    source : UpscaleJob, Result or array
        A job, a result with its samples, or samples.
    axes : str or None
        Of samples, without their own.
    record : Record or None
        How they were made, if it is known.
    pixel_size, offset : mapping of str to float
        As for `napari_vaesr.measure`; empty for pixels.
    units : mapping of str to str
        The same.
    turn : Turn or None
        How they are turned in the world.
    """

    source: Any
    axes: str | None
    record: Record | None = None
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    offset: Mapping[str, float] = field(default_factory=dict)
    turn: Turn | None = None


def as_told(
    source: Any,
    axes: str | None,
    pixel_size: Mapping[str, float] | None,
    units: Mapping[str, str] | None,
    offset: Mapping[str, float] | None,
) -> LayerSource:
    """Return what to measure, as it is told or else as a layer tells it.

    Parameters
    ----------
    source, axes, pixel_size, units, offset
        As for `napari_vaesr.measure`.
    """
    found = of_layer(source) if is_layer(source) else LayerSource(source, None)
    found = replace(found, axes=axes or found.axes)
    if pixel_size is None and found.pixel_size:
        return found
    return replace(found, pixel_size=pixel_size or {}, units=units or {}, offset=offset or {}, turn=None)


def is_layer(source: Any) -> bool:
    """Whether something is a layer of napari, which is not asked for it."""
    return all(hasattr(source, name) for name in ("data", "metadata", "scale", "translate", "units"))


def of_layer(layer: Any) -> LayerSource:
    """Return what can be measured of a layer that shows a result.

    Parameters
    ----------
    layer : napari.layers.Image
        Of samples that were kept; or the mean or the uncertainty of a result whose source lies in a file.

    Raises
    ------
    VaesrError
        When it is no result, or nothing can be drawn from.
    """
    told: Mapping[str, Any] | None = layer.metadata.get(KEY)
    if told is None or "layer" not in told:
        raise VaesrError(
            f"The layer '{layer.name}' is no result: upscale it, or give an UpscaleJob on its pixels."
        )
    axes = str(told["source"].get("axes") or told["axes"])
    if told["layer"]["role"] == "samples":
        names, record = axes.replace("S", ""), Record.read(told)
        units = {name: str(unit) for name, unit in zip(names, layer.units[1:], strict=True)}
        if any(units[name] == "pixel" for name in names if name in "ZYX"):
            return LayerSource(layer.data, axes, record)
        size, offset = (
            {name: float(value) for name, value in zip(names, values[1:], strict=True)}
            for values in (layer.scale, layer.translate)
        )
        turn = Turn.of(
            lambda place: layer.data_to_world([0, *place])[1:], names, layer.scale[1:], layer.translate[1:]
        )
        return LayerSource(layer.data, axes, record, size, units, offset, turn)
    path = told["source"].get("path")
    if not path:
        raise VaesrError(
            f"The source of '{layer.name}' is in no file to draw samples from: upscale it with samples kept, "
            "or give an UpscaleJob."
        )
    record = Record.read(told)
    image = read_image(path, record.axes, told["source"].get("series"))
    job = UpscaleJob.from_record(image.data, record)
    return LayerSource(job, None, record, dict(image.pixel_size), dict(image.units), dict(image.offset))

"""Results among a viewer's layers: which layers belong together, and what else they can show.

Nothing here needs a window, and nothing is upscaled again: every kind of uncertainty follows from the
standard deviation. Lazy layers stay lazy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_vaesr.engine.record import Record
from napari_vaesr.engine.result import DARKEST
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import KEY
from napari_vaesr.imaging.colour import OPAQUE
from napari_vaesr.luma import BLUE, GREEN, RED
from napari_vaesr.plugin.viewer.layers import STD_KEY, as_scrolled
from napari_vaesr.plugin.viewer.sources import source_array
from napari_vaesr.zoo.calibration import NORMAL_INTERVAL

if TYPE_CHECKING:
    import napari.layers

Index = tuple[int | slice, ...]

KINDS: dict[str, str] = {
    "std": "Standard deviation",
    "variance": "Variance",
    "relative": "Relative (std / mean)",
    "width": "Width of the 90 % interval",
}
"""What an uncertainty layer can show, with its title."""


@dataclass(frozen=True, eq=False)
class ShownResult:
    """The layers of one result.

    Attributes
    ----------
    mean : napari.layers.Image
        The upscaled image.
    uncertainty : tuple of napari.layers.Image
        One layer, or the lower and the upper bound of an interval.
    """

    mean: napari.layers.Image
    uncertainty: tuple[napari.layers.Image, ...]

    @property
    def record(self) -> Mapping[str, Any]:
        """How it was made, with ``source`` and ``layer``, as the mean's metadata have it."""
        record: Mapping[str, Any] = self.mean.metadata[KEY]
        return record

    @cached_property
    def made(self) -> Record:
        """The same, read."""
        return Record.read(self.record)

    @property
    def identity(self) -> str:
        """What all layers of this result have in common, and no others."""
        return str(self.record["layer"]["result"])

    @property
    def name(self) -> str:
        """The mean's name without its end."""
        return str(self.mean.name).replace(" mean", "")

    def metadata(self, role: str) -> dict[str, Any]:
        """Return metadata of a further layer that shows something of this result."""
        return {KEY: {**self.record, "layer": {"role": role, "result": self.identity}}}

    def reach(self, where: Index = ()) -> Any:
        """Return the half width of the 90 % interval in standard deviations."""
        last = self.made.calibration[-len(self.made.intensity) :]  # of the passes, by which it was made
        told = [each.interval for each in last]
        return self._per_channel(told or [NORMAL_INTERVAL], where)

    def std(self, where: Index = ()) -> Any:
        """Return the calibrated standard deviation, in the image's intensity units, without ``S``.

        Parameters
        ----------
        where : tuple of int or slice
            Which part, along the axes of the maps; nothing else is read or computed. All by default.
        """
        first = self.uncertainty[0]
        if STD_KEY in first.metadata:
            return first.metadata[STD_KEY][where]
        shown = source_array(first)[where]
        role = first.metadata[KEY]["layer"]["role"]
        if role == "variance":
            return np.sqrt(shown)
        if role == "relative":
            return shown * self._brightness(where)
        if role == "width":
            return shown / (2 * self.reach(where))
        if role == "lower":
            return (source_array(self.uncertainty[1])[where] - shown) / (2 * self.reach(where))
        return shown

    def map(self, kind: str) -> Any:
        """Return an uncertainty of one of the `KINDS`, float32 where the standard deviation is."""
        made = self._map(kind)
        # Only what is upscaled as one scrolls is worth giving up, and not what is read from a file.
        return as_scrolled(made) if hasattr(source_array(self.mean), "is_scrolled") else made

    def _map(self, kind: str) -> Any:
        std = self.std()
        if kind == "variance":
            return std * std
        if kind == "relative":
            return std / self._brightness()
        if kind == "width":
            return std * (2 * self.reach())
        return std

    def luma(self, where: Index = ()) -> Any:
        """Return the mean, or a part of it, as float32; colours as their luma, weighted by their alpha."""
        mean = source_array(self.mean)
        if not self.mean.rgb:
            return mean[where].astype(np.float32)
        place = where or (slice(None),) * self.mean.ndim
        red, green, blue = (mean[(*place, index)].astype(np.float32) for index in range(3))
        luma = RED * red + GREEN * green + BLUE * blue
        opaque = OPAQUE.get(np.dtype(mean.dtype).name)
        if mean.shape[-1] < 4 or opaque is None:
            return luma
        return luma * (mean[(*place, 3)].astype(np.float32) / np.float32(opaque))

    def _brightness(self, where: Index = ()) -> Any:
        """Return what the relative uncertainty divides by, as `uncertainty_map` of the engine does."""
        gains = [each.gain for each in self.made.intensity]
        return np.maximum(np.abs(self.luma(where)), DARKEST * self._per_channel(gains, where))

    def _per_channel(self, values: list[float], where: Index) -> Any:
        """Return numbers per channel so that they fit the maps, or one number for all."""
        if len(values) > 1:
            values = [values[index] for index in self.made.channels]
        axes = self.made.axes.replace("S", "")
        if len(values) == 1 or len(axes) != self.mean.ndim:
            return np.float32(values[0])
        shape = [-1 if name == "C" else 1 for name in axes]
        numbers = np.array(values, np.float32).reshape(shape)
        return np.broadcast_to(numbers, source_array(self.uncertainty[0]).shape)[where] if where else numbers


def results(layers: Iterable[Any]) -> list[ShownResult]:
    """Find the results that have both a mean and an uncertainty among these layers.

    Copies, projections and parts of these layers carry the same metadata, but are images of their own.
    """
    parts: dict[str, dict[str, list[Any]]] = {}
    for layer in sorted(layers, key=_is_copy):
        told = layer.metadata.get(KEY)
        if isinstance(told, Mapping) and "layer" in told and type(layer).__name__ == "Image":
            roles = parts.setdefault(told["layer"]["result"], {})
            roles.setdefault(told["layer"]["role"], []).append(layer)
    made = [_result_among(roles) for roles in parts.values()]
    return [each for each in made if each is not None]


def _is_copy(layer: Any) -> bool:
    return layer.source.parent is not None


_known_lengths: dict[str, set[tuple[int, ...]]] = {}
"""Those of `_lengths`, by result: it is asked at every move of the mouse."""


def _lengths(told: Mapping[str, Any]) -> set[tuple[int, ...]]:
    """Return how long a result may be along its axes, whatever their order; nothing where no record tells.

    One channel of a file may be a layer of its own.
    """
    identity = told["layer"]["result"]
    if identity not in _known_lengths:
        try:
            made = Record.read(told)
            lengths = made.extent.enlarged(made.settings.factors).lengths
            _known_lengths[identity] = {
                _sorted_lengths(lengths[name] for name in axes)
                for axes in (made.axes.replace("S", ""), made.axes.replace("S", "").replace("C", ""))
            }
        except VaesrError:
            _known_lengths[identity] = set()
    return _known_lengths[identity]


def _sorted_lengths(lengths: Iterable[int]) -> tuple[int, ...]:
    """Return lengths without those of 1, for a reader may leave such axes out."""
    return tuple(sorted(each for each in lengths if each > 1))


def _result_among(roles: Mapping[str, Sequence[Any]]) -> ShownResult | None:
    """Return the first mean with an uncertainty of its shape; one that was cut is told of wrongly."""
    for mean in roles.get("mean", ()):
        shape = source_array(mean).shape[: mean.ndim]
        whole = _lengths(mean.metadata[KEY])
        if whole and _sorted_lengths(shape) not in whole:
            continue
        alike = {
            role: next((each for each in found if source_array(each).shape == shape), None)
            for role, found in roles.items()
        }
        single = tuple(alike[role] for role in KINDS if alike.get(role) is not None)
        bounds = tuple(alike[role] for role in ("lower", "upper") if alike.get(role) is not None)
        if single or len(bounds) == 2:
            return ShownResult(mean, single or bounds)
    return None


def result_of(layer: Any, layers: Iterable[Any]) -> ShownResult | None:
    """Return the result that a layer is a part of, if it is one."""
    for result in results(layers):
        if layer in (result.mean, *result.uncertainty):  # equal, for panels may get a proxy of it
            return result
    return None


def layer_with(layers: Iterable[Any], result: ShownResult, role: str) -> Any:
    """Return the layer that shows something further of a result, None where there is none."""
    for layer in layers:
        told = layer.metadata.get(KEY, {}).get("layer", {})
        if told.get("role") == role and told["result"] == result.identity:
            return layer
    return None


def newest_samples(layers: Sequence[Any]) -> Any:
    """Return the topmost layer with samples along its first axis, None where there is none.

    A projection along them has the same metadata, and other axes.
    """
    for layer in reversed(layers):
        role = layer.metadata.get(KEY, {}).get("layer", {}).get("role")
        if role == "samples" and layer.axis_labels[0] == "sample":
            return layer
    return None

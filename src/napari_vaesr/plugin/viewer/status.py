"""The status bar shows a result's value with its standard deviation: ``8868 ± 41.2``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from napari_vaesr.plugin.viewer.results import result_of
from napari_vaesr.plugin.viewer.sources import source_array
from napari_vaesr.plugin.viewer.world import on_show, to_shown_pixels

if TYPE_CHECKING:
    from napari.components import ViewerModel

SIGN = " ± "

WAITING = " (not upscaled yet)"

_watched: WeakSet[ViewerModel] = WeakSet()


def show_std_in_status(viewer: ViewerModel) -> None:
    """Add the standard deviation to what the status bar says of a mean, from now on."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # through the proxy that panels get, layers are others
    if viewer not in _watched:
        _watched.add(viewer)
        viewer.events.status.connect(_Adder(viewer), position="last")


class _Adder:
    """Called when the status has changed, after the status bar has shown it."""

    def __init__(self, viewer: ViewerModel):
        self._viewer = viewer

    def __call__(self, event: Any) -> None:
        status = event.value
        if not isinstance(status, dict) or any(
            each in status.get("coordinates", "") for each in (SIGN, WAITING)
        ):
            return
        ending = self._ending()
        if ending:
            told = {key: status[key] + ending for key in ("coordinates", "value") if key in status}
            self._viewer.status = {**status, **told}

    def _ending(self) -> str:
        layer = self._viewer.layers.selection.active
        if getattr(getattr(layer, "data", None), "is_waited_for", False):
            return WAITING
        spread = std_at_cursor(self._viewer)
        return "" if spread is None else f"{SIGN}{spread:.3g}"


def std_at_cursor(viewer: ViewerModel) -> float | None:
    """Return the standard deviation under the cursor, if a mean is active and its std is at hand.

    A lazy one is not computed for this.
    """
    layer = viewer.layers.selection.active
    result = None if layer is None else result_of(layer, viewer.layers)
    if result is None or layer is not result.mean:
        return None
    if not all(isinstance(source_array(each), np.ndarray) for each in (result.mean, *result.uncertainty)):
        return None
    shape = source_array(result.uncertainty[0]).shape
    dims = viewer.dims
    at = to_shown_pixels(layer, viewer.cursor.position, dims.units, on_show(dims, layer))
    index = tuple(round(float(place)) for place in at)
    inside = all(0 <= place < length for place, length in zip(index, shape, strict=True))
    return float(result.std(index)) if inside else None

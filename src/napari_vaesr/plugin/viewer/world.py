"""Positions on show and pixels of a layer, where the viewer measures in another unit than the layer.

napari shows layers of different units in the smallest of them. Dims, camera and cursor are in that unit,
while a layer's own ``world_to_data`` and ``data_to_world`` are in the layer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import napari.layers

Units = Sequence[Any] | None
"""As ``viewer.dims.units``: a unit for every axis of the viewer, None where layers cannot agree on any."""


def to_pixels(layer: napari.layers.Layer, position: npt.ArrayLike, units: Units) -> npt.NDArray[np.float64]:
    """Return the pixel indices of a layer at a position in the viewer.

    Parameters
    ----------
    layer : napari.layers.Layer
        Whose pixels are meant.
    position : array of shape (dimensions,)
        Along the last axes of the viewer.
    units : sequence of pint.Unit or None
        Of the position, ``viewer.dims.units``.
    """
    place = np.array(position, dtype=float)  # a copy
    factors = _per_unit(layer, units)[-len(place) :]
    place[-len(factors) :] *= factors
    return np.asarray(layer.world_to_data(place), dtype=float)


def to_shown_pixels(
    layer: napari.layers.Layer, position: npt.ArrayLike, units: Units, displayed: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Return the pixel indices of a layer that napari shows at a position in the viewer.

    They are those of `to_pixels`, but for layers that are turned or sheared out of the planes on show: napari
    leaves that out when it cuts and draws a plane.

    Parameters
    ----------
    layer, position, units
        As for `to_pixels`.
    displayed : sequence of int
        Axes of the layer that are on show; those below 0 are not its own.
    """
    indices = to_pixels(layer, position, units)
    shown = [axis for axis in displayed if axis >= 0]
    others = [axis for axis in range(layer.ndim) if axis not in shown]
    start = np.asarray(layer.data_to_world(np.zeros(layer.ndim)), dtype=float)
    forth = np.stack([layer.data_to_world(each) for each in np.eye(layer.ndim)], axis=1) - start[:, None]
    if not shown or not (forth[np.ix_(shown, others)].any() or forth[np.ix_(others, shown)].any()):
        return indices
    place = forth @ indices + start
    indices[shown] = np.linalg.solve(forth[np.ix_(shown, shown)], (place - start)[shown])
    back = np.linalg.inv(forth)
    indices[others] = back[np.ix_(others, others)] @ place[others] - (back @ start)[others]
    return indices


def on_show(dims: Any, layer: napari.layers.Layer) -> list[int]:
    """Return the axes of a layer that are on show, below 0 those that are not its own.

    Parameters
    ----------
    dims : napari.components.Dims
        Of the viewer.
    layer : napari.layers.Layer
        With as many axes as the viewer, or fewer.
    """
    return [axis - (dims.ndim - layer.ndim) for axis in dims.displayed]


def to_world(layer: napari.layers.Layer, indices: npt.ArrayLike, units: Units) -> npt.NDArray[np.float64]:
    """Return the position in the viewer, in its units, of pixel indices of a layer."""
    place = np.asarray(layer.data_to_world(indices), dtype=float)
    return place / _per_unit(layer, units)


def _per_unit(layer: napari.layers.Layer, units: Units) -> npt.NDArray[np.float64]:
    """Return how many of the layer's units one of the viewer's is, along every axis of the layer.

    One where they cannot be compared, as those of a layer that is not in the viewer.
    """
    factors = np.ones(layer.ndim)
    if units is not None and len(units) >= layer.ndim:
        for axis, (shown, own) in enumerate(zip(units[-layer.ndim :], layer.units, strict=True)):
            if shown.dimensionality == own.dimensionality:
                factors[axis] = (1 * shown).to(own).magnitude
    return factors

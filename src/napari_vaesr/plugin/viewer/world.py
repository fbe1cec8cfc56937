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

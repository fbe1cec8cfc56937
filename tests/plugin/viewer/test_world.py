"""Positions in a viewer whose unit is smaller than that of a layer."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_vaesr.plugin.viewer.world import to_pixels, to_world


@pytest.mark.parametrize("unit", ["mm", "um", "nm"])
def test_pixels_are_those_of_the_place_in_any_unit(unit):
    viewer = ViewerModel()
    layer = viewer.add_image(
        np.zeros((4, 5, 6)), scale=(2, 0.5, 0.25), translate=(1, 2, 3), units=("um",) * 3
    )
    viewer.add_image(np.zeros((4, 5)), units=(unit,) * 2)
    indices = np.array([1.0, 2.0, 3.0])
    place = to_world(layer, indices, viewer.dims.units)
    micrometers = np.array([3.0, 3.0, 3.75])
    np.testing.assert_allclose(place, micrometers * (1000 if unit == "nm" else 1))
    np.testing.assert_allclose(to_pixels(layer, place, viewer.dims.units), indices)


def test_without_a_common_unit_layers_are_where_they_say():
    layer = Image(np.zeros((5, 6)), scale=(0.5, 0.25), units=("um",) * 2)
    np.testing.assert_allclose(to_world(layer, (2, 4), None), (1, 1))
    np.testing.assert_allclose(to_pixels(layer, (1, 1), None), (2, 4))

"""Before on the left of a line and after on its right, in place."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_vaesr.engine.result import Result
from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.viewer.layers import layer_tuples
from napari_vaesr.plugin.viewer.look import result_with
from napari_vaesr.plugin.viewer.swipe import Swipe
from napari_vaesr.plugin.viewer.world import to_world


@pytest.fixture
def shown():
    mean = np.arange(2 * 20 * 30, dtype="uint16").reshape(2, 20, 30)
    std = np.ones(mean.shape, "float32")
    source = Image(mean[:, ::2, ::2], name="cells", scale=(2, 0.5, 0.5), translate=(0, 3, 7))
    viewer = ViewerModel()
    viewer.layers.append(source)
    for each in layer_tuples(Result(mean, std, std, {}, "ZYX"), source, "ZYX", 2):
        viewer.layers.append(Layer.create(*each))
    viewer.scene.camera.center = (0, 5, 7 + 0.5 * 7.25)
    return viewer, source, result_with(viewer.layers, viewer.layers[1])


def test_the_part_right_of_the_line_is_in_its_place(shown):
    viewer, source, result = shown
    swipe = Swipe(viewer, result, source)
    assert source.visible and not result.mean.visible
    for column in (15, 4, 26):
        swipe.move(column)
        np.testing.assert_array_equal(swipe.part.data, result.mean.data[:, :, column:])
        np.testing.assert_allclose(
            swipe.part.data_to_world((1, 0, 0)), result.mean.data_to_world((1, 0, column))
        )
        edge = result.mean.data_to_world((0, -0.5, column - 0.5))[1:]
        np.testing.assert_allclose(swipe.line.data_to_world(swipe.line.data[0][0]), edge)
    swipe.move(1000)
    assert swipe.part.data.shape[-1] == 1  # never nothing
    swipe.stop()
    assert len(viewer.layers) == 3 and result.mean.visible
    assert swipe._on_drag not in viewer.mouse_drag_callbacks


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 1, 0)])
def test_the_line_runs_downwards_whatever_is_on_show(shown, order):
    viewer, source, result = shown
    viewer.dims.order = order
    swipe = Swipe(viewer, result, source)
    swipe.move(1)
    start, end = swipe.line.data[0]
    # As napari shows a layer of two axes: those of its axes that the viewer has, in the viewer's order.
    down, across = (axis - 1 for axis in viewer.dims.order if axis >= 1)
    assert start[across] == end[across] == swipe._across()
    length = np.ptp(result.mean.extent.world[:, order[1]]) + result.mean.scale[order[1]]
    assert end[down] - start[down] == pytest.approx(length)


def test_the_line_is_in_the_unit_of_the_viewer(shown):
    viewer, source, result = shown
    for layer in viewer.layers:
        layer.units = ("um",) * 3
    viewer.add_image(np.zeros((2, 20, 30)), units=("nm",) * 3)
    swipe = Swipe(viewer, result, source)
    swipe.move(15)
    edge = to_world(result.mean, (0, -0.5, 14.5), viewer.dims.units)[1:]
    np.testing.assert_allclose(to_world(swipe.line, swipe.line.data[0][0], viewer.dims.units), edge)
    assert edge[1] > 1000


def test_only_planes_are_swiped(shown):
    viewer, source, result = shown
    viewer.dims.ndisplay = 3
    with pytest.raises(VaesrError, match="2-D"):
        Swipe(viewer, result, source)
    assert len(viewer.layers) == 3

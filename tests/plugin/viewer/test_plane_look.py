"""Of a result that is computed as one scrolls, the plane on show is looked at."""

from __future__ import annotations

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_vaesr.engine.result import Result
from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.viewer.layers import layer_tuples
from napari_vaesr.plugin.viewer.look import look_of, result_with
from napari_vaesr.plugin.viewer.plane_look import PlaneLook, is_lazy
from napari_vaesr.trust.certainty import certainty, nice_top, painted, relative_uncertainty


@pytest.fixture
def maps():
    """Two planes, each unsure in another cell."""
    mean = np.full((2, 40, 60), 100, "uint16")
    std = np.ones(mean.shape, "float32")
    for plane, (row, column) in enumerate([(8, 8), (24, 40)]):
        mean[plane, row : row + 12, column : column + 12] = 200
        std[plane, row : row + 12, column : column + 12] = 40
    return mean, std


def shown(maps, rgb=False):
    mean, std = maps
    grey, axes = mean[:, ::2, ::2], "ZYX"
    if rgb:
        mean, grey, axes = np.stack([mean] * 3, -1), np.stack([grey] * 3, -1), "ZYXS"
    source = Image(grey, rgb=rgb, name="cells", scale=(2, 0.5, 0.5), translate=(0, 3, 7))
    viewer = ViewerModel()
    viewer.layers.append(source)
    lazy = [da.from_array(each, chunks=(1, *each.shape[1:])) for each in (mean, std)]
    for each in layer_tuples(
        Result(lazy[0], lazy[1], lazy[1], {}, axes), source, axes, 2, uncertainty_range=(0, 50)
    ):
        viewer.layers.append(Layer.create(*each))
    return viewer, result_with(viewer.layers, viewer.layers[1])


@pytest.mark.parametrize("rgb", [False, True])
def test_the_plane_on_show_is_told_and_painted(maps, rgb, qtbot):
    viewer, result = shown(maps, rgb)
    assert is_lazy(result)
    told = []
    look = PlaneLook(viewer, result, told.append)
    tops = []
    for plane in (1, 0):
        viewer.dims.set_point(0, 2.0 * plane)
        qtbot.waitUntil(
            lambda plane=plane: bool(told and told[-1] and told[-1].place["Z"] == plane), timeout=60000
        )
        mean, std = (each[plane] for each in maps)
        if rgb:
            mean = np.stack([mean] * 3, -1)
        alone = certainty(mean, std)
        assert told[-1] == replace(alone, place={"Z": plane, **alone.place})
        look.show(True)
        relative = relative_uncertainty(mean, std, "YX")
        tops.append(nice_top(relative))
        assert look.top == max(tops), "a colour means the same in all planes"
        joint = viewer.layers["cells x2 certainty"]
        grey = result.luma((plane, slice(None), slice(None))).compute()
        np.testing.assert_array_equal(joint.data[0], painted(grey, relative, "YX", look.top))
        np.testing.assert_allclose(joint.data_to_world((0, 4, 5)), result.mean.data_to_world((plane, 4, 5)))
        assert look_of(viewer.layers, result) == "certainty" and result.mean.visible
    look.stop()
    assert "cells x2 certainty" not in viewer.layers
    count = len(told)
    viewer.dims.set_point(0, 2.0)
    qtbot.wait(300)
    assert len(told) == count


def test_what_nobody_looks_at_is_not_computed(maps, qtbot):
    viewer, result = shown(maps)
    result.mean.visible = False
    told = []
    look = PlaneLook(viewer, result, told.append)
    qtbot.wait(300)
    assert told == [None]
    look.stop()


def test_a_volume_is_not_looked_at_so(maps, qtbot):
    viewer, result = shown(maps)
    viewer.dims.ndisplay = 3
    look = PlaneLook(viewer, result, lambda _: None)
    with pytest.raises(VaesrError, match="switch the display back"):
        look.show(True)
    look.stop()

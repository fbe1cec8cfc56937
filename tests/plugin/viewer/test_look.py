"""What is looked at of a result, and the way to the least sure place."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer

from napari_vaesr.engine.result import Result
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.viewer.layers import layer_tuples
from napari_vaesr.plugin.viewer.look import (
    certainty_of_result,
    go_to,
    joint_layer,
    relative_of,
    result_with,
    show_look,
    source_in,
)
from napari_vaesr.trust.certainty import joint_map


def shown(blending="translucent_no_depth", rgb=False, **place):
    """A viewer with a source and its result, which is unsure in one cell of its second plane."""
    mean = np.full((2, 40, 60), 100, "uint16")
    mean[1, 8:20, 8:20] = mean[1, 24:36, 40:52] = 200
    std = np.ones(mean.shape, "float32")
    std[1, 24:36, 40:52] = 40
    colours = np.stack([mean] * 3, -1).astype("uint8") if rgb else mean
    place = {"scale": (2, 1, 1), "units": ("um",) * 3, **place}
    source = Image(colours[:, ::2, ::2], rgb=rgb, name="cells", blending=blending, **place)
    viewer = ViewerModel()
    viewer.layers.append(source)
    axes = "ZYXS" if rgb else "ZYX"
    for each in layer_tuples(Result(colours, std, std, {}, axes), source, axes, 2):
        viewer.layers.append(Layer.create(*each))
    return viewer, source, result_with(viewer.layers, viewer.layers[1])


@pytest.mark.parametrize("rgb", [False, True])
def test_one_thing_is_looked_at(rgb):
    viewer, source, result = shown(rgb=rgb)
    show_look(viewer.layers, result, source, "certainty")
    joint = viewer.layers["cells x2 certainty"]
    assert [layer.name for layer in viewer.layers if layer.visible] == ["cells x2 certainty"]
    assert joint.rgb and viewer.layers.index(joint) == viewer.layers.index(result.mean) + 1
    np.testing.assert_array_equal(joint.data, joint_map(result.mean.data, result.std(), "ZYX"))
    np.testing.assert_allclose(joint.data_to_world((1, 2, 3)), result.mean.data_to_world((1, 2, 3)))
    show_look(viewer.layers, result, source, "before")
    assert [layer.name for layer in viewer.layers if layer.visible] == ["cells"]
    show_look(viewer.layers, result, source, "after")
    assert [layer.name for layer in viewer.layers if layer.visible] == ["cells", "cells x2 mean"]
    assert joint_layer(viewer.layers, result) is joint and len(viewer.layers) == 4
    assert source_in(viewer.layers, result) is source


def test_a_channel_is_not_added_to_its_own_mean():
    viewer, source, result = shown(blending="additive")
    show_look(viewer.layers, result, source, "after")
    assert not source.visible and result.mean.visible
    viewer.layers.remove(source)
    with pytest.raises(VaesrError, match="no longer there"):
        show_look(viewer.layers, result, None, "before")


def test_the_least_sure_place_is_gone_to():
    viewer, _, result = shown()
    viewer.canvas.size, viewer.scene.camera.zoom = (400, 400), 1
    place = certainty_of_result(result).place
    assert place["Z"] == 1 and 24 <= place["Y"] < 36 and 40 <= place["X"] < 52
    go_to(viewer, result, place)
    assert viewer.dims.point[0] == 2.0
    there = result.mean.data_to_world((1, place["Y"], place["X"]))
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], there[1:])
    assert viewer.scene.camera.zoom == pytest.approx(400 / (160 * 0.5))


def test_the_uncertainty_is_found_once():
    _, _, result = shown()
    assert relative_of(result) is relative_of(result)
    assert KEY in result.mean.metadata


@pytest.mark.parametrize("angle", [0, 45, 90, -45])
def test_a_place_is_seen_as_closely_in_a_turned_image(angle):
    turn = np.deg2rad(angle)
    rotate = [[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]]
    viewer, _, result = shown(rotate=rotate)
    viewer.canvas.size, viewer.scene.camera.zoom = (400, 400), 1
    go_to(viewer, result, {"Y": 3, "X": 4})
    assert viewer.scene.camera.zoom == pytest.approx(400 / (160 * 0.5))

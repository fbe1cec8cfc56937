"""Before, after and certainty in the panel: one sentence, and a button that goes to what it names."""

from __future__ import annotations

import re

import numpy as np
import pytest

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.plugin.upscale.panel import UpscaleWidget


def made_widget(viewer, qtbot, monkeypatch, path, shape=(5, 24, 28)):
    preferred = make_settings(model=str(path), samples=2, device="cpu", precision="float32")
    monkeypatch.setattr("napari_vaesr.plugin.upscale.form.starting_settings", lambda: preferred)
    pixels = np.random.default_rng(0).integers(0, 4000, shape).astype("uint16")
    viewer.add_image(
        pixels, name="cells", scale=(1.2, 0.4, 0.4), units=("um",) * 3, axis_labels=("z", "y", "x")
    )
    widget = UpscaleWidget(viewer)
    qtbot.addWidget(widget.native)
    return widget


def place_in(sentence):
    """The numbers of a sentence: plane, where it names one, row and column."""
    found = re.search(r"at (?:plane (\d+), )?row (\d+), column (\d+)\.", sentence)
    assert found, sentence
    return [None if each is None else int(each) for each in found.groups()]


def run(widget, qtbot):
    widget.run()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60000)
    assert "Added" in widget.status.value


@pytest.mark.parametrize(("scale", "depth", "first"), [(2, 1, 0), (1, 3, 0), (2, 2, 0), (2, 2, 2), (4, 1, 1)])
def test_the_place_that_is_named_is_gone_to(viewer, qtbot, monkeypatch, deep_model_path, scale, depth, first):
    widget = made_widget(viewer, qtbot, monkeypatch, deep_model_path)
    viewer.canvas.size = (300, 300)
    widget.form.scale.value, widget.form.depth.value = scale, depth
    planes = widget.form.extent
    planes.planes.value = "range"
    planes.ranges["Z"].first.value, planes.ranges["Z"].last.value = first, 4
    run(widget, qtbot)
    look = widget.look
    mean = look.result.mean
    plane, row, column = place_in(look.sentence.value)
    viewer.dims.set_point(0, 0)
    look.go_button.native.click()
    assert viewer.dims.current_step[0] == plane, "planes are counted as on the slider"
    there = mean.world_to_data((viewer.dims.point[0], *viewer.scene.camera.center[-2:]))
    np.testing.assert_allclose(there[1:], (row, column), atol=1e-6)
    assert there[0] == pytest.approx(round(there[0]), abs=1e-6)
    look.buttons["certainty"].native.click()
    joint = next(layer for layer in viewer.layers if layer.name.endswith("certainty"))
    assert joint.visible and joint.data.shape == (*mean.data.shape, 3)


@pytest.mark.parametrize("depth", [1, 2])
def test_of_a_lazy_result_the_plane_on_show_is_told(window, qtbot, monkeypatch, deep_model_path, depth):
    widget = made_widget(window, qtbot, monkeypatch, deep_model_path)
    widget.form.depth.value = depth
    widget.form.extent.planes.value = "all"
    widget.form.lazy.value = True
    run(widget, qtbot)
    look = widget.look

    def told():
        return "of this plane is sure" in look.sentence.value

    sentences = []
    for plane in (1, 3):
        window.dims.set_current_step(0, plane)
        qtbot.waitUntil(lambda: not told(), timeout=5000)
        qtbot.waitUntil(told, timeout=60000)
        sentences.append(look.sentence.value)
        _, row, column = place_in(look.sentence.value)
        look.go_button.native.click()
        assert window.dims.current_step[0] == plane
        there = look.result.mean.world_to_data((0, *window.scene.camera.center[-2:]))
        np.testing.assert_allclose(there[1:], (row, column), atol=1e-6)
    assert sentences[0] != sentences[1]

    look.buttons["certainty"].native.click()
    joint = next(layer for layer in window.layers if layer.name.endswith("certainty"))
    assert joint.visible and joint.data.shape[0] == 1
    before = joint.translate[0]
    window.dims.set_current_step(0, 2)
    qtbot.waitUntil(lambda: joint.translate[0] != before, timeout=60000)
    look.buttons["after"].native.click()
    assert joint not in window.layers and look.result.mean.visible
    window.layers.remove(look.result.mean)
    assert not look.visible

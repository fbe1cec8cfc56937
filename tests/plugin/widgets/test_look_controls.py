"""Before, after and certainty in the panel: one sentence, and a button that goes to what it names."""

from __future__ import annotations

import re

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.plugin.inspect.panel import InspectPanel
from napari_vaesr.plugin.measure.panel import MeasurePanel
from napari_vaesr.plugin.upscale.panel import UpscalePanel


def made_widget(viewer, qtbot, monkeypatch, path, shape=(5, 24, 28)):
    preferred = make_settings(model=str(path), samples=2, device="cpu", precision="float32")
    monkeypatch.setattr("napari_vaesr.plugin.upscale.form.starting_settings", lambda: preferred)
    pixels = np.random.default_rng(0).integers(0, 4000, shape).astype("uint16")
    viewer.add_image(
        pixels, name="cells", scale=(1.2, 0.4, 0.4), units=("um",) * 3, axis_labels=("z", "y", "x")
    )
    widget = UpscalePanel(viewer)
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
    widget.form.scale.value, widget.form.factors.depth.value = scale, depth
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
    widget.form.factors.depth.value = depth
    widget.form.extent.planes.value = "all"
    widget.form.lazy.value = True
    run(widget, qtbot)
    look = widget.look

    def told():
        return "of this plane is sure" in look.sentence.value

    sentences = []
    window.dims.set_current_step(0, 2)
    for plane in (1, 3):
        look.sentence.value = ""  # what is told next is of the plane that is moved to
        window.dims.set_current_step(0, plane)
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


@pytest.fixture
def looked_at(registry, make_napari_viewer, qtbot, monkeypatch, deep_model_path):
    """A window on screen with a result, as a user has it."""
    window = make_napari_viewer(show=True)
    widget = made_widget(window, qtbot, monkeypatch, deep_model_path, (2, 40, 60))
    run(widget, qtbot)
    window.reset_view()
    qtbot.wait(100)
    return window, widget.look


class Mouse:
    """Presses, moves and releases the mouse in the canvas of a window, at places of its plane."""

    def __init__(self, window, qtbot):
        self._wait = qtbot.wait
        self._camera = window.scene.camera
        self._canvas = window.window._qt_viewer.canvas.native

    def at(self, row, column):
        middle = np.array([self._canvas.height(), self._canvas.width()]) / 2
        y, x = middle + (np.array([row, column]) - self._camera.center[-2:]) * self._camera.zoom
        return QPoint(round(x), round(y))

    def drag(self, start, *through):
        self._send(QEvent.Type.MouseMove, start, pressed=False)
        self._send(QEvent.Type.MouseButtonPress, start)
        for place in through:
            self._wait(50)  # VisPy and napari pass over moves in quick succession
            self._send(QEvent.Type.MouseMove, place)
        self._wait(50)
        self._send(QEvent.Type.MouseButtonRelease, through[-1])

    def _send(self, kind, place, pressed=True):
        point = self.at(*place)
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        button = none if kind == QEvent.Type.MouseMove else left
        buttons = left if pressed and kind != QEvent.Type.MouseButtonRelease else none
        where = QPointF(point), QPointF(self._canvas.mapToGlobal(point))
        event = QMouseEvent(kind, *where, button, buttons, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(self._canvas, event)


def pictured(window):
    return window.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)


def test_the_line_is_dragged_with_the_mouse(looked_at, qtbot):
    window, look = looked_at
    mean, source = look.result.mean, window.layers["cells"]
    after = pictured(window)
    look.buttons["before"].native.click()
    before = pictured(window)
    look.swipe_button.native.click()
    swipe = look.swipe
    mouse = Mouse(window, qtbot)
    camera = window.scene.camera
    height, width = source.extent.world[1][-2:]
    for column in (0.25 * width, 0.8 * width):
        centre = camera.center
        mouse.drag((0.3 * height, swipe._across()), (0.3 * height, 0.5 * width), (0.6 * height, column))
        assert swipe._across() == pytest.approx(column, abs=mean.scale[-1])
        assert camera.center == centre and camera.mouse_pan, "the view stays where it is"
        here = pictured(window)
        line = mouse.at(0, column).x() * here.shape[1] // mouse._canvas.width()
        np.testing.assert_array_equal(here[:, : line - 12], before[:, : line - 12])
        np.testing.assert_array_equal(here[:, line + 12 :], after[:, line + 12 :])
    across = swipe._across()
    mouse.drag((0.3 * height, 0.2 * width), (0.3 * height, 0.3 * width), (0.35 * height, 0.3 * width))
    assert swipe._across() == across and camera.center != centre, "elsewhere the mouse moves the view"
    look.swipe_button.native.click()
    assert look.swipe is None and mean.visible and len(window.layers) == 3


def test_side_by_side_shows_three_and_moves_them_together(looked_at, qtbot):
    window, look = looked_at
    look.grid_button.native.click()
    assert window.canvas.grid.enabled and window.canvas.grid.actual_shape(window.layers) == (1, 3)
    visible = [layer.name for layer in window.layers if layer.visible]
    assert len(visible) == 3 and visible[0] == "cells" and "certainty" in visible[2]
    boxes = window.window._qt_viewer.canvas.grid_views
    before = pictured(window)
    window.scene.camera.zoom *= 2
    qtbot.waitUntil(lambda: bool((pictured(window) != before).any()), timeout=60000)
    assert len({tuple(np.round(box.camera.rect.pos + box.camera.rect.size, 6)) for box in boxes[:3]}) == 1
    look.grid_button.native.click()
    assert not window.canvas.grid.enabled
    assert [layer.name for layer in window.layers if layer.visible] == [visible[0], visible[1]]


@pytest.mark.parametrize("change", [{"order": (1, 0, 2)}, {"ndisplay": 3}])
def test_swiping_ends_where_other_axes_come_on_show(viewer, qtbot, monkeypatch, deep_model_path, change):
    widget = made_widget(viewer, qtbot, monkeypatch, deep_model_path)
    run(widget, qtbot)
    look = widget.look
    look.swipe_button.native.click()
    assert look.swipe is not None
    for name, value in change.items():
        setattr(viewer.dims, name, value)
    assert look.swipe is None and not look.swipe_button.native.isChecked() and len(viewer.layers) == 3


@pytest.mark.parametrize("part", ["mean", "std"])
def test_a_result_of_which_a_layer_was_cut_is_left(viewer, qtbot, monkeypatch, tiny_model_path, part):
    widget = made_widget(viewer, qtbot, monkeypatch, tiny_model_path, (1, 24, 28))
    inspect, measure = InspectPanel(viewer), MeasurePanel(viewer)
    for each in (inspect, measure):
        qtbot.addWidget(each.native)
    run(widget, qtbot)
    layer = viewer.layers[f"cells x2 {part}"]
    whole = layer.data
    assert not widget.look.native.isHidden()
    assert inspect.result is not None and measure.measure_button.enabled
    layer.data = whole[:, :20, :20]
    assert widget.look.native.isHidden(), "its buttons would do nothing"
    assert inspect.result is measure.result is None
    assert not measure.measure_button.enabled
    layer.data = whole
    assert inspect.result is not None and measure.measure_button.enabled

"""Along Z in the panel."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.upscale.panel import UpscalePanel
from napari_vaesr.plugin.widgets.factor_inputs import CUBIC


def make_widget(viewer, qtbot, monkeypatch, **preferred):
    preferred = make_settings(samples=2, device="cpu", precision="float32", **preferred)
    monkeypatch.setattr("napari_vaesr.plugin.upscale.form.starting_settings", lambda: preferred)
    pixels = np.random.default_rng(0).integers(0, 4000, (5, 12, 14)).astype("uint16")
    viewer.add_image(
        pixels, name="cells", scale=(1.2, 0.4, 0.4), units=("um",) * 3, axis_labels=("z", "y", "x")
    )
    widget = UpscalePanel(viewer)
    qtbot.addWidget(widget.native)
    return widget


@pytest.fixture
def widget(viewer, qtbot, monkeypatch, deep_model_path):
    return make_widget(viewer, qtbot, monkeypatch, model=str(deep_model_path))


def test_what_is_offered_along_z(widget, viewer, tiny_model_path):
    form = widget.form
    assert list(form.factors.depth.choices) == [1, 2, 3, 4, 6, 9, CUBIC]
    assert form.settings().scale == 2
    form.factors.depth.value = CUBIC  # 1.2 over 0.2
    assert form.settings().scale == {"Z": 6, "Y": 2, "X": 2}
    assert "5 along Z to 30" in widget.status.value
    form.scale.value = 1
    assert form.settings().scale == {"Z": 3}
    form.factors.depth.value = 2
    assert form.settings().scale == {"Z": 2}
    form.axes.value = "TYX"
    assert list(form.factors.depth.choices) == [1]


def test_a_volume_lies_over_its_source(widget, viewer, qtbot):
    widget.form.factors.depth.value = 2
    widget.run()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60000)
    assert "Added" in widget.status.value
    source, mean = viewer.layers["cells"], viewer.layers["cells z2y2x2 mean"]
    assert mean.data.shape == (10, 24, 28)
    np.testing.assert_allclose(mean.scale, [0.6, 0.2, 0.2])
    first, last = np.full(3, -0.5), np.array(mean.data.shape) - 0.5
    np.testing.assert_allclose(mean.data_to_world(first), source.data_to_world(first), atol=1e-9)
    end = np.array(source.data.shape) - 0.5
    np.testing.assert_allclose(mean.data_to_world(last), source.data_to_world(end), atol=1e-9)


def test_cubic_voxels_are_those_of_each_layer(widget, viewer):
    others = [
        viewer.add_image(
            viewer.layers["cells"].data, name=unit, scale=(0.8, 0.4, 0.4), units=units, axis_labels="zyx"
        )
        for unit, units in (("um", ("um",) * 3), ("pixel", ("pixel", "um", "um")))
    ]
    form = widget.form
    form.reset_choices()
    form.layer.value, form.scale.value, form.factors.depth.value = viewer.layers["cells"], 1, CUBIC
    viewer.layers.selection = {viewer.layers["cells"], others[0]}
    assert [task.settings.scale for task in widget._make_tasks()] == [{"Z": 3}, {"Z": 2}]
    viewer.layers.selection = {viewer.layers["cells"], others[1]}
    with pytest.raises(VaesrError, match="size of its voxels"):
        widget._make_tasks()


def test_a_check_sees_nothing_along_z_and_corrects_nothing_there(widget, viewer, qtbot):
    z, y, x = np.mgrid[:3, :48, :48]
    larger = (2000 + 900 * np.sin(y / 3 + z) * np.cos(x / 4)).astype(np.uint16)
    viewer.add_image(larger, name="larger", axis_labels=("z", "y", "x"))
    viewer.canvas.size = (300, 300)
    viewer.reset_view()
    form, check = widget.form, widget.check
    form.reset_choices()
    form.layer.value, form.factors.depth.value = viewer.layers["larger"], 2
    check.check()
    qtbot.waitUntil(lambda: not check.runner.is_running, timeout=60000)
    assert "On this image" in check.words.value
    assert "A run that makes planes along Z is not corrected by it" in check.words.value
    form.factors.depth.value = 1
    check.calibrate.value = True
    assert widget._make_tasks()[0].calibrations is not None
    form.factors.depth.value = 3
    assert widget._make_tasks()[0].calibrations is None


@pytest.mark.parametrize("live", [False, True])
def test_a_preview_is_of_the_plane_as_it_is_and_then_of_the_planes_that_the_run_makes(
    widget, viewer, qtbot, live
):
    shown = []
    show = widget.preview.layers.show
    widget.preview.layers.show = lambda tuples, source: (
        show(tuples, source),
        shown.append((tuples[0][0].shape, viewer.layers[-2].name)),
    )
    said, say = [], widget.preview._say
    widget.preview._say = lambda text: (said.append(text), say(text))
    widget.form.factors.depth.value = 2
    viewer.dims.set_current_step(0, 2)
    if live:
        widget.preview.live.value = True
    else:
        widget.preview.make()
    qtbot.waitUntil(lambda: len(shown) == 2 and not widget.preview.runner.is_running, timeout=60000)
    assert [each[0] for each in shown] == [(1, 24, 28), (2, 24, 28)]
    assert [each[1].split(" (")[0] for each in shown] == [
        "cells x2 preview mean",
        "cells z2y2x2 preview mean",
    ]
    assert any("of the plane as it is (Run makes 2 times as many along Z)" in each for each in said)
    assert "as it is" not in widget.status.value and "14 × 12 pixels in 2 planes" in widget.status.value
    qtbot.wait(500)  # what is shown moves the slider; nothing is made again for it
    assert len(shown) == 2
    made = viewer.layers[-2].data.copy()
    if live:
        return  # by another model
    widget.preview.stop()
    widget.run()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60000)
    np.testing.assert_allclose(made, viewer.layers["cells z2y2x2 mean"].data[4:6], atol=1)


def test_the_planes_along_z_of_a_preview_can_be_cancelled(widget, viewer, qtbot):
    preview = widget.preview
    widget.form.factors.depth.value = 2
    viewer.dims.set_current_step(0, 2)
    said, say = [], preview._say

    def say_and_cancel(text):
        said.append(text)
        say(text)
        if (
            "Preview of the plane as it is; making the planes along Z" in text
            and preview.button.text == "Cancel"
        ):
            preview.button.native.click()

    preview._say = say_and_cancel
    preview.button.native.click()
    qtbot.waitUntil(lambda: "The preview stays as it is." in said, timeout=60000)
    qtbot.waitUntil(lambda: not preview.runner.is_running, timeout=60000)
    assert preview.button.text == "Preview" and widget.status.value == "The preview stays as it is."
    preview._say = say
    assert viewer.layers[-2].name.startswith("cells x2 preview mean")
    preview.button.native.click()
    qtbot.waitUntil(lambda: viewer.layers[-2].name.startswith("cells z2y2x2 preview mean"), timeout=60000)
    assert preview.button.text == "Preview"


def test_an_estimate_takes_the_place_of_no_later_word(widget, viewer, qtbot):
    widget.form.factors.depth.value = 2
    assert widget.estimator._timer.isActive()
    widget.preview.make()
    assert not widget.estimator._timer.isActive() and widget.status.value == "Making a preview ..."
    widget.run()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60000)
    assert "Added" in widget.status.value and not widget.estimator._timer.isActive()


@pytest.mark.parametrize("live", [False, True])
def test_a_preview_along_z_alone_is_what_the_run_gives(widget, viewer, qtbot, live):
    widget.form.scale.value, widget.form.factors.depth.value = 1, 3
    widget.form.samples.value = 2
    viewer.dims.set_current_step(0, 2)
    if live:
        widget.preview.live.value = True
    else:
        widget.preview.make()
    qtbot.waitUntil(lambda: not widget.preview.runner.is_running, timeout=60000)
    assert "as it is" not in widget.status.value
    made = viewer.layers[-2]
    corner = made.data_to_world(np.full(3, -0.5))
    np.testing.assert_allclose(corner, viewer.layers["cells"].data_to_world([1.5, -0.5, -0.5]), atol=1e-9)
    if live:  # by another model
        assert made.name == "cells z3 preview mean (tiny)"
        return
    shown = made.data.copy()
    widget.preview.stop()
    widget.run()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60000)
    np.testing.assert_allclose(shown, viewer.layers["cells z3 mean"].data[6:9], atol=1)


def test_what_planes_are_is_asked_where_they_become_more_and_it_can_be_told(
    viewer, qtbot, monkeypatch, told_model_path
):
    last = {"scale": {"Z": 2, "Y": 2, "X": 2}, "sections": "thin"}
    widget = make_widget(viewer, qtbot, monkeypatch, model=str(told_model_path), **last)
    form = widget.form
    form.factors.depth.value = 2
    assert form.factors.sections.enabled and form.settings().sections == "thin"
    form.factors.sections.value = "thick"
    assert form.settings().sections == "thick" and form.factors.sections.tooltip.startswith("What planes are")
    form.factors.depth.value = 1
    assert not form.factors.sections.enabled and form.settings().sections == "unknown"
    viewer.layers["cells"].scale = (0.2, 0.4, 0.4)  # flatter than wide: voxels become no more cubic
    form.scale.value, form.factors.depth.value = 2, CUBIC
    assert form.factors.sections.enabled and form.settings().sections == "unknown"
    form.factors.depth.value = 3
    assert form.settings().sections == "thick"
    card = form._cards["tiny"]
    untold = card.model_copy(update={"network": card.network.model_copy(update={"sections": False})})
    monkeypatch.setitem(form._cards, "tiny", untold)
    form.model.value = "tiny"
    form.factors.depth.value = 2
    assert form.settings().sections == "unknown"
    form.axes.value = "TYX"
    assert form.factors.sections.native.isHidden()


def test_bundled_models_are_told_what_planes_are_where_they_can_be(viewer, qtbot, monkeypatch):
    form = make_widget(viewer, qtbot, monkeypatch).form
    for name in ("microscopy", "photo", "tiny"):
        form.model.value = name
        for depth in form.factors.depth.choices:
            form.factors.depth.value = depth
            can = form._cards[name].network.sections and depth != 1
            assert form.factors.sections.enabled == can


def test_a_run_and_its_preview_are_told_what_planes_are(viewer, qtbot, monkeypatch, told_model_path):
    widget = make_widget(viewer, qtbot, monkeypatch, model=str(told_model_path), noise=0.0)
    form = widget.form
    form.scale.value, form.factors.depth.value, form.factors.sections.value = 1, 3, "thick"
    viewer.dims.set_current_step(0, 2)
    widget.preview.make()
    qtbot.waitUntil(lambda: not widget.preview.runner.is_running, timeout=60000)
    shown = viewer.layers[-2].data.copy()
    widget.preview.stop()
    widget.run()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60000)
    mean = viewer.layers["cells z3 mean"]
    assert mean.metadata[KEY]["settings"]["sections"] == "thick"
    np.testing.assert_allclose(shown, mean.data[6:9], atol=1)
    averages = mean.data.reshape(5, 3, 12, 14).mean(axis=1)
    inside = (mean.data.reshape(5, 3, 12, 14) > 0).all(axis=1)  # others were clipped
    np.testing.assert_allclose(averages[inside], viewer.layers["cells"].data[inside], atol=1)
    assert inside.any()

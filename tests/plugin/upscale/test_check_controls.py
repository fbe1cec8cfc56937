"""The check says a sentence, shows departures in place, and corrects the next run."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_vaesr import sample_path
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.files.image import read_image
from napari_vaesr.plugin.upscale.check_controls import CheckControls, CheckTask
from napari_vaesr.plugin.upscale.panel import UpscalePanel


@pytest.fixture
def widget(viewer, qtbot):
    cells = np.asarray(read_image(sample_path("nuclei")).data[13:16, :96, :80])
    viewer.add_image(cells, name="cells", scale=(2, 0.5, 0.5), translate=(0, 3, 4))
    viewer.canvas.size = (300, 300)
    viewer.reset_view()
    viewer.dims.set_current_step(0, 1)
    widget = UpscalePanel(viewer)
    qtbot.addWidget(widget.native)
    return widget


def checked(widget, qtbot):
    widget.check.check()
    qtbot.waitUntil(lambda: not widget.check.runner.is_running, timeout=60000)
    return widget.check.words.value


def test_a_check_is_told_and_corrects_the_next_run(widget, viewer, qtbot):
    assert "On this image the model is" in checked(widget, qtbot)
    assert widget._make_tasks()[0].calibrations is None
    widget.check.calibrate.value = True
    (task,) = widget._make_tasks()
    record = task._job().record()
    assert record.calibration == tuple(task.calibrations), "and not only asked for"
    assert any("corrected by a check" in message for message in record.messages)
    widget.form.scale.value = 3
    assert widget._make_tasks()[0].calibrations is None, "another scale was not checked"
    assert not widget.check.words.value


def test_it_says_what_to_click_where_the_uncertainty_is_off(widget, viewer, qtbot, monkeypatch):
    monkeypatch.setattr("napari_vaesr.trust.check.BETTER", -100.0)
    monkeypatch.setattr("napari_vaesr.trust.check.HONEST", (1.1, 1.2))
    said = checked(widget, qtbot)
    assert (
        f"; tick '{widget.check.calibrate.text}' below." in said
        and not widget.check.calibrate.native.isHidden()
    )
    monkeypatch.setattr(CheckControls, "_corrects", lambda _: False)
    assert "tick" not in checked(widget, qtbot)


def test_where_nothing_is_known_nothing_is_corrected(widget, viewer, qtbot, monkeypatch):
    monkeypatch.setattr("napari_vaesr.trust.check.NOISE_ALONE", 0.0)  # as if there were noise alone
    assert "nothing is known of its uncertainty" in checked(widget, qtbot)
    assert not widget.check.calibrate.visible
    widget.check.calibrate.value = True  # as it was left by a check before
    assert widget._make_tasks()[0].calibrations is None


def test_a_check_is_of_the_pixels_that_were_there(widget, viewer, qtbot):
    layer = viewer.layers["cells"]
    checked(widget, qtbot)
    widget.check.calibrate.value = True
    layer.data = layer.data[:, ::-1].copy()
    assert widget._make_tasks()[0].calibrations is None
    assert not widget.check.words.value and not widget.check.calibrate.value
    widget.check.check()
    layer.data = layer.data[0]
    qtbot.waitUntil(lambda: not widget.check.runner.is_running, timeout=60000)
    assert "'cells' got other data" in widget.check.words.value
    widget.check.show_map()
    assert len(viewer.layers) == 1


def test_an_array_without_weak_references_is_checked(widget, viewer, qtbot, slotted):
    layer = viewer.layers["cells"]
    layer.data = slotted(layer.data)
    assert "On this image the model is" in checked(widget, qtbot)
    widget.check.calibrate.value = True
    assert widget._make_tasks()[0].calibrations is not None


def test_departures_lie_over_the_source(widget, viewer, qtbot):
    checked(widget, qtbot)
    widget.check.show_map()
    departures = viewer.layers["cells departures"]
    assert widget.form.layer.value is viewer.layers["cells"]
    plane = viewer.layers["cells"].extent.world
    assert departures.data.shape[0] == 1
    np.testing.assert_allclose(departures.extent.world[:, 1:], plane[:, 1:])
    assert departures.extent.world[0, 0] == pytest.approx(2 * 0.5 + 0.0, abs=1.1)


def test_what_cannot_be_checked_is_said(widget, qtbot, messages):
    widget.form.samples.value = 1
    widget.check.check()
    assert "One sample" in widget.check.words.value


@pytest.mark.parametrize("columns", [64, 48])
def test_departures_of_an_image_whose_columns_come_first(columns):
    cells = np.asarray(read_image(sample_path("nuclei")).data[14, :64, :columns])
    settings, found = make_settings(model="tiny", samples=2, device="cpu", precision="float32"), []
    for pixels, axes in ((cells, "YX"), (cells.T.copy(), "XY")):
        steps = CheckTask(Image(pixels), axes, settings, {}).steps()
        with pytest.raises(StopIteration) as end:
            while True:
                next(steps)
        found.append(end.value.value.differences)
    np.testing.assert_allclose(found[0], found[1], atol=0.3)  # the network is not the same for both

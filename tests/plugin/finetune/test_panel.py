from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_vaesr.plugin.finetune.form import TOOLTIPS
from napari_vaesr.plugin.finetune.panel import FineTunePanel, advice
from napari_vaesr.plugin.finetune.task import unfinished
from napari_vaesr.plugin.upscale.panel import UpscalePanel
from napari_vaesr.training.events import PATIENCE, Validation, Verdict
from napari_vaesr.zoo.registry import get_card, models

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")

TITLE = "Fine-tune a model"


@pytest.fixture(autouse=True)
def own_models(registry, tiny_model_path, tmp_path, monkeypatch):
    """The tiny model among the user's own, in a folder of this test."""
    folder = tmp_path / "data" / "models"
    shutil.copytree(tiny_model_path.parent, folder)
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(folder))


def spots(shape=(2, 80, 160)):
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: shape[-2], : shape[-1]]
    centres = rng.random((40, 2)) * shape[-2:]
    plane = sum(np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8) for y, x in centres)
    return (np.broadcast_to(plane, shape) * 1000 + rng.random(shape) * 20).astype("uint16")


def set_up(widget, minutes=0.02):
    form = widget.form
    form.start.value, form.name_edit.value = "test-tiny", "mine"
    form.minutes.min, form.minutes.value, form.batch.value = 0, minutes, 1
    assert widget.start_button.enabled, widget.status.value
    return widget


@pytest.fixture
def widget(viewer, qtbot):
    """The panel without a window, ready for a training of a second."""
    viewer.add_image(spots(), name="spots")
    widget = FineTunePanel(viewer)
    qtbot.addWidget(widget.native)
    return set_up(widget)


@pytest.fixture
def docked(window):
    """The panel in a window, ready for a training of minutes, and its dock."""
    window.add_image(spots(), name="spots")
    dock, widget = window.window.add_plugin_dock_widget("napari-vaesr", TITLE)
    return set_up(widget, minutes=10), dock


def finished(widget, qtbot):
    qtbot.waitUntil(lambda: not widget.is_running, timeout=60000)


def shown(each):
    return not each.native.isHidden()


def begin(widget, qtbot):
    widget.start_button.native.click()
    qtbot.waitUntil(lambda: len(widget.plot.steps) > 0, timeout=60000)


def test_opening_the_panel_imports_no_torch():
    code = "import sys, napari_vaesr.plugin.finetune.panel; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_everything_has_a_tooltip(widget):
    form = widget.form
    inputs = [*form, *form.blur, *form.advanced]
    assert all(each.tooltip for each in inputs) and len(inputs) == len(TOOLTIPS)
    buttons = (widget.start_button, widget.pause_button, widget.cancel_button, widget.resume_button)
    assert all(each.tooltip for each in (*buttons, widget.save_button, widget.discard_button))
    assert all(each.tooltip for each in widget.exchange)


def test_the_form_shows_what_is_needed(window, qtbot):
    window.add_image(spots(), name="high", scale=(1, 0.2, 0.2), units=("um",) * 3)
    window.add_image(spots((2, 40, 80)), name="low")
    _, widget = window.window.add_plugin_dock_widget("napari-vaesr", TITLE)
    form = widget.form
    form.high.value = window.layers["high"]
    assert shown(form.high) and not shown(form.low) and not shown(form.folder)
    assert form.pixel.value == pytest.approx(0.2)
    assert "2 planes of 160 × 80 pixels for 5 min" in widget.status.value
    form.source.value = "pair"
    form.low.value = window.layers["low"]
    assert shown(form.low) and shown(form.low_axes) and widget.start_button.enabled
    form.low.value = window.layers["high"]
    assert not widget.start_button.enabled and "times as many pixels" in widget.status.value
    form.source.value = "folder"
    assert shown(form.folder) and not shown(form.high)
    assert not widget.start_button.enabled and "Choose a folder" in widget.status.value
    form.blur_from.value = "measured"
    form.aperture.value, form.wavelength.value, form.pixel.value = 1.4, 520, 0.1
    form.optics.native.click()
    assert form.psf.value == pytest.approx(0.21 * 0.52 / 1.4 / 0.1, abs=0.01)
    assert form.pixel.min == 0.001
    window.layers["high"].scale = (1, 0.065, 0.065)
    form._take_pixel_size()
    assert form.pixel.value == pytest.approx(0.065)


def test_from_a_layer_to_a_model_that_the_other_panel_offers(widget, viewer, qtbot, messages):
    upscale = UpscalePanel(viewer)
    qtbot.addWidget(upscale.native)
    chosen = upscale.form.model.value
    assert "mine" not in upscale.form.model.choices
    widget.start_button.native.click()
    assert widget.is_running and not widget.start_button.enabled and widget.pause_button.enabled
    finished(widget, qtbot)
    assert "mine" in models() and "Saved 'mine'" in widget.status.value and len(messages()) == 1
    assert "mine" in upscale.form.model.choices and upscale.form.model.value == chosen
    assert widget.plot.verdict.gain > 0 and len(widget.plot.losses) > 0
    assert not widget.pictures.isHidden() and "best" in widget.advice.value
    assert widget.start_button.enabled and widget.form.name_edit.value == "test-tiny-tuned"
    upscale.form.model.value = "mine"
    upscale.run_button.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) > 1, timeout=60000)


def test_pause_resume_and_save(widget, qtbot):
    widget.form.minutes.value = 10
    begin(widget, qtbot)
    widget.pause_button.native.click()
    assert "Pausing" in widget.status.value and not widget.pause_button.enabled
    finished(widget, qtbot)
    assert "Paused" in widget.status.value and len(widget.unfinished.choices) == 1
    steps = widget.plot.steps[-1]

    widget.resume_button.native.click()
    qtbot.waitUntil(lambda: bool(widget.plot.steps) and widget.plot.steps[-1] > steps, timeout=60000)
    assert len(widget.plot.verdict.checks) >= 2  # those before the pause are there
    widget.pause_button.native.click()
    finished(widget, qtbot)
    widget.save_button.native.click()
    finished(widget, qtbot)
    assert "mine" in models() and not widget.unfinished.choices


def test_cancel_and_discard(widget, qtbot):
    widget.form.minutes.value = 10
    begin(widget, qtbot)
    widget.cancel_button.native.click()
    finished(widget, qtbot)
    assert "Cancelled" in widget.status.value and not unfinished() and "mine" not in models()

    widget.advice.value = "of the training before"
    widget.start_button.native.click()
    assert not widget.advice.value and widget.pictures.isHidden()
    qtbot.waitUntil(lambda: len(widget.plot.steps) > 0, timeout=60000)
    widget.pause_button.native.click()
    finished(widget, qtbot)
    assert widget.advice.value
    widget.resume_button.native.click()
    assert not widget.advice.value and widget.pictures.isHidden()
    widget.pause_button.native.click()
    finished(widget, qtbot)
    widget.discard_button.native.click()
    assert not unfinished() and not widget.unfinished.choices and widget.start_button.enabled
    assert not widget.advice.value and widget.pictures.isHidden()


def test_what_goes_wrong_is_one_sentence(widget, viewer, qtbot, messages):
    viewer.layers["spots"].data = np.full((2, 80, 160), np.nan, "float32")
    widget.start()
    finished(widget, qtbot)
    assert len(messages()) == 1 and "NaN" in messages()[0] and widget.status.value == messages()[0]
    assert widget.start_button.enabled


def test_start_is_off_as_long_as_no_layer_is_there(docked, window):
    panel, _ = docked
    window.layers.clear()
    assert not panel.start_button.enabled and panel.status.value == "Open an image to begin."
    window.add_image(spots())
    assert panel.start_button.enabled


def test_no_gain_is_said(widget, qtbot, messages, monkeypatch):
    from napari_vaesr.training.finetune import FineTune

    worse = Verdict((Validation(step=0, scores={"2": 30.0}), Validation(step=9, scores={"2": 29.5})))
    monkeypatch.setattr(FineTune, "verdict", worse)
    widget.start()
    finished(widget, qtbot)
    assert "never became better than the start (-0.50 dB" in widget.status.value
    assert messages() == [widget.status.value] and "Worse than the start" in widget.advice.value
    assert "mine" not in models() and len(widget.unfinished.choices) == 1


def test_the_layer_removed_while_it_is_learnt_from(docked, window, qtbot, messages):
    widget, _ = docked
    begin(widget, qtbot)
    steps = widget.plot.steps[-1]
    window.layers.clear()
    qtbot.waitUntil(lambda: widget.plot.steps[-1] > steps, timeout=60000)
    widget.cancel()
    finished(widget, qtbot)
    assert not messages()


def test_the_panel_closed_while_running_pauses(docked, window, qtbot, messages):
    widget, dock = docked
    begin(widget, qtbot)
    dock.destroyOnClose()
    finished(widget, qtbot)
    assert any("panel was closed" in message for message in messages())
    assert len(unfinished()) == 1
    _, again = window.window.add_plugin_dock_widget("napari-vaesr", TITLE)
    assert len(again.unfinished.choices) == 1 and shown(again._later)


def test_the_window_closed_while_running_pauses(docked, window, qtbot):
    widget, _ = docked
    begin(widget, qtbot)
    window.close()
    finished(widget, qtbot)
    assert len(unfinished()) == 1


def test_the_entry_in_layers_filter(window):
    from napari._app_model import get_app_model

    menus = get_app_model().menus
    items = menus.get_menu("napari/layers/filter")
    titles = [item.command.title for item in items if hasattr(item, "command")]
    assert f"{TITLE} (VAE super-resolution)" in titles


def test_the_plot_follows_the_theme(docked, window, qtbot):
    widget, _ = docked
    dark = widget.plot.figure.get_facecolor()
    window.theme = "light"
    assert widget.plot.figure.get_facecolor() != dark


def test_models_go_out_and_in(widget, viewer, qtbot, tmp_path, monkeypatch, messages):
    file = str(tmp_path / "given.zip")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (file, ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (file, ""))
    widget.exchange.export_button.native.click()
    qtbot.waitUntil(lambda: "Exported" in widget.status.value, timeout=60000)

    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "elsewhere"))
    widget.exchange.import_button.native.click()
    qtbot.waitUntil(lambda: "Imported" in widget.status.value, timeout=60000)
    assert "test-tiny" in models() and "test-tiny" in widget.form.start.choices

    # Another model of that name: this one comes in under another.
    path = tmp_path / "elsewhere" / "test-tiny.json"
    path.write_text(get_card(path).model_copy(update={"sha256": "0" * 64}).to_json())
    widget.exchange.import_button.native.click()
    qtbot.waitUntil(lambda: "as 'given-imported'" in widget.status.value, timeout=60000)
    assert "given-imported" in widget.form.start.choices

    (tmp_path / "given.zip").write_bytes(b"no zip")
    widget.exchange.import_button.native.click()
    qtbot.waitUntil(lambda: len(messages()) == 1, timeout=60000)
    assert "damaged" in messages()[0]


def test_the_advice_says_what_the_checks_mean():
    def verdict(*scores):
        return Verdict(tuple(Validation(step=100 * i, scores={"2": score}) for i, score in enumerate(scores)))

    assert "the start has 30.00 dB" in advice(verdict(30))
    assert "best 31.00 dB (+1.00 dB)" in advice(verdict(30, 31))
    assert "stopped helping" not in advice(verdict(30, 31))
    assert "stopped helping" in advice(verdict(30, 31, *[30.5] * PATIENCE))
    assert "Worse than the start" in advice(verdict(30, 31, 29.9))

"""What comes in by which door, in a real window."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.settings import get_plugin_settings
from npe2 import PluginManager, PluginManifest
from qtpy.QtWidgets import QFileDialog
from typer.testing import CliRunner

from napari_vaesr.cli import app
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.inspect.panel import InspectPanel
from napari_vaesr.plugin.io.opening import open_upscaled, open_with_dialog
from napari_vaesr.plugin.viewer.results import results


@pytest.fixture
def preferences(tiny_model_path):
    """Both plugins, napari's own and this one, which is set to the tiny model."""
    upscaling = get_plugin_settings("napari-vaesr").upscaling
    before = upscaling.model_dump()
    upscaling.model, upscaling.samples, upscaling.device = str(tiny_model_path), 4, "cpu"
    yield
    for name, value in before.items():
        setattr(upscaling, name, value)


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 4000, (3, 12, 16)).astype("uint16")
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, pixels, metadata={"axes": "ZYX"}, ome=True)
    return path


@pytest.fixture
def result(image, tiny_model_path):
    path = image.with_name("cells_x2.ome.tif")
    words = ["upscale", image, path, "--model", tiny_model_path, "-k", "2", "--device", "cpu"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture
def window(preferences, make_napari_viewer):
    viewer = make_napari_viewer()
    if "napari" not in [each.name for each in PluginManager.instance().iter_manifests()]:
        PluginManager.instance().register(PluginManifest.from_distribution("napari"))
    return viewer


def drop(window, path):
    """What napari does with a file that is dropped; a dialog would wait for ever."""
    window.window._qt_viewer._qt_open([str(path)], stack=False)


def no_dialog(*_args, **_kwargs):
    raise AssertionError("napari asks which reader to take")


def test_a_dropped_image_goes_to_napari_without_a_question(window, image, monkeypatch):
    monkeypatch.setattr("napari._qt.qt_viewer.handle_gui_reading", no_dialog)
    drop(window, image)
    (layer,) = window.layers
    assert layer.data.shape == (3, 12, 16) and KEY not in layer.metadata


def test_a_dropped_record_opens_its_result(window, result, monkeypatch):
    monkeypatch.setattr("napari._qt.qt_viewer.handle_gui_reading", no_dialog)
    drop(window, result.with_name("cells_x2.json"))
    assert len(results(window.layers)) == 1


def test_a_result_opens_by_the_name_of_the_plugin(window, result):
    window.open(str(result), plugin="napari-vaesr")
    (shown,) = results(window.layers)
    assert shown.mean.data.shape == (3, 24, 32)


def test_what_is_asked_for_is_upscaled(window, image, qtbot):
    source, mean, std = open_upscaled(image, window)
    assert list(window.layers) == [source, mean, std]
    assert {layer.source.path for layer in window.layers} == {str(image)}
    qtbot.waitUntil(lambda: not mean.data.is_waited_for, timeout=60000)
    np.testing.assert_array_equal(mean._data_view, np.asarray(mean.data[window.dims.current_step[0]]))


def test_the_menu_opens_without_waiting(window, image, qtbot, monkeypatch):
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(image)], ""))
    open_with_dialog()
    assert not window.layers
    qtbot.waitUntil(lambda: len(window.layers) == 3, timeout=60000)
    qtbot.waitUntil(lambda: not window.layers[1].data.is_waited_for, timeout=60000)


def test_what_is_wrong_is_told(window, tmp_path, qtbot, monkeypatch):
    path = tmp_path / "corrupt.png"
    path.write_bytes(b"this is no picture")
    with pytest.raises(VaesrError, match="corrupt"):
        open_upscaled(path, window)
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(path)], ""))
    with monkeypatch.context() as quiet:
        told = []
        quiet.setattr("napari.utils.notifications.show_error", told.append)
        open_with_dialog()
        qtbot.waitUntil(lambda: bool(told), timeout=60000)
    assert "corrupt" in told[0] and not window.layers


def test_napari_opened_a_result_and_the_panel_takes_it_over(window, result, qtbot):
    panel = InspectPanel(window)
    qtbot.addWidget(panel.native)
    assert not panel.adopt_button.visible
    drop_plain = window.open(str(result), plugin="napari")
    panel.native.show()
    panel.reset_choices()
    assert panel.adopt_button.visible and not results(window.layers)
    panel.adopt()
    (shown,) = results(window.layers)
    assert panel.choice.value == shown.identity and not panel.adopt_button.visible
    assert not set(drop_plain) & set(window.layers)


def test_without_napari_s_private_way_files_are_opened_all_the_same(preferences, image, monkeypatch):
    monkeypatch.delattr("napari.layers._source.layer_source")
    assert len(open_upscaled(image, ViewerModel())) == 3

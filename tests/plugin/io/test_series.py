"""Which image of a file is opened, in a real window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari.settings import get_plugin_settings
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QComboBox, QInputDialog

from napari_vaesr.files.image import read_image
from napari_vaesr.plugin.io.opening import open_upscaled
from napari_vaesr.plugin.io.series import series_to_open

CASES = Path(__file__).parents[2] / "cases"


@pytest.fixture
def preferences(tiny_model_path):
    upscaling = get_plugin_settings("napari-vaesr").upscaling
    before = upscaling.model_dump()
    upscaling.model, upscaling.samples, upscaling.device = str(tiny_model_path), 2, "cpu"
    yield
    for name, value in before.items():
        setattr(upscaling, name, value)


def answer(choice: str | None) -> list[str]:
    """Choose in the dialog that comes up next, or cancel it; what it offers is in the list afterwards."""
    offered: list[str] = []

    def choose() -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, QInputDialog):
            QTimer.singleShot(50, choose)
            return
        box = dialog.findChild(QComboBox)
        offered.extend(box.itemText(number) for number in range(box.count()))
        if choice is None:
            dialog.reject()
            return
        box.setCurrentText(choice)
        dialog.accept()

    QTimer.singleShot(50, choose)
    return offered


def test_a_well_is_chosen_and_its_fields_are_opened(make_napari_viewer, preferences):
    viewer = make_napari_viewer(show=True)
    offered = answer("B/1")
    open_upscaled(CASES / "plate.zarr", viewer)
    assert offered == ["A/1", "B/1"]
    sources = [layer for layer in viewer.layers if "x2" not in layer.name]
    assert [layer.name for layer in sources] == ["plate B1 0", "plate B1 1"]
    expected = read_image(CASES / "plate.zarr", series="B/1/1").data
    np.testing.assert_array_equal(np.asarray(sources[1].data), expected)


def test_who_cancels_opens_nothing(make_napari_viewer, preferences, tmp_path):
    viewer = make_napari_viewer(show=True)
    offered = answer(None)
    assert open_upscaled(CASES / "plate.zarr", viewer) == [] and offered == ["A/1", "B/1"]
    scenes = tmp_path / "scenes_x2.ome.tif"  # a name that napari's own way of opening knows
    with tifffile.TiffWriter(scenes) as file:
        for number in range(9):
            file.write(np.zeros((8, 9), np.uint8), metadata={"Name": f"scene {number}"})
    offered = answer(None)
    assert viewer.open(scenes, plugin="napari-vaesr") == [] and len(offered) == 9
    assert not viewer.layers


def test_an_address_of_a_file(make_napari_viewer, preferences, tmp_path):
    viewer = make_napari_viewer()
    path = tmp_path / "a b #1 50%.npy"
    np.save(path, np.random.default_rng(0).integers(0, 255, (8, 9), np.uint8))
    layers = open_upscaled(path.as_uri(), viewer)
    assert [layer.name for layer in layers][:2] == ["a b #1 50%", "a b #1 50% x2 mean"]
    assert layers[0].source.path == str(path)
    viewer.layers.clear()
    assert open_upscaled(path.as_uri().replace("file:///", "file://localhost/"), viewer)


def test_a_few_images_are_opened_without_a_question():
    assert series_to_open(CASES / "scenes.ome.tif") == ["scene A", "scene B"]

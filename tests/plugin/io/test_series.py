"""Which image of a file is opened, in a real window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
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


def answer(choice: str) -> list[str]:
    """Choose in the dialog that comes up next; what it offers is in the list afterwards."""
    offered: list[str] = []

    def choose() -> None:
        dialog = QApplication.activeModalWidget()
        if not isinstance(dialog, QInputDialog):
            QTimer.singleShot(50, choose)
            return
        box = dialog.findChild(QComboBox)
        offered.extend(box.itemText(number) for number in range(box.count()))
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


def test_a_few_images_are_opened_without_a_question():
    assert series_to_open(CASES / "scenes.ome.tif") == ["scene A", "scene B"]

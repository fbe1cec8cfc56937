"""A small model with random weights for the panels, and the messages that they show."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from napari.settings import get_settings
from napari.utils.notifications import notification_manager

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.plugin.viewer.results import results
from napari_vaesr.plugin.viewer.task import UpscaleTask


@pytest.fixture
def registry(tiny_model_path, monkeypatch):
    """Offer the tiny model, and prefer it, whatever is bundled and whatever the user prefers."""
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tiny_model_path.parent))
    preferred = make_settings(model="test-tiny", samples=4, device="cpu", precision="float32")
    monkeypatch.setattr("napari_vaesr.plugin.upscale.form.starting_settings", lambda: preferred)


@pytest.fixture
def messages():
    """Texts of the notifications of this test."""
    start = len(notification_manager.records)
    return lambda: [record.message for record in notification_manager.records[start:]]


@pytest.fixture
def viewer(registry, qtbot):
    """A viewer without a window, for what the panels do."""
    return ViewerModel()


@pytest.fixture
def cells(viewer):
    """A small stack of micrometres in that viewer."""
    pixels = np.random.default_rng(0).integers(100, 4000, (3, 12, 16)).astype("uint16")
    return viewer.add_image(pixels, name="cells", scale=(2, 0.5, 0.25), units=("um",) * 3)


@pytest.fixture
def window(registry, make_napari_viewer):
    """A viewer with a window."""
    return make_napari_viewer()


@pytest.fixture
def asynchronous(window):
    """The window renders asynchronously."""
    experimental = get_settings().experimental
    before, experimental.async_ = experimental.async_, True
    yield
    experimental.async_ = before


class Slotted:
    """Pixels of a kind that knows no weak references."""

    __slots__ = ("_pixels", "dtype", "ndim", "shape")

    def __init__(self, pixels):
        self._pixels, self.dtype, self.ndim, self.shape = pixels, pixels.dtype, pixels.ndim, pixels.shape

    def __getitem__(self, index):
        return self._pixels[index]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._pixels, dtype)


@pytest.fixture
def slotted():
    """Wrap pixels in an array of a kind that knows no weak references."""
    return Slotted


@pytest.fixture(scope="session")
def finished():
    """Run a task to its end, and return what it makes."""

    def finished(task):
        steps = task.steps()
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                return stop.value

    return finished


@pytest.fixture(scope="session")
def make_result(finished):
    """Upscale a layer into a viewer: the result as found among its layers, and as the engine gave it."""

    def make_result(viewer, layer, axes, model_path, extent=None, **changes):
        settings = make_settings(
            **{"model": str(model_path), "samples": 4, "device": "cpu", "precision": "float32", **changes}
        )
        task = UpscaleTask(layer, axes, settings, extent or {})
        made = finished(task)
        viewer.layers.extend(Layer.create(*each) for each in task.layers(made, []))
        return results(viewer.layers)[-1], made

    return make_result

"""The panel *Upscale with uncertainty*, and what it is tried on."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.plugin.upscale.panel import UpscalePanel


@pytest.fixture(scope="session")
def pixels():
    def pixels(shape=(3, 12, 16), dtype="uint16"):
        return np.random.default_rng(0).integers(0, 255, shape).astype(dtype)

    return pixels


@pytest.fixture
def make_widget(qtbot):
    def make_widget(viewer):
        widget = UpscalePanel(viewer)
        qtbot.addWidget(widget.native)
        return widget

    return make_widget


@pytest.fixture(scope="session")
def idle():
    """From a panel to a function that tells whether nothing runs in it."""
    return lambda widget: lambda: not widget.runner.is_running


@pytest.fixture
def run_to_end(qtbot, idle):
    def run_to_end(widget):
        widget.run_button.native.click()
        assert widget.runner.is_running, widget.status.value
        qtbot.waitUntil(idle(widget), timeout=60000)

    return run_to_end

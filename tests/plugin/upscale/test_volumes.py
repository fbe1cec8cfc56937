"""Along Z in the panel."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.plugin.upscale.form import CUBIC
from napari_vaesr.plugin.upscale.panel import UpscaleWidget


@pytest.fixture
def widget(viewer, qtbot, monkeypatch, deep_model_path):
    preferred = make_settings(model=str(deep_model_path), samples=2, device="cpu", precision="float32")
    monkeypatch.setattr("napari_vaesr.plugin.upscale.form.starting_settings", lambda: preferred)
    pixels = np.random.default_rng(0).integers(0, 4000, (5, 12, 14)).astype("uint16")
    viewer.add_image(
        pixels, name="cells", scale=(1.2, 0.4, 0.4), units=("um",) * 3, axis_labels=("z", "y", "x")
    )
    widget = UpscaleWidget(viewer)
    qtbot.addWidget(widget.native)
    return widget


def test_what_is_offered_along_z(widget, viewer, tiny_model_path):
    form = widget.form
    assert list(form.depth.choices) == [1, 2, 3, 4, 6, 9, CUBIC]
    assert form.settings().scale == 2
    form.depth.value = CUBIC  # 1.2 over 0.2
    assert form.settings().scale == {"Z": 6, "Y": 2, "X": 2}
    assert "5 along Z to 30" in widget.status.value
    form.scale.value = 1
    assert form.settings().scale == {"Z": 3}
    form.depth.value = 2
    assert form.settings().scale == {"Z": 2}
    form.axes.value = "TYX"
    assert list(form.depth.choices) == [1]


def test_a_volume_lies_over_its_source(widget, viewer, qtbot):
    widget.form.depth.value = 2
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

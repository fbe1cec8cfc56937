"""A model over a network of other makers in the panel: offered, run on colours and on grey, played back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_vaesr import upscale
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.plugin.upscale.panel import UpscalePanel
from napari_vaesr.training.over import described_base, over_network
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.folders import user_models
from napari_vaesr.zoo.weights import save_model


@pytest.fixture
def over_model(compact_file: Path, make_network, make_card, viewer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ladder with random weights over a small network for colours, among the user's models."""
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(compact_file.parent / "models"))
    config = over_network(described_base(compact_file), "tiny")
    card = make_card(
        "compact-sure", version="0", network=config, calibration={"2": Calibration()}, intensity="dtype"
    )
    save_model(user_models(), make_network(config), card)
    preferred = make_settings(model="compact-sure", samples=4, device="cpu", precision="float32")
    monkeypatch.setattr("napari_vaesr.plugin.upscale.form.starting_settings", lambda: preferred)
    return "compact-sure"


@pytest.mark.parametrize("colours", [True, False])
def test_it_runs_in_the_panel_as_in_a_script(over_model, viewer, qtbot, colours):
    shape = (24, 20, 3) if colours else (24, 20)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    viewer.add_image(image, name="picture", rgb=colours)
    widget = UpscalePanel(viewer)
    qtbot.addWidget(widget.native)
    form = widget.form
    assert form.model.value == over_model and form.settings().scale == 2
    widget.run_button.native.click()
    assert widget.runner.is_running, widget.status.value
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60000)
    wanted = upscale(image, model=over_model, samples=4, precision="float32", axes="YXS" if colours else "YX")
    mean, std = (viewer.layers[f"picture x2 {what}"] for what in ("mean", "std"))
    assert mean.rgb == colours
    np.testing.assert_array_equal(mean.data, wanted.mean)
    np.testing.assert_allclose(std.data, wanted.std, rtol=1e-5)
    assert float(np.max(std.data)) > 0

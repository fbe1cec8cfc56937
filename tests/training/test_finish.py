"""A training ends as a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.finish import finish_training
from napari_vaesr.training.fit import fit
from napari_vaesr.zoo.registry import load_model

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")


def test_a_run_ends_as_a_model_that_loads(small_config: TrainingConfig, images: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    module = fit(small_config, [images], [images], run, precision="32-true")
    assert module.steps_done == 6
    assert {path.name for path in run.glob("*.ckpt")} == {"step=3.ckpt", "step=6.ckpt"}
    log = (run / "log/version_0/metrics.csv").read_text()
    assert all(name in log for name in ("psnr_mean_x2", "psnr_base_x3", "psnr_one_x2"))
    weights = finish_training(run, tmp_path / "models", [images], command="train")
    # The same run makes the same model again, and none takes the place of another's.
    assert finish_training(run, tmp_path / "models", [images], command="train") == weights
    (run / "models.sha256").write_text("")
    before = weights.read_bytes()
    second = finish_training(run, tmp_path / "models", [images])
    assert second.name == "small-2.safetensors" and weights.read_bytes() == before
    assert load_model(second).card.name == load_model(second).card.title == "small-2"
    model = load_model(weights)
    assert model.card.training["steps"] == 6
    assert set(model.card.calibration) == {"2", "3"}
    fits = [fit for curve in model.card.calibration.values() for fit in curve]
    assert fits and all(fit.apply(np.array([0.5]))[0] > 0 for fit in fits)
    assert not module.averaged.training, "what is judged would differ from what is used"
    for key, value in module.averaged.state_dict().items():
        torch.testing.assert_close(model.network.state_dict()[key], value)

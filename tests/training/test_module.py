"""What a step of a training minimises, and which weights it moves."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.module import Training
from napari_vaesr.training.patches import Patches
from napari_vaesr.vae.base import Elbo, Encoded
from napari_vaesr.vae.build import build

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")


def test_training_lowers_the_loss(small_config: TrainingConfig, images: Path) -> None:
    config = small_config.model_copy(update={"steps": 60, "base_weight": 20.0})
    module, patches = Training(config), Patches([images], config)
    optimisers = module.configure_optimizers()
    low, high, factor, _ = patches.batch(0)
    losses = []
    for _ in range(40):
        elbo = module.network.elbo(low, high, factor)
        loss = 20 * (elbo.base - high).abs().mean() + elbo.nll
        for optimiser in optimisers:
            optimiser.zero_grad()
        loss.backward()
        for optimiser in optimisers:
            optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.5


def test_everything_is_drawn_where_the_images_are(
    small_config: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a device that is not the CPU nothing of the CPU may come into the loss: `meta` has shapes alone."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # it does not know this device
    module = Training(small_config).to("meta")
    low, high = torch.empty(4, 1, 8, 8, device="meta"), torch.empty(4, 1, 16, 16, device="meta")
    loss, _ = module._loss(Batch(low, high, (2, 2), torch.empty(4, 3, device="meta")))
    assert loss.device.type == "meta"


def test_the_base_learns_from_a_teacher_and_the_ladder_from_the_truth(
    small_config: TrainingConfig, images: Path
) -> None:
    config = small_config
    teacher = build(config.network.model_copy(update={"width": 12})).eval()
    before = {name: weight.clone() for name, weight in teacher.state_dict().items()}
    module = Training(config, teacher=teacher)
    assert not any("teacher" in name for name in module.state_dict())
    low, high, factor, _ = batch = Patches([images], config).batch(0)
    with torch.no_grad():
        taught = teacher.encode(low, factor).base
    loss, _ = module._base_loss(batch)
    own = (module.network.encode(low, factor).base - taught).abs().mean()
    assert (taught - high).abs().mean() > 0.01
    torch.testing.assert_close(loss, config.base_weight * own, rtol=0.05, atol=1e-3)
    _, values = module._loss(batch)
    torch.testing.assert_close(values[f"base_error_x{factor[0]}"], own, rtol=0.05, atol=1e-4)
    found = []
    for each in (module, Training(config)):
        torch.manual_seed(0)
        found.append(each._loss(batch)[1]["nll"])
    assert torch.equal(*found)
    assert all(torch.equal(weight, before[name]) for name, weight in teacher.state_dict().items())


def test_the_bound_does_not_move_the_base(small_config: TrainingConfig, images: Path) -> None:
    module, patches = Training(small_config), Patches([images], small_config)
    low, high, factor, _ = patches.batch(0)
    elbo = module.network.elbo(low, high, factor)
    (elbo.nll + sum(elbo.kl)).backward()
    for name, weight in module.network.named_parameters():
        if name.partition(".")[0] in module.network.base_parts:
            assert weight.grad is None, name


def test_beside_the_ladder_clean_patches_count_as_much_as_noisy_ones(small_config: TrainingConfig) -> None:
    """Each patch pulls with the same strength, and towards the mean of what may be true."""
    module = Training(small_config)
    strength = torch.tensor([0.01, 0.1]).reshape(2, 1, 1, 1)
    error = (strength * torch.randn(2, 1, 64, 64)).requires_grad_()
    (gradient,) = torch.autograd.grad(module._joint_base_loss(error), error)
    pull = gradient.flatten(1).norm(dim=1)
    torch.testing.assert_close(pull[0], pull[1], rtol=0.02, atol=0)
    torch.testing.assert_close(gradient[1] / error[1], (gradient[1] / error[1]).mean().expand(1, 64, 64))


def test_the_score_is_least_for_samples_as_far_apart_as_they_are_wrong(
    small_config: TrainingConfig, images: Path
) -> None:
    """Too narrow and too wide samples score worse than those whose spread is that of the truth."""
    module = Training(small_config)
    torch.manual_seed(0)
    base, wide = torch.zeros(8, 1, 64, 64), []
    truth = 0.1 * torch.randn_like(base)
    for spread in (0.02, 0.1, 0.5):
        module.network.residuals = lambda encoded, noise, spread=spread: spread * torch.randn(2, 4, 4, 32, 32)
        encoded = Encoded(base, (torch.zeros(8, 1, 1, 1),), 2)
        elbo = Elbo(encoded, base, torch.zeros(()), (), torch.ones(()))
        wide.append(float(module._score(elbo, truth, (2, 2))) * spread)  # each is in units of its own spread
    assert wide[1] < wide[0] and wide[1] < wide[2]


def test_a_network_without_wide_convolutions_learns_too(small_config: TrainingConfig):
    sizes = {"width": 4, "blocks": 0, "decoder_width": 4}
    config = small_config.model_copy(update={"network": small_config.network.model_copy(update=sizes)})
    muon, adam = Training(config).configure_optimizers()
    assert not muon.param_groups[0]["params"]
    weights = list(build(config.network).parameters())
    assert sum(len(group["params"]) for group in adam.param_groups) == len(weights)

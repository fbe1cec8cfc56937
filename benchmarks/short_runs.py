"""Short trainings side by side, for latents.py and dropout.py: fixed patches, and one way to score."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import cos, pi
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from napari_vaesr.engine.moments import PairedMoments, smoothed
from napari_vaesr.imaging.noise import estimate_noise
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.training.config import RECIPES, TrainingConfig
from napari_vaesr.training.module import Training, psnr
from napari_vaesr.training.patches import Patches
from napari_vaesr.training.validation import ValidationPairs
from napari_vaesr.trust.crps import gaussian_crps
from napari_vaesr.trust.levels import Spread, cross_validated
from napari_vaesr.trust.reliability import rank_correlation
from napari_vaesr.trust.sparsification import sparsification
from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import NetworkConfig

Pair = tuple[Tensor, Tensor, int]

SAMPLES = 16


class Budget(NamedTuple):
    """How long a training is: in steps, or in seconds of processor time."""

    steps: int = 0
    seconds: float = 0.0


def photo_config(network: NetworkConfig, scale: int, **changes: object) -> TrainingConfig:
    """Return the photo recipe with another network, for one scale, learning all from the beginning."""
    weights = tuple(float(each == scale) for each in network.scales)
    given = {"network": network, "scale_weights": weights, "base_share": 0.0, "patch": 32, "anneal": 200}
    return TrainingConfig.model_validate(RECIPES["photo"].model_dump() | given | changes)


def pool(data: Path, config: TrainingConfig, batches: int) -> list[Pair]:
    """Return the first batches of a training on photographs."""
    patches = Patches([data / "train/photo"], config)
    drawn = (patches.batch(step) for step in range(batches))
    return [(batch.low, batch.high, batch.factor[0]) for batch in drawn]


def validation(data: Path, config: TrainingConfig, scale: int) -> list[Pair]:
    """Return pairs of one scale, of photographs that were not trained on."""
    pairs = ValidationPairs([data / "val/photo"], config, images=6).pairs
    return [(pair.low, pair.high, scale) for pair in pairs if pair.factor == (scale, scale)]


def as_batch(low: Tensor, high: Tensor, scale: int) -> Batch:
    """Return a pair as a training takes it, without noise or blur to be told."""
    return Batch(low, high, (scale, scale), torch.zeros(len(low), 3))


def learn(
    module: Training,
    batches: Sequence[Pair],
    budget: Budget,
    before: Callable[[int], None] = lambda index: None,
    loss: Callable[[Pair], Tensor] | None = None,
) -> int:
    """Train what requires gradients, with the optimisers and the learning rates of a real run.

    `before` is told the number of the batch that comes; `loss` replaces the loss of the whole model. Returns
    the number of steps.
    """
    module.average = AveragedModel(module.network)
    optimisers = module.configure_optimizers()
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["params"] = [weight for weight in group["params"] if weight.requires_grad]
        optimiser.param_groups[:] = [group for group in optimiser.param_groups if group["params"]]
    start, step, progress = time.process_time(), 0, 0.0
    while progress < 1:
        index = step % len(batches)
        before(index)
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(batches[index]) if loss else module._loss(as_batch(*batches[index]))[0]
        for optimiser in optimisers:
            optimiser.zero_grad()
        value.backward()
        rate = min(1.0, (step + 1) / 50) * (0.01 + 0.99 * 0.5 * (1 + cos(pi * progress)))
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * rate
        torch.nn.utils.clip_grad_norm_([w for g in optimisers[1].param_groups for w in g["params"]], 1.0)
        for optimiser in optimisers:
            optimiser.step()
        decay = min(0.99, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, now in zip(
                module.average.module.parameters(), module.network.parameters(), strict=True
            ):
                mean.lerp_(now, 1 - decay)
        step += 1
        module.ladder_steps += 1
        spent = time.process_time() - start
        progress = step / budget.steps if budget.steps else spent / budget.seconds
    return step


@torch.no_grad()
def trunk_features(network: SuperResolutionVAE, batches: Sequence[Pair]) -> list[Tensor]:
    """Return what the trunk makes of every batch."""
    with torch.autocast("cpu", torch.bfloat16):
        return [network.trunk(low.contiguous(memory_format=torch.channels_last)) for low, _, _ in batches]


class Remembered(nn.Module):
    """Stands for a frozen trunk: returns the features that it gave for a batch."""

    def __init__(self, features: Sequence[Tensor]) -> None:
        super().__init__()
        self.features = features
        self.index = 0

    def forward(self, planes: Tensor) -> Tensor:
        return self.features[self.index].to(planes.dtype)


def ladder_on(
    trained: SuperResolutionVAE,
    config: TrainingConfig,
    batches: Sequence[Pair],
    features: Sequence[Tensor],
    budget: Budget,
) -> SuperResolutionVAE:
    """Train a new ladder on the frozen trunk and base of a network, and return both together."""
    module = Training(config)
    base = {
        name: weight
        for name, weight in trained.state_dict().items()
        if name.partition(".")[0] in trained.base_parts
    }
    module.network.load_state_dict(base, strict=False)
    remembered = Remembered(features)
    module.network.trunk = remembered
    for weight in module.network.base_head.parameters():
        weight.requires_grad_(False)
    learn(module, batches, budget, before=lambda index: setattr(remembered, "index", index))
    finished = build(config.network).eval()
    finished.load_state_dict(module.average.module.state_dict() | base, strict=True)
    return finished


class Scores(NamedTuple):
    """Fidelity and honesty of a network on pairs."""

    base: float
    mean: float
    sample: float
    spearman: float
    ause: float
    crps: float
    coverage: float
    ratio: float
    """Root mean squared error over root mean square of the raw std."""
    milliseconds: float
    """Of processor time for 16 samples of a pair, after encoding."""


@torch.inference_mode()
def score(network: SuperResolutionVAE, pairs: Sequence[Pair], temperature: float = 1.0) -> Scores:
    generator = torch.Generator().manual_seed(0)

    def draw(low: Tensor, scale: int) -> tuple[Tensor, Tensor, float]:
        encoded = network.encode(low, scale)
        noise = [part * temperature for part in network.antithetic_noise(low, SAMPLES, generator)]
        start = time.process_time()
        samples = network.decode(encoded, noise)
        return encoded.base, samples, time.process_time() - start

    return scored(draw, pairs)


def scored(draw: Callable[[Tensor, int], tuple[Tensor, Tensor, float]], pairs: Sequence[Pair]) -> Scores:
    """Score what draws samples: base, samples (in antithetic pairs) and seconds for a low-res image."""
    fidelity, spreads, seconds = [], [], []
    for index, (low, high, scale) in enumerate(pairs):
        base, samples, spent = draw(low, scale)
        moments = PairedMoments()
        moments.add(samples)
        assert moments.variance is not None
        fidelity.append([psnr(each, high, scale) for each in (base, moments.mean, samples[0])])
        inside = (..., slice(scale, -scale), slice(scale, -scale))
        std, error = (
            each[inside].flatten().double().numpy()
            for each in (smoothed(moments.variance).sqrt(), moments.mean - high)
        )
        spreads.append(Spread(str(index), "", estimate_noise(low[0, 0].numpy()), True, std, error))
        seconds.append(spent)
    tested = cross_validated(spreads)
    std = np.concatenate([each.std for each in tested])
    error = np.concatenate([each.spread.error for each in tested])
    raw = np.concatenate([each.spread.std for each in tested])
    base, mean, sample = np.mean(fidelity, axis=0)
    return Scores(
        *(float(each) for each in (base, mean, sample)),
        spearman=rank_correlation(raw, error),
        ause=sparsification(std, error).ause,
        crps=gaussian_crps(std, error),
        coverage=float(np.mean([each.inside.mean() for each in tested])),
        ratio=float(np.sqrt(np.mean(error**2) / max(np.mean(raw**2), 1e-20))),
        milliseconds=1000 * float(np.mean(seconds)),
    )

"""What a network is told in training, so that it copes with what it is told in use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_vaesr.imaging.noise import CELLS, EXPECTED, QUANTILE
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.pairs.neighbours import simulate
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.vae.config import Conditions, Factor

JITTER = 0.2
"""Standard deviation of the logarithm of what a noise is told too large or too small, in units of its std."""

UNSAID = 1 / 3
"""Share of the batch that is told of noise and blur alone."""


def simulated(
    patches: Sequence[NDArray[np.float32]],
    factor: Factor,
    config: TrainingConfig,
    generator: torch.Generator | None,
) -> Batch:
    """Make a batch of sharp patches: degraded, and with conditions that are nearly right.

    Parameters
    ----------
    patches, factor
        As for `simulate`.
    config : TrainingConfig
        The run's settings.
    generator : torch.Generator, optional
        Source of randomness.
    """
    batch = simulate(patches, factor, config, generator)
    if not config.network.conditioned:
        return batch
    return batch._replace(conditions=told(batch.conditions, batch.plane, config.misled, generator))


def recorded(low: NDArray[np.float32], high: NDArray[np.float32], factor: Factor) -> Batch:
    """Make a batch of real pairs.

    What the network is told of them is their estimated noise, and no blur.

    Parameters
    ----------
    low : float32 array of shape (batch, Y, X)
        In unit intensity.
    high : float32 array of shape (batch, rows * Y, columns * X)
        In unit intensity.
    factor : (int, int)
        Of rows and columns.
    """
    small, large = (torch.from_numpy(np.ascontiguousarray(part))[:, None] for part in (low, high))
    noise = estimated_noise(small[:, 0])
    conditions = noise.new_zeros(len(noise), len(Conditions._fields))
    conditions[:, Conditions._fields.index("intercept")] = noise.square()
    return Batch(small, large, factor, conditions)


def told(
    conditions: Tensor, plane: Tensor, misled: float, generator: torch.Generator | None = None
) -> Tensor:
    """Return what a network is told: nearly the truth, or what an estimate on the plane says.

    Parameters
    ----------
    conditions : Tensor
        The truth; see `SuperResolutionVAE.encode`.
    plane : Tensor
        (batch, 1, Y, X), noisy as the network sees it.
    misled : float
        Share of the batch that is told an estimate instead.
    generator : torch.Generator, optional
        Source of randomness.
    """
    truth = dict(zip(Conditions._fields, conditions.unbind(dim=1), strict=True))
    each, both, third = torch.randn(3, len(plane), generator=generator)
    slope = truth["slope"] * torch.exp(2 * JITTER * (0.7 * each + 0.7 * both))
    intercept = truth["intercept"] * torch.exp(2 * JITTER * (0.7 * both - 0.7 * each))
    blur = truth["blur"] * torch.exp(0.5 * JITTER * third)
    is_misled = torch.rand(len(plane), generator=generator) < misled
    estimate = estimated_noise(plane[:, 0]).square()
    slope, intercept = torch.where(is_misled, 0.0, slope), torch.where(is_misled, estimate, intercept)
    is_said = torch.rand(len(plane), generator=generator) >= UNSAID
    nearly = {"slope": slope, "intercept": intercept, "blur": blur}
    others = {name: value * is_said for name, value in truth.items() if name not in nearly}
    return torch.stack([*nearly.values(), *others.values()], dim=1)


def estimated_noise(planes: Tensor) -> Tensor:
    """Estimate the noise of planes (batch, Y, X) of even sizes, as `imaging.noise` does in use.

    Like there it is the variance of the finest details in the quietest quarter of small patches, of all
    intensities together.
    """
    detail = planes[:, ::2, ::2] - planes[:, ::2, 1::2] - planes[:, 1::2, ::2] + planes[:, 1::2, 1::2]
    side = min(CELLS, *detail.shape[1:])
    variances = F.avg_pool2d((detail / 2).square(), side).flatten(1)
    return (variances.quantile(QUANTILE, dim=1) / EXPECTED).sqrt()

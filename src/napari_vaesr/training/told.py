"""What a network is shown and told in training, so that it copes with what it is shown and told in use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_vaesr.imaging.noise import CELLS, EXPECTED, QUANTILE
from napari_vaesr.pairs.degradation import degrade
from napari_vaesr.pairs.neighbours import neighboured
from napari_vaesr.training.batches import Batch
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.vae.base import middle
from napari_vaesr.vae.config import Conditions, Factor

JITTER = 0.2
"""Standard deviation of the logarithm of what a noise is told too large or too small, in units of its std."""

UNSAID = 1 / 3
"""Share of the batch that is told of noise and blur alone."""

EDGES = 0.2
"""Share of the stacks of which the planes on one side are hidden, as at the end of a stack."""


def shown(batch: Batch, config: TrainingConfig, generator: torch.Generator | None = None) -> Batch:
    """Return a batch as the network is to see it: neighbours hidden, conditions nearly right."""
    low = hidden(batch.low, config.alone, generator)
    if not config.network.conditioned:
        return batch._replace(low=low)
    return batch._replace(low=low, conditions=told(batch.conditions, low, config.misled, generator))


def simulated(
    patches: Sequence[NDArray[np.float32]],
    factor: Factor,
    config: TrainingConfig,
    generator: torch.Generator | None = None,
) -> Batch:
    """Make a batch of sharp patches: degraded, and as the network is to see it.

    Parameters
    ----------
    patches : sequence of array
        Each (planes, Y, X): as many planes as the network looks at, or one, whose neighbours are made.
    factor : (int, int)
        How many times smaller they become, rows and columns.
    config : TrainingConfig
        The run's settings.
    generator : torch.Generator, optional
        Source of randomness.
    """
    frames = config.network.frames
    single = torch.from_numpy(np.stack([patch[len(patch) // 2] for patch in patches]))[:, None]
    high = neighboured(single, frames, float(factor[1]), generator)
    for index, patch in enumerate(patches):
        if len(patch) == frames:
            high[index] = torch.from_numpy(patch)
    low, high, conditions = degrade(high, factor, config.degradation, generator)
    return shown(Batch(low, high, factor, conditions), config, generator)


def recorded(low: NDArray[np.float32], high: NDArray[np.float32], factor: Factor) -> Batch:
    """Make a batch of real pairs (batch, Y, X) and (batch, rows * Y, columns * X).

    What the network is told of them is their estimated noise, and no blur.
    """
    small, large = (torch.from_numpy(np.ascontiguousarray(part))[:, None] for part in (low, high))
    noise = estimated_noise(small[:, 0])
    conditions = noise.new_zeros(len(noise), len(Conditions._fields))
    conditions[:, Conditions._fields.index("intercept")] = noise.square()
    return Batch(small, large, factor, conditions)


def hidden(low: Tensor, alone: float, generator: torch.Generator | None = None) -> Tensor:
    """Hide neighbours at random: what is hidden is the plane in the middle once more.

    Parameters
    ----------
    low : Tensor
        (batch, frames, Y, X), noisy as the network sees them.
    alone : float
        Share of the batch that loses all neighbours; of the rest, `EDGES` lose some on one side.
    generator : torch.Generator, optional
        Source of randomness.
    """
    batch, frames = low.shape[:2]
    if frames == 1:
        return low
    reach = frames // 2
    offsets = torch.arange(-reach, reach + 1)
    chance, side, left = torch.rand(3, batch, 1, generator=generator)
    outward = torch.where(side < 0.5, offsets, -offsets)
    is_hidden = (chance < alone) | ((chance > 1 - EDGES * (1 - alone)) & (outward > (left * reach).floor()))
    return torch.where(is_hidden[..., None, None], middle(low), low)


def told(conditions: Tensor, low: Tensor, misled: float, generator: torch.Generator | None = None) -> Tensor:
    """Return what a network is told: nearly the truth, or what an estimate on the plane says.

    Parameters
    ----------
    conditions : Tensor
        The truth; see `SuperResolutionVAE.encode`.
    low : Tensor
        (batch, frames, Y, X).
    misled : float
        Share of the batch that is told an estimate instead.
    generator : torch.Generator, optional
        Source of randomness.
    """
    slope, intercept, blur, *others = conditions.unbind(dim=1)
    each, both, third = torch.randn(3, len(low), generator=generator)
    slope = slope * torch.exp(2 * JITTER * (0.7 * each + 0.7 * both))
    intercept = intercept * torch.exp(2 * JITTER * (0.7 * both - 0.7 * each))
    blur = blur * torch.exp(0.5 * JITTER * third)
    is_misled = torch.rand(len(low), generator=generator) < misled
    estimate = estimated_noise(middle(low)[:, 0]).square()
    slope, intercept = torch.where(is_misled, 0.0, slope), torch.where(is_misled, estimate, intercept)
    is_said = torch.rand(len(low), generator=generator) >= UNSAID
    return torch.stack([slope, intercept, blur, *(each * is_said for each in others)], dim=1)


def estimated_noise(planes: Tensor) -> Tensor:
    """Estimate the noise of planes (batch, Y, X) of even sizes, as `imaging.noise` does in use.

    Like there it is the variance of the finest details in the quietest quarter of small patches, of all
    intensities together.
    """
    detail = planes[:, ::2, ::2] - planes[:, ::2, 1::2] - planes[:, 1::2, ::2] + planes[:, 1::2, 1::2]
    side = min(CELLS, *detail.shape[1:])
    variances = F.avg_pool2d((detail / 2).square(), side).flatten(1)
    return (variances.quantile(QUANTILE, dim=1) / EXPECTED).sqrt()

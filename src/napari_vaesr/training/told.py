"""What a network is shown and told in training, so that it copes with what it is shown and told in use."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_vaesr.imaging.noise import CELLS, EXPECTED, QUANTILE
from napari_vaesr.training.batches import Batch
from napari_vaesr.training.config import TrainingConfig

JITTER = 0.2
"""Standard deviation of the logarithm of what a noise is told too large or too small, in units of its std."""

EDGES = 0.2
"""Share of the stacks of which the planes on one side are hidden, as at the end of a stack."""


def shown(batch: Batch, config: TrainingConfig, generator: torch.Generator | None = None) -> Batch:
    """Return a batch as the network is to see it: neighbours hidden, conditions nearly right."""
    low = hidden(batch.low, config.alone, generator)
    if not config.network.conditioned:
        return batch._replace(low=low)
    return batch._replace(low=low, conditions=told(batch.conditions, low, config.misled, generator))


def recorded_conditions(low: Tensor) -> Tensor:
    """Return what is told of recorded planes (batch, frames, Y, X): their estimated noise, and no blur."""
    noise = estimated_noise(low[:, low.shape[1] // 2])
    return torch.stack([torch.zeros_like(noise), noise.square(), torch.zeros_like(noise)], dim=1)


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
    middle = low[:, reach, None].expand_as(low)
    return torch.where(is_hidden[..., None, None], middle, low)


def told(conditions: Tensor, low: Tensor, misled: float, generator: torch.Generator | None = None) -> Tensor:
    """Return what a network is told: nearly the truth, or what an estimate on the plane says.

    Parameters
    ----------
    conditions : Tensor
        (batch, 3), the truth; see `SuperResolutionVAE.encode`.
    low : Tensor
        (batch, frames, Y, X).
    misled : float
        Share of the batch that is told an estimate instead.
    generator : torch.Generator, optional
        Source of randomness.
    """
    slope, intercept, blur = conditions.unbind(dim=1)
    each, both, third = torch.randn(3, len(low), generator=generator)
    slope = slope * torch.exp(2 * JITTER * (0.7 * each + 0.7 * both))
    intercept = intercept * torch.exp(2 * JITTER * (0.7 * both - 0.7 * each))
    blur = blur * torch.exp(0.5 * JITTER * third)
    is_misled = torch.rand(len(low), generator=generator) < misled
    estimate = estimated_noise(low[:, low.shape[1] // 2]).square()
    return torch.stack(
        [torch.where(is_misled, 0.0, slope), torch.where(is_misled, estimate, intercept), blur], dim=1
    )


def estimated_noise(planes: Tensor) -> Tensor:
    """Estimate the noise of planes (batch, Y, X) of even sizes, as `imaging.noise` does in use.

    Like there it is the variance of the finest details in the quietest quarter of small patches, of all
    intensities together.
    """
    detail = planes[:, ::2, ::2] - planes[:, ::2, 1::2] - planes[:, 1::2, ::2] + planes[:, 1::2, 1::2]
    side = min(CELLS, *detail.shape[1:])
    variances = F.avg_pool2d((detail / 2).square(), side).flatten(1)
    return (variances.quantile(QUANTILE, dim=1) / EXPECTED).sqrt()

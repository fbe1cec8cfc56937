"""What a network sees of sharp planes that are degraded: with planes beside each, real, made or hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_vaesr.pairs.degradation import Batch, degrade
from napari_vaesr.pairs.images import to_unit, value_range
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.vae.base import middle
from napari_vaesr.vae.config import Factor, NetworkConfig

EDGES = 0.2
"""Share of the stacks of which the planes on one side are hidden, as at the end of a stack."""


class Simulation(Protocol):
    """What decides how sharp patches become batches."""

    @property
    def network(self) -> NetworkConfig:
        """The network that is to see them."""

    @property
    def degradation(self) -> Degradation:
        """How low-res patches are made."""

    @property
    def alone(self) -> float:
        """Share of the patches that are seen without planes beside them."""


def around(stack: NDArray[np.generic], number: int, count: int) -> NDArray[np.generic]:
    """Return so many planes of a stack (planes, Y, X), an odd number, with one of them in the middle.

    Beyond the ends of a stack the last planes come again.

    Parameters
    ----------
    stack : array of shape (planes, Y, X)
        Planes beside one another.
    number : int
        The one in the middle.
    count : int
        How many to return, odd.

    Returns
    -------
    array of shape (count, Y, X)
    """
    near = np.arange(number - count // 2, number + count // 2 + 1)
    return stack[np.clip(near, 0, len(stack) - 1)]


def sharp_at(stack: NDArray[np.generic], number: int, network: NetworkConfig) -> NDArray[np.generic]:
    """Return a plane of a stack with as many as a network sees beside it; a single one alone.

    Parameters
    ----------
    stack : array
        (planes, Y, X).
    number : int
        Which plane.
    network : NetworkConfig
        The network's.
    """
    return around(stack, number, 2 * network.reach + 1 if len(stack) > 1 else 1)


def simulate(
    patches: Sequence[NDArray[np.float32]],
    factor: Factor,
    settings: Simulation,
    generator: torch.Generator | None = None,
) -> Batch:
    """Make a batch of sharp patches: degraded, and as a network is to see it.

    Parameters
    ----------
    patches : sequence of array
        Each (planes, Y, X), as `sharp_at` gives them.
    factor : (int, int)
        How many times smaller they become, rows and columns.
    settings : Simulation
        As those of a training.
    generator : torch.Generator, optional
        Source of randomness.
    """
    frames = 2 * settings.network.reach + 1
    single = torch.from_numpy(np.stack([patch[len(patch) // 2] for patch in patches]))[:, None]
    high = neighboured(single, frames, float(factor[1]), generator)
    for index, patch in enumerate(patches):
        if len(patch) == frames:
            high[index] = torch.from_numpy(patch)
    batch = degrade(high, factor, settings.degradation, generator)
    return batch._replace(low=hidden(batch.low, settings.alone, generator))


def simulate_middle(
    stack: NDArray[np.generic],
    part: tuple[slice, slice],
    factor: Factor,
    settings: Simulation,
    generator: torch.Generator,
) -> Batch:
    """Make a pair of a part of the plane in the middle of a stack; nothing beside it is hidden.

    Parameters
    ----------
    stack : array
        (planes, Y, X), in its own intensities.
    part : (slice, slice)
        Rows and columns.
    factor, settings, generator
        As for `simulate`.
    """
    planes = around(stack, len(stack) // 2, 2 * settings.network.reach + 1)
    crop = np.ascontiguousarray(to_unit(planes[:, *part], value_range(stack)))
    pair = degrade(torch.from_numpy(crop)[None], factor, settings.degradation, generator)
    return pair._replace(low=pair.plane) if len(stack) == 1 else pair  # the others had noise of their own


def neighboured(high: Tensor, frames: int, reach: float, generator: torch.Generator | None = None) -> Tensor:
    """Make neighbours of single planes, along Z or time: shifted, warped, dimmed and with other content.

    Parameters
    ----------
    high : Tensor
        (batch, 1, height, width).
    frames : int
        How many planes there are to be, an odd number; the one in the middle is `high`.
    reach : float
        How far, in pixels, the next neighbour is shifted and warped at the most; further ones further.
    generator : torch.Generator, optional
        Source of randomness.

    Returns
    -------
    Tensor
        (batch, frames, height, width).
    """
    if frames == 1:
        return high
    batch, _, height, width = high.shape
    offsets = torch.tensor([offset for offset in range(-(frames // 2), frames // 2 + 1) if offset])

    def draw(*shape: int) -> Tensor:
        return torch.rand(batch, *shape, generator=generator)

    def smooth(channels: int) -> Tensor:
        coarse = torch.randn(batch, channels, 5, 5, generator=generator)
        return F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)

    # Most neighbours have moved little; one stack in eight has moved far.
    strength = reach * draw(1, 1, 1) ** 2 * (1 + 3 * (draw(1, 1, 1) < 0.125))
    drift = strength * (2 * draw(2, 1, 1) - 1) + 0.4 * strength * smooth(2)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    dims = 0.65 + 0.4 * draw(1, 1, 1)
    # Elsewhere something else comes in: where a smooth field is high, on half of the patches. On one in
    # eight, everywhere and at once: thick sections of tissue, or cells that moved on.
    is_strange = draw(1, 1, 1) < 0.125
    share = (draw(1, 1, 1) < 0.5) * torch.sigmoid(4 * smooth(1) - 2)
    planes = []
    for offset in offsets.tolist():
        moved = drift * offset
        # Where grid_sample counts from: -1 and 1 are the corners of the image.
        grid = torch.stack(
            [
                (columns + moved[:, 1] + 0.5) * 2 / width - 1,
                (rows + moved[:, 0] + 0.5) * 2 / height - 1,
            ],
            dim=-1,
        )
        plane = F.grid_sample(high, grid, mode="bicubic", padding_mode="reflection", align_corners=False)
        other = high.roll(offset, dims=0).flip(-1)
        part = torch.where(is_strange, 1.0, share * (abs(offset) / (frames // 2)))
        dim = dims ** abs(offset)
        planes.append(dim * ((1 - part) * plane + part * other))
    before = frames // 2
    return torch.cat([*planes[:before], high, *planes[before:]], dim=1)


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

"""Planes beside a plane, for networks that look at some: those of a stack, or made of a single one."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


def around(stack: NDArray[np.generic], number: int, count: int) -> NDArray[np.generic]:
    """Return so many planes of a stack (planes, Y, X), an odd number, with one of them in the middle.

    Beyond the ends of a stack the last planes come again.
    """
    near = np.arange(number - count // 2, number + count // 2 + 1)
    return stack[np.clip(near, 0, len(stack) - 1)]


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
    middle = frames // 2
    return torch.cat([*planes[:middle], high, *planes[middle:]], dim=1)

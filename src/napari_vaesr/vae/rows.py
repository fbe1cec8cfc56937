"""Rows that alone become more, as planes along Z do: what the input says of them, taken at its word."""

from __future__ import annotations

import torch
from torch import Tensor


def row_weights(sections: Tensor, rows: int) -> Tensor:
    """Return how much each row that comes of one counts in what the input says of them.

    Parameters
    ----------
    sections : Tensor
        (batch, 1): 1 where a row of the input is the mean of all that come of it, -1 where it is the one in
        the middle, or the mean of the two there, and 0 where that is not known.
    rows : int
        How many come of one.

    Returns
    -------
    Tensor
        (batch, rows), of sum 1, or 0 where nothing is known.
    """
    place = torch.arange(rows, device=sections.device)
    is_middle = (place >= (rows - 1) // 2) & (place <= rows // 2)
    middle = is_middle / is_middle.sum()
    return torch.where(sections > 0, 1 / rows, torch.where(sections < 0, middle, 0.0))


def with_rows_seen(pixels: Tensor, weights: Tensor, seen: Tensor | None) -> Tensor:
    """Change rows as little as can be so that they say what the input does.

    Parameters
    ----------
    pixels : Tensor
        (batch, rows, height, width), the rows that come of each.
    weights : Tensor
        (batch, rows), of `row_weights`.
    seen : Tensor or None
        (batch, 1, height, width), what the input says. None: nothing, as of what is added to an answer.

    Returns
    -------
    Tensor
        Of the shape of `pixels`: their projection to what is consistent.
    """
    weights = weights.to(pixels)[..., None, None]
    missing = -(weights * pixels).sum(dim=1, keepdim=True)
    if seen is not None:
        missing = missing + seen * (weights.sum(dim=1, keepdim=True) > 0)
    power = weights.square().sum(dim=1, keepdim=True)
    return pixels + weights * missing / power.clamp(min=1e-6)

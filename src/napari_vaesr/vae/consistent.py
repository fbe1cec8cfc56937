"""Results that say what the input does, where it is taken at its word (`NetworkConfig.consistent`).

A result of more rows and columns alike says what it is downscaled to. Of rows that alone become more, as
planes along Z do, the input is the average or those in the middle, if the network is told which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from napari_vaesr.vae.config import Factor
from napari_vaesr.vae.factor import shuffle, unshuffle
from napari_vaesr.vae.resize import REACH, unseen, upsample_bicubic, upsample_consistent


def reach_of(factor: Factor) -> int:
    """Return how far, in low-res pixels, it is looked for the sake of consistency."""
    return 4 * REACH if factor[0] == factor[1] else 0  # twice down and up again


def taken_at_word(told: Mapping[str, Tensor], factor: Factor) -> Tensor | None:
    """Return which planes of a batch are taken at their word, and how.

    Parameters
    ----------
    told : mapping of str to Tensor
        What the network is told, (batch, 1) each; see `napari_vaesr.vae.base.Inputs`.
    factor : (int, int)
        Rows and columns.

    Returns
    -------
    Tensor or None
        (batch,), those told to have neither noise nor blur; of rows alone (batch, rows), as `row_weights`
        gives them. None where the network is told nothing: then all are, save for rows alone.
    """
    if not told:
        return None
    is_clean = (torch.cat([told[name] for name in ("slope", "intercept", "blur")], dim=1) == 0).all(dim=1)
    if factor[0] == factor[1]:
        return is_clean
    return is_clean[:, None] * row_weights(told.get("sections", torch.zeros_like(told["blur"])), factor[0])


def consistent_base(plane: Tensor, correction: Tensor, factor: Factor, word: Tensor | None) -> Tensor:
    """Return an estimate, (batch, 1, rows * height, columns * width), float32.

    Parameters
    ----------
    plane : Tensor
        What is upscaled, (batch, 1, height, width).
    correction : Tensor
        What the estimate is to differ by from bicubic interpolation, (batch, rows * columns, height, width).
    factor : (int, int)
        Rows and columns.
    word : Tensor or None
        As `taken_at_word` gives it.
    """
    enlarged = upsample_bicubic(plane, factor)
    if factor[0] == factor[1]:
        enlarged = _where(word, enlarged, lambda _: upsample_consistent(plane, factor[0]))
        correction = _where(word, correction, lambda each: unseen(each, factor[0]))
    base = enlarged + shuffle(correction.float(), factor)
    if factor[0] == factor[1] or word is None:
        return base
    return shuffle(with_rows_seen(unshuffle(base, factor), word, plane.float()), factor)


def consistent_residual(residual: Tensor, factor: Factor, word: Tensor | None) -> Tensor:
    """Take away from what a sample adds to an estimate what the input would say of it.

    Parameters
    ----------
    residual : Tensor
        (batch, rows * columns, height, width).
    factor, word
        As for `consistent_base`.
    """
    if factor[0] == factor[1]:
        return _where(word, residual, lambda each: unseen(each, factor[0], steps=2))
    return residual if word is None else with_rows_seen(residual, word, None)


def _where(word: Tensor | None, usual: Tensor, consistent: Callable[[Tensor], Tensor]) -> Tensor:
    """Return `usual`, made consistent for the planes whose input is taken at its word."""
    if word is None or bool(word.all()):
        return consistent(usual)
    if not bool(word.any()):
        return usual
    return torch.where(word.reshape(-1, *[1] * (usual.ndim - 1)), consistent(usual), usual)


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

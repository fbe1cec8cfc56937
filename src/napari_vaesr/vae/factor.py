"""Factors of the two axes of a plane, and the order of the high-res pixels within a low-res one."""

from __future__ import annotations

import torch
from torch import Tensor

from napari_vaesr.vae.config import Factor


def as_factor(factor: int | Factor) -> Factor:
    """Return a factor of both axes as a pair."""
    return (factor, factor) if isinstance(factor, int) else (factor[0], factor[1])


def shuffle(pixels: Tensor, factor: int | Factor) -> Tensor:
    """Bring high-res pixels from channels to their places.

    As `torch.nn.functional.pixel_shuffle`, which knows square factors alone.

    Parameters
    ----------
    pixels : Tensor
        (..., rows * columns, height, width): the high-res pixels within each low-res one, row by row.
    factor : int or (int, int)
        Rows and columns.

    Returns
    -------
    Tensor
        (..., 1, rows * height, columns * width).
    """
    rows, columns = as_factor(factor)
    if rows == columns:
        return torch.nn.functional.pixel_shuffle(pixels, rows)
    *others, _, height, width = pixels.shape
    apart = pixels.reshape(*others, rows, columns, height, width)
    count = len(others)
    placed = apart.permute(*range(count), count + 2, count, count + 3, count + 1)
    return placed.reshape(*others, 1, rows * height, columns * width)


def unshuffle(images: Tensor, factor: int | Factor) -> Tensor:
    """Bring high-res pixels from their places to channels; the inverse of `shuffle`.

    Parameters
    ----------
    images : Tensor
        (..., 1, rows * height, columns * width).
    factor : int or (int, int)
        Rows and columns.

    Returns
    -------
    Tensor
        (..., rows * columns, height, width).
    """
    rows, columns = as_factor(factor)
    if rows == columns:
        return torch.nn.functional.pixel_unshuffle(images, rows)
    *others, _, height, width = images.shape
    height, width = height // rows, width // columns
    together = images.reshape(*others, height, rows, width, columns)
    count = len(others)
    apart = together.permute(*range(count), count + 1, count + 3, count, count + 2)
    return apart.reshape(*others, rows * columns, height, width)

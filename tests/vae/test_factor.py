"""Pixels find their places, whatever the factors of rows and columns."""

from __future__ import annotations

import pytest
import torch

from napari_vaesr.vae.config import factor_name
from napari_vaesr.vae.factor import as_factor, shuffle, unshuffle


@pytest.mark.parametrize("factor", [(2, 2), (3, 1), (1, 4), (2, 3)])
def test_unshuffle_undoes_shuffle_and_each_pixel_has_its_place(factor: tuple[int, int]) -> None:
    rows, columns = factor
    pixels = torch.arange(2 * rows * columns * 5 * 7.0).reshape(2, rows * columns, 5, 7)
    placed = shuffle(pixels, factor)
    assert placed.shape == (2, 1, 5 * rows, 7 * columns)
    assert placed[1, 0, 3 * rows + rows - 1, 4 * columns] == pixels[1, (rows - 1) * columns, 3, 4]
    assert torch.equal(unshuffle(placed, factor), pixels)
    assert torch.equal(shuffle(pixels[None], factor)[0], placed)


def test_names() -> None:
    assert factor_name(as_factor(3)) == "3" and factor_name((3, 1)) == "3x1"

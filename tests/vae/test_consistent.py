"""What the input says of rows that become more."""

from __future__ import annotations

import pytest
import torch

from napari_vaesr.pairs.degradation import thinned
from napari_vaesr.vae.consistent import row_weights, with_rows_seen


@pytest.mark.parametrize("rows", [2, 3, 4, 5])
def test_weights_are_those_of_what_a_training_leaves_out_or_averages(rows: int) -> None:
    images = torch.rand(2, 1, 6 * rows, 4)
    averaged = torch.tensor([True, False]).reshape(2, 1, 1, 1)
    weights = row_weights(torch.tensor([[1.0], [-1.0]]), rows)
    seen = (images.reshape(2, 6, rows, 4) * weights[:, None, :, None]).sum(dim=2)
    torch.testing.assert_close(seen, thinned(images, rows, averaged)[:, 0])
    assert row_weights(torch.zeros(1, 1), rows).abs().sum() == 0


def test_the_change_is_the_smallest_that_there_is() -> None:
    """A projection: made again it changes nothing, and what it adds is in the direction of the weights."""
    pixels, seen = torch.rand(3, 4, 5, 6), torch.rand(3, 1, 5, 6)
    weights = row_weights(torch.tensor([[1.0], [-1.0], [0.0]]), 4)
    once = with_rows_seen(pixels, weights, seen)
    torch.testing.assert_close(with_rows_seen(once, weights, seen), once)
    torch.testing.assert_close(once[2], pixels[2])
    change = once[1] - pixels[1]
    assert change[[0, 3]].abs().max() == 0
    torch.testing.assert_close(change[1], change[2])


def test_what_is_added_to_an_answer_is_not_seen() -> None:
    weights = row_weights(torch.tensor([[1.0]]), 3)
    hidden = with_rows_seen(torch.rand(1, 3, 4, 4), weights, None)
    assert hidden.mean(dim=1).abs().max() < 1e-6

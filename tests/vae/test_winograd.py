"""The detour with fewer products gives what the sum of all products gives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from napari_vaesr.vae import winograd

SIDES = st.integers(1, 21)


@given(SIDES, SIDES, st.integers(1, 3), st.booleans(), st.integers(1, 9))
def test_it_equals_the_convolution(height: int, width: int, batch: int, has_bias: bool, strip: int) -> None:
    """Sides that are no multiples of four, strips that end within a plane, and what follows."""
    generator = torch.Generator().manual_seed(height)
    x = torch.randn(batch, 3, height, width, generator=generator)
    weight = torch.randn(5, 3, 3, 3, generator=generator)
    bias = torch.randn(5, generator=generator) if has_bias else None
    other = torch.randn(batch, 5, height, width, generator=generator)
    done: list[tuple[int, int]] = []

    def finish(made: Tensor, image: int, rows: slice) -> None:
        done.extend((image, row) for row in range(rows.start, rows.stop))
        made.mul_(other[image, :, rows].permute(1, 2, 0))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "STRIP", strip)
        made = winograd.convolve(x, weight, bias, finish)
    expected = (
        F.conv2d(x.double(), weight.double(), None if bias is None else bias.double(), padding=1) * other
    )
    largest = float(expected.abs().max())
    torch.testing.assert_close(made, expected.float(), rtol=0, atol=1e-5 * max(largest, 1))
    assert done == [(image, row) for image in range(batch) for row in range(height)]
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_nothing_is_left_of_what_was_there_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """All strips and planes of a batch share the memory in between."""
    monkeypatch.setattr(winograd, "STRIP", 1)
    x = torch.zeros(2, 1, 17, 9)
    x[0] = 1e6
    made = winograd.convolve(x, torch.ones(1, 1, 3, 3), None)
    assert not made[1].any()
    torch.testing.assert_close(made[0], F.conv2d(x[0], torch.ones(1, 1, 3, 3), padding=1))


def test_rounding_is_small_where_there_are_many_channels() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 64, 40, 40, generator=generator)
    weight = torch.randn(64, 64, 3, 3, generator=generator)
    expected = F.conv2d(x.double(), weight.double(), padding=1)
    error = winograd.convolve(x, weight, None) - expected
    assert error.square().mean().sqrt() < 1.2e-6 * expected.square().mean().sqrt()

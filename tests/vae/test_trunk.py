"""Features of a plane, and what it is told of its noise."""

from __future__ import annotations

import torch

from napari_vaesr.vae.trunk import noise_map


def test_noise_follows_the_signal() -> None:
    flat = torch.full((1, 1, 9, 9), 0.5)
    one = torch.ones(1, 1, 1, 1)
    torch.testing.assert_close(noise_map(flat, 0.02 * one, 0.01 * one), torch.full_like(flat, 0.02**0.5))
    assert noise_map(-flat, one, 0 * one).max() == 0

"""Latent noise is a pure function of where it is."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_vaesr.vae.latent_noise import latent_noise

coordinate = st.integers(-300, 100_000)


@settings(max_examples=30)
@given(
    seed=st.integers(-(2**63), 2**64),
    plane=st.integers(0, 10**6),
    level=st.integers(0, 5),
    channels=st.integers(1, 5),
    top=coordinate,
    left=coordinate,
    cut=st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 4), st.integers(1, 4)),
    sample=st.integers(0, 6),
)
def test_any_crop_and_any_sample_alone_is_the_same(
    seed: int,
    plane: int,
    level: int,
    channels: int,
    top: int,
    left: int,
    cut: tuple[int, int, int, int],
    sample: int,
) -> None:
    whole = latent_noise(seed, plane, range(7), level, channels, range(top, top + 9), range(left, left + 9))
    row, column, height, width = cut
    rows, columns = range(top + row, top + row + height), range(left + column, left + column + width)
    part = latent_noise(seed, plane, [sample], level, channels, rows, columns)
    expected = whole[sample, :, row : row + height, column : column + width]
    torch.testing.assert_close(part[0], expected, rtol=0, atol=1e-6)


def test_samples_come_in_antithetic_pairs() -> None:
    noise = latent_noise(0, 0, range(6), 0, 3, range(8), range(8))
    assert torch.equal(noise[0::2], -noise[1::2])
    assert not torch.equal(noise[0], noise[2])


def test_every_argument_matters() -> None:
    reference = latent_noise(0, 0, [0], 0, 1, range(4), range(4))
    for seed, plane, level in [(1, 0, 0), (2**40, 0, 0), (0, 1, 0), (0, 0, 1)]:
        assert not torch.equal(latent_noise(seed, plane, [0], level, 1, range(4), range(4)), reference)


def test_it_is_white_and_normal() -> None:
    noise = latent_noise(3, 1, range(0, 8, 2), 2, 6, range(-50, 206), range(256)).numpy()
    count = noise.size
    assert abs(noise.mean()) < 4 / count**0.5
    assert abs(noise.var() - 1) < 4 * (2 / count) ** 0.5
    assert abs((noise**4).mean() - 3) < 4 * (96 / count) ** 0.5
    flat = noise.reshape(4, 6, -1)
    neighbours = {
        "rows": (noise[..., 1:, :] * noise[..., :-1, :]).ravel(),
        "columns": (noise[..., 1:] * noise[..., :-1]).ravel(),
        "diagonal": (noise[..., 1:, 1:] * noise[..., :-1, :-1]).ravel(),
        "channels": (flat[:, 1:] * flat[:, :-1]).ravel(),
        "samples": (flat[1:] * flat[:-1]).ravel(),
    }
    for name, products in neighbours.items():
        assert abs(products.mean()) < 5 / products.size**0.5, name
    # Sizes of neighbours are independent too: Box and Muller's couples share one hash.
    squares = (flat[:, 0] ** 2 - 1) * (flat[:, 1] ** 2 - 1)
    assert abs(squares.mean()) < 5 * 2 / squares.size**0.5


def test_the_spectrum_is_flat() -> None:
    plane = latent_noise(0, 0, [0], 0, 1, range(256), range(256))[0, 0].numpy()
    power = np.abs(np.fft.fft2(plane)) ** 2 / plane.size
    assert power.max() < 20  # of 65536 exponential values, e**-20 of them pass 20

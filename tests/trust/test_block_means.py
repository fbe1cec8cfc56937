"""Samples that add up have block means as wrong as they say, at every size."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_vaesr.trust.block_means import SIDES, block_errors, block_means, block_ratios


def smooth(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return gaussian_filter(rng.normal(size=shape), (0,) * (len(shape) - 2) + (3, 3))


def errors(correlated: bool) -> list[np.ndarray]:
    rng, found = np.random.default_rng(0), []
    for _ in range(20):
        wrong, drawn = smooth(rng, 128, 128), smooth(rng, 8, 128, 128)
        if not correlated:
            drawn = rng.normal(scale=wrong.std(), size=drawn.shape)
        samples = np.concatenate([drawn, -drawn])
        found.append(block_errors(samples, np.zeros((128, 128)), wrong))
    return found


def test_errors_and_samples_alike_have_ratios_of_one() -> None:
    assert block_ratios(errors(correlated=True)) == pytest.approx([1.0] * len(SIDES), abs=0.15)


def test_independent_pixels_are_right_one_by_one_and_wrong_for_areas() -> None:
    ratios = block_ratios(errors(correlated=False))
    assert ratios[0] == pytest.approx(1.0, abs=0.1) and (ratios[4] or 0) > 3


def test_blocks_larger_than_the_image_are_unknown() -> None:
    found = block_errors(np.ones((2, 9, 20)), np.zeros((9, 20)), np.ones((9, 20)))
    ratios = block_ratios([found])
    assert ratios == (1.0, 1.0, 1.0, 1.0, None, None)


def test_means_of_blocks() -> None:
    image = np.arange(5 * 7.0).reshape(1, 5, 7)
    np.testing.assert_array_equal(block_means(image, 2)[0, 1, 2], image[0, 2:4, 4:6].mean())

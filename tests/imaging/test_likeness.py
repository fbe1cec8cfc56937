"""Neighbouring planes that tell something of one another, and such that don't."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.intensity import fit_scalings
from napari_vaesr.imaging.likeness import are_apart

SIDE = 96


def detail(seed: int) -> np.ndarray:
    """Return a plane of fine structure around 0.5."""
    made = gaussian_filter(np.random.default_rng(seed).normal(size=(SIDE, SIDE)), 1.0)
    return 0.5 + 0.15 * made / made.std()


def pairs(common: float, noise: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pairs of planes that have part of the variance of their details in common."""
    generator = np.random.default_rng(0)
    made = []
    for number in range(4):
        shared, *own = (detail(10 * number + which) - 0.5 for which in range(3))
        one, other = (
            0.5
            + np.sqrt(common) * shared
            + np.sqrt(1 - common) * each
            + noise * generator.normal(size=shared.shape)
            for each in own
        )
        made.append((one, other))
    return made


@pytest.mark.parametrize("common, apart", [(0.95, False), (0.7, False), (0.3, True), (0.0, True)])
def test_planes_with_most_of_their_details_in_common_belong_together(common, apart):
    assert are_apart(pairs(common, 0.1), (0.0, 0.01)) is apart


def test_a_change_far_beyond_the_noise_makes_neighbours_worthless():
    assert not are_apart(pairs(0.7, 0.1), (0.0, 0.01))
    assert are_apart(pairs(0.7, 0.01), (0.0, 0.0001))
    assert are_apart(pairs(0.7, 0.0), (0.0, 0.0))


def test_planes_that_are_the_same_belong_together_however_noisy():
    for noise in (0.0, 0.01, 0.3):
        assert not are_apart(pairs(1.0, noise), (0.0, noise**2))


def test_planes_of_nothing_but_noise_belong_together():
    generator = np.random.default_rng(1)
    planes = [tuple(generator.normal(0.5, 0.1, size=(2, SIDE, SIDE))) for _ in range(4)]
    assert not are_apart(planes, (0.0, 0.01))
    assert not are_apart([], (0.0, 0.0))


@pytest.mark.parametrize("names", ["ZCYX", "TCYX"])
def test_every_channel_is_looked_at_by_itself(names):
    generator = np.random.default_rng(2)
    still = np.stack([detail(1)] * 6)
    other = np.stack([detail(20 + number) for number in range(6)])
    stack = np.stack([still, other], axis=1)
    stack = stack + 0.03 * generator.normal(size=stack.shape)
    scalings = fit_scalings(stack, Axes.parse(names, stack.shape), "percentile")
    assert [each.apart for each in scalings] == [False, True]

"""Neighbouring planes that tell something of one another, and such that don't."""

from functools import partial

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.imaging.intensity import fit_scalings, read_luma
from napari_vaesr.imaging.likeness import Cuts, are_apart

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


def frames_of(scene, noise, count, rng):
    return np.stack([scene + rng.normal(0, noise, scene.shape) for _ in range(count)]).astype(np.float32)


def cuts_of(source):
    scalings = fit_scalings(source.array, source.axes, "percentile")
    return Cuts(source.axes, [each.noise for each in scalings], partial(read_luma, source, scalings))


@pytest.fixture
def scenes():
    """Two fields of view, smooth, in one range of intensities."""
    rng = np.random.default_rng(2)
    fields = [gaussian_filter(rng.random((64, 64)), 4) for _ in range(2)]
    return [(each - each.min()) / np.ptp(each) for each in fields]


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
def test_a_cut_in_time_is_found_and_a_still_scene_is_not_cut(scenes, noise):
    rng = np.random.default_rng(3)
    movie = np.concatenate([frames_of(scene, noise, 4, rng) for scene in scenes])
    source = Source.of(movie, "TYX")
    cuts = cuts_of(source)
    joined = [cuts.is_joined({"T": t}, {"T": t + 1}) for t in range(7)]
    assert joined == [True, True, True, False, True, True, True]


def test_slow_motion_and_bleaching_are_no_cuts(scenes):
    moved = np.stack([np.roll(scenes[0], t, axis=1) * 0.97**t for t in range(6)]).astype(np.float32)
    source = Source.of(moved, "TYX")
    cuts = cuts_of(source)
    assert all(cuts.is_joined({"T": t}, {"T": t + 1}) for t in range(5))


def test_frames_of_nothing_but_noise_are_not_cut():
    movie = frames_of(np.zeros((64, 64)), 0.1, 4, np.random.default_rng(4))
    source = Source.of(movie, "TYX")
    cuts = cuts_of(source)
    assert all(cuts.is_joined({"T": 0}, {"T": t}) for t in (1, 2, 3))

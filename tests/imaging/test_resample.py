from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.region import Factors, Region
from napari_vaesr.imaging.resample import CUBIC, LINEAR, around, enlarged
from napari_vaesr.vae.resize import upsample_bicubic

SHAPE = (7, 9, 8)
AXES = Axes("ZYX", SHAPE)
IMAGE = np.random.default_rng(0).random(SHAPE, dtype=np.float32)


@given(
    st.data(),
    st.sampled_from([LINEAR, CUBIC]),
    st.sampled_from([{"Z": 3}, {"Y": 2, "X": 2}, {"Z": 2, "Y": 3}]),
)
def test_a_part_is_that_part_of_the_whole(data, kernel, factors):
    factors = Factors(factors)
    whole_region = Region().of(AXES.lengths)
    whole = enlarged(IMAGE, whole_region, whole_region, factors, AXES, kernel)
    assert whole.shape == AXES.upscaled(factors).shape

    def part_of(length):
        start = data.draw(st.integers(0, length - 1))
        return range(start, data.draw(st.integers(start + 1, length)))

    region = Region({name: part_of(length) for name, length in AXES.lengths.items()})
    held = around(region, factors, AXES)
    pixels = IMAGE[tuple(slice(held[name].start, held[name].stop) for name in "ZYX")]
    made = region.enlarged(factors)
    expected = whole[tuple(slice(made[name].start, made[name].stop) for name in "ZYX")]
    part = enlarged(pixels, held, region, factors, AXES, kernel)
    np.testing.assert_allclose(part, expected, atol=1e-6)


def test_a_straight_line_stays_one():
    ramp = np.broadcast_to(np.arange(7, dtype=np.float32)[:, None, None], SHAPE)
    region = Region().of(AXES.lengths)
    for kernel in (LINEAR, CUBIC):
        longer = enlarged(ramp, region, region, Factors(Z=4), AXES, kernel)[:, 0, 0]
        np.testing.assert_allclose(longer[8:-8], ((np.arange(28) + 0.5) / 4 - 0.5)[8:-8], atol=1e-5)


def test_cubic_is_that_of_the_networks_inside_of_the_border():
    plane = IMAGE[0]
    axes = Axes("YX", plane.shape)
    region = Region().of(axes.lengths)
    own = enlarged(plane, region, region, Factors.of(2), axes, CUBIC)
    theirs = upsample_bicubic(torch.from_numpy(plane)[None, None], 2)[0, 0].numpy()
    np.testing.assert_allclose(own[4:-4, 4:-4], theirs[4:-4, 4:-4], atol=1e-5)

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vaesr.imaging.geometry import Placement


def upscaled(scale, translate, rotate, shear, factors):
    """Return the scale and translate that keep an upscaled image where its source lies."""
    parts = (np.asarray(part, dtype=float) for part in (scale, translate, rotate, shear))
    placement = Placement(*parts).upscaled(factors)
    return placement.scale, placement.translate


@given(st.integers(2, 5), st.integers(0, 2**32 - 1), st.booleans(), st.data())
def test_world_corners_stay_where_they_are(ndim, seed, shear_as_vector, data):
    random = np.random.default_rng(seed)
    rotate, _ = np.linalg.qr(random.normal(size=(ndim, ndim)))
    shear = np.eye(ndim) + np.triu(random.normal(size=(ndim, ndim)), k=1)
    scale = random.uniform(0.05, 5, ndim)
    translate = random.normal(0, 1000, ndim)
    shape = random.integers(1, 200, ndim)
    chosen = data.draw(st.sets(st.integers(0, ndim - 1), min_size=1))
    factors = {axis: data.draw(st.sampled_from([2, 3, 4, 8])) for axis in chosen}

    given_shear = shear[np.triu_indices(ndim, k=1)] if shear_as_vector else shear
    new_scale, new_translate = upscaled(scale, translate, rotate, given_shear, factors)
    new_shape = [length * factors.get(axis, 1) for axis, length in enumerate(shape)]

    linear, new_linear = (rotate @ shear @ np.diag(part) for part in (scale, new_scale))
    for corner in itertools.product((0, 1), repeat=ndim):
        before = linear @ (corner * shape - 0.5) + translate
        after = new_linear @ (corner * np.array(new_shape) - 0.5) + new_translate
        pixels = np.linalg.solve(linear, after - before)
        np.testing.assert_allclose(pixels, 0, atol=1e-9)


def test_the_half_pixel():
    scale, translate = upscaled([2, 0.5], [10, 20], np.eye(2), np.eye(2), {0: 2, 1: 4})
    assert scale.tolist() == [1, 0.125]
    assert translate.tolist() == [10 - 0.5, 20 - 0.1875]


def test_axes_that_are_not_upscaled_stay():
    scale, translate = upscaled([3, 2, 2], [5, 0, 0], np.eye(3), [0, 0, 0], {1: 2, 2: 2})
    assert (scale[0], translate[0]) == (3, 5)


def test_to_world_takes_many_points():
    placement = Placement(np.array([2.0, 3.0]), np.array([1.0, 1.0]), np.eye(2), np.array([0.5]))
    np.testing.assert_allclose(placement.to_world([[0, 0], [1, 2]]), [[1, 1], [1 + 2 + 3, 7]])
    assert placement.upscaled({}).scale == pytest.approx(placement.scale)

"""What two views of a region say together."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_vaesr.engine.answer import averaged


def view(seed, spread):
    random = np.random.default_rng(seed)
    mean = random.random((20, 30)).astype(np.float32)
    samples = mean + spread * random.standard_normal((400, 20, 30)).astype(np.float32)
    return SimpleNamespace(mean=mean, variance=np.full_like(mean, spread**2), samples=samples)


def test_where_two_views_differ_they_are_less_sure():
    one, other = view(0, 0.1), view(1, 0.3)
    mean, difference = (one.mean + other.mean) / 2, one.mean - other.mean
    both = averaged([one, other])
    np.testing.assert_allclose(both.mean, mean, atol=1e-6)
    np.testing.assert_allclose(both.variance, (0.1**2 + 0.3**2) / 2 + difference**2 / 4, atol=1e-6)


def test_samples_of_two_views_lie_around_their_mean_and_vary_as_either():
    both = averaged([view(0, 0.1), view(1, 0.3)])
    assert abs((both.samples - both.mean).mean()) < 1e-3
    assert np.var(both.samples - both.mean) == pytest.approx((0.1**2 + 0.3**2) / 2, rel=0.02)


def test_one_view_stays_as_it_is():
    one = view(0, 0.1)
    assert averaged([one]) is one

"""Ranges are honest, and numbers are written as people do."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.trust.estimate import Estimate, prediction_range


def test_as_many_digits_as_the_error_has():
    estimate = Estimate.of(0.4321, np.array([0.42, 0.43, 0.44]))
    assert estimate.in_words("µm") == "0.432 µm (0.420 to 0.440)"


@pytest.mark.parametrize("count", [19, 32])
def test_the_range_holds_nine_tenths_of_further_values(count):
    draws = np.random.default_rng(0).normal(size=(4000, count + 1))
    ranges = np.array([prediction_range(row[:-1]) for row in draws])
    inside = (draws[:, -1] >= ranges[:, 0]) & (draws[:, -1] <= ranges[:, 1])
    assert np.mean(inside) == pytest.approx(0.9, abs=0.015)

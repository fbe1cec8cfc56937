from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from napari_vaesr.errors import VaesrError
from napari_vaesr.trust.crps import gaussian_crps


@settings(max_examples=30)
@given(std=st.floats(0.1, 5), error=st.floats(-8, 8))
def test_it_is_the_integral_that_defines_it(std: float, error: float):
    x = np.linspace(-60, 60, 200_001)
    # The estimate is at 0, the truth at -error.
    expected = np.trapezoid((norm.cdf(x / std) - (x >= -error)) ** 2, x)
    assert gaussian_crps(np.array([std]), np.array([error])) == pytest.approx(expected, abs=1e-3)


def test_without_spread_it_is_the_absolute_error():
    assert gaussian_crps(np.zeros(2), np.array([3.0, -1.0])) == 2


def test_the_true_std_scores_best():
    random = np.random.default_rng(0)
    std = random.uniform(0.1, 1, 50_000)
    error = random.normal(0, std)
    best = gaussian_crps(std, error)
    for other in (0.7 * std, 1.4 * std, np.full_like(std, np.sqrt(np.mean(error**2)))):
        assert gaussian_crps(other, error) > best


@pytest.mark.parametrize(
    ("std", "error", "words"),
    [
        (np.ones(2), np.ones(3), "the same pixels"),
        (np.ones(0), np.ones(0), "the same pixels"),
        (np.array([-1.0]), np.ones(1), "negative"),
        (np.ones(1), np.array([np.nan]), "not finite"),
    ],
)
def test_bad_input_gets_one_sentence(std, error, words):
    with pytest.raises(VaesrError, match=words):
        gaussian_crps(std, error)

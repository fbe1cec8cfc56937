from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.trust.sparsification import sparsification

ERROR = np.random.default_rng(0).normal(0, 0.3, 20_000)


@pytest.mark.parametrize("measure", ["rmse", "mae"])
def test_the_oracle_is_perfect(measure):
    curve = sparsification(np.abs(ERROR), ERROR, measure)
    assert curve.ause == 0
    np.testing.assert_array_equal(curve.error, curve.oracle)
    assert curve.error[0] == 1
    assert (np.diff(curve.error) < 0).all()


def test_only_the_order_counts():
    exact = sparsification(np.exp(3 * np.abs(ERROR)), -ERROR)
    assert exact.ause == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("constant", [0.0, 7.0])
def test_a_constant_takes_nothing_away(constant):
    curve = sparsification(np.full_like(ERROR, constant), ERROR)
    np.testing.assert_allclose(curve.error, 1)
    assert curve.ause == pytest.approx(np.mean(1 - curve.oracle))


def test_known_curves():
    curve = sparsification(np.array([4.0, 1, 2, 3]), np.array([0.0, 3, 0, 0]), "mae", steps=4)
    np.testing.assert_allclose(curve.removed, [0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(curve.error, [1, 4 / 3, 2, 4])
    np.testing.assert_allclose(curve.oracle, [1, 0, 0, 0])
    assert curve.ause == pytest.approx((1 / 3 + 2 + 4) / 4 + 0.25)
    squares = sparsification(np.array([1.0, 2]), np.array([3.0, 4]), "rmse", steps=2)
    np.testing.assert_allclose(squares.error, [1, 3 / np.sqrt(12.5)])


def test_a_better_ranking_has_a_smaller_area():
    random = np.random.default_rng(1)
    areas = [sparsification(np.abs(ERROR) + random.normal(0, s, ERROR.size), ERROR).ause for s in (0.1, 1)]
    assert 0 < areas[0] < areas[1]
    assert areas[1] < sparsification(random.random(ERROR.size), ERROR).ause


def test_no_error_has_no_area():
    assert sparsification(np.arange(5.0), np.zeros(5)).ause == 0


@pytest.mark.parametrize(
    ("uncertainty", "error", "words"),
    [
        (np.ones(2), np.ones(3), "the same pixels"),
        (np.ones(0), np.ones(0), "the same pixels"),
        (np.array([np.nan]), np.ones(1), "NaN"),
    ],
)
def test_bad_input_gets_one_sentence(uncertainty, error, words):
    with pytest.raises(VaesrError, match=words):
        sparsification(uncertainty, error)

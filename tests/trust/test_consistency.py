"""The result made small again, compared with the input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.degradation import downscaled
from napari_vaesr.trust.consistency import consistency_map, low_res_psnr


@pytest.fixture
def result() -> np.ndarray:
    return np.random.default_rng(0).random((2, 24, 36)).astype(np.float32)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_consistent_result_is_perfect(result: np.ndarray, scale: int):
    assert low_res_psnr(result, downscaled(result, scale), scale) == math.inf


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_known_shift_of_intensity_has_a_known_score(result: np.ndarray, scale: int):
    source = downscaled(result, scale) + 0.01
    assert low_res_psnr(result, source, scale) == pytest.approx(40, abs=1e-3)
    assert low_res_psnr(255 * result, 255 * source, scale, data_range=255) == pytest.approx(40, abs=1e-3)


def test_what_interpolates_is_consistent_and_what_moves_is_not():
    y, x = np.mgrid[:48, :48] / 48
    result = 0.5 + 0.4 * np.sin(9 * x) * np.cos(7 * y)
    source = downscaled(result, 2)
    assert low_res_psnr(np.roll(result, 1, axis=1), source, 2) < 35


def test_what_cannot_be_compared_is_told(result: np.ndarray):
    small = downscaled(result, 2)
    with pytest.raises(VaesrError, match="data range"):
        low_res_psnr(result, small + 1, 2, data_range=0.0)
    with pytest.raises(VaesrError, match="One plane"):
        consistency_map(result, small, 2, data_range=1.0)
    shown = consistency_map(result[0].tolist(), small[0].tolist(), 2, data_range=1.0)
    np.testing.assert_allclose(shown, consistency_map(result[0], small[0], 2, data_range=1.0), atol=1e-3)


def test_planes_are_made_small_one_by_one(result: np.ndarray):
    small = downscaled(result, 2)
    assert small.shape == (2, 12, 18)
    assert small.dtype == np.float32
    np.testing.assert_array_equal(small[1], downscaled(result[1], 2))


def test_shapes_that_do_not_belong_together_are_told(result: np.ndarray):
    with pytest.raises(VaesrError, match=r"give one of shape \(2, 16, 24\)"):
        low_res_psnr(result, np.zeros((2, 8, 12)), 2)
    with pytest.raises(VaesrError, match="crop it first"):
        downscaled(result, 5)

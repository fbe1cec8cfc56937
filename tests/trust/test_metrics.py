"""Scores with a known answer, and what must not change them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vaesr.errors import VaesrError
from napari_vaesr.trust.metrics import (
    affine_fit,
    affine_nrmse,
    affine_psnr,
    benchmark_scores,
    psnr,
    ssim,
    studio_luma,
)


@pytest.fixture
def truth() -> np.ndarray:
    return np.random.default_rng(0).random((32, 40))


@given(step=st.floats(1e-6, 10), data_range=st.floats(0.1, 1e5))
def test_psnr_of_a_known_error(step: float, data_range: float):
    truth = np.zeros((8, 8))
    expected = 20 * math.log10(data_range / step)
    assert psnr(truth + step, truth, data_range=data_range) == pytest.approx(expected, abs=1e-6)


def test_equal_images_are_perfect(truth: np.ndarray):
    assert psnr(truth, truth) == math.inf
    assert ssim(truth, truth) == pytest.approx(1)
    assert affine_nrmse(truth, truth) == pytest.approx(0, abs=1e-12)


def test_integers_do_not_wrap_around():
    low, high = np.zeros((12, 12), np.uint8), np.full((12, 12), 255, np.uint8)
    assert psnr(low, high, data_range=255) == pytest.approx(0)


@pytest.mark.parametrize("border", [1, 3])
def test_the_border_does_not_count(truth: np.ndarray, border: int):
    estimate = truth + 0.01
    spoilt = np.pad(estimate[border:-border, border:-border], border, constant_values=9)
    assert psnr(spoilt, truth, border=border) == pytest.approx(40)
    assert ssim(spoilt, truth, border=border) == ssim(estimate, truth, border=border)
    assert affine_psnr(spoilt, truth, border=border) > 100
    assert psnr(spoilt, truth, border=border - 1) < 30


def test_ssim_is_that_of_its_authors(truth: np.ndarray):
    """Written out after the paper, with an 11 x 11 Gaussian window of sigma 1.5."""
    estimate = truth + np.random.default_rng(1).normal(0, 0.1, truth.shape)
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2

    def local(image: np.ndarray) -> np.ndarray:
        return np.einsum("yxij,ij->yx", np.lib.stride_tricks.sliding_window_view(image, (11, 11)), window)

    a, b = local(estimate), local(truth)
    spread = local(estimate**2) - a**2 + local(truth**2) - b**2
    covariance = local(estimate * truth) - a * b
    c1, c2 = 0.01**2, 0.03**2
    expected = ((2 * a * b + c1) * (2 * covariance + c2) / ((a**2 + b**2 + c1) * (spread + c2))).mean()
    assert ssim(estimate, truth) == pytest.approx(expected, abs=1e-9)


def test_luma_of_known_colours():
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]])
    np.testing.assert_allclose(studio_luma(colours), [[16, 235, 81.481, 144.553, 40.966]], atol=1e-9)


def test_luma_is_that_of_scikit_image():
    from skimage.color import rgb2ycbcr

    colours = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    np.testing.assert_allclose(studio_luma(colours), rgb2ycbcr(colours)[..., 0], atol=1e-9)


def test_the_protocol_of_the_benchmarks():
    random = np.random.default_rng(2)
    truth = random.integers(0, 256, (40, 40, 3)).astype(np.uint8)
    estimate = np.clip(truth + random.normal(0, 12, truth.shape), -20, 300)
    rounded = np.clip(np.round(estimate), 0, 255)
    scores = benchmark_scores(estimate, truth, 4)
    inside = slice(4, -4)
    error = (studio_luma(rounded) - studio_luma(truth))[inside, inside]
    assert scores.psnr == pytest.approx(10 * math.log10(255**2 / np.mean(error**2)))
    assert scores.ssim == ssim(studio_luma(rounded), studio_luma(truth), data_range=255, border=4)


def test_grey_benchmark_images_count_as_colour():
    random = np.random.default_rng(3)
    truth, estimate = random.integers(0, 256, (2, 30, 30))
    grey = benchmark_scores(estimate, truth, 2)
    colour = benchmark_scores(np.stack([estimate] * 3, -1), np.stack([truth] * 3, -1), 2)
    assert grey == colour


@given(
    gain=st.floats(-100, 100).filter(lambda x: abs(x) > 1e-3),
    offset=st.floats(-1e3, 1e3),
    noise=st.floats(0, 0.5),
)
def test_gain_and_offset_do_not_count(gain: float, offset: float, noise: float):
    random = np.random.default_rng(4)
    truth = random.random((16, 16))
    estimate = truth + noise * random.normal(size=truth.shape)
    changed = gain * estimate + offset
    np.testing.assert_allclose(affine_fit(changed, truth), affine_fit(estimate, truth), atol=1e-7)
    assert affine_nrmse(changed, truth) == pytest.approx(affine_nrmse(estimate, truth), abs=1e-7)


def test_the_fit_is_the_best_line(truth: np.ndarray):
    estimate = 3 * truth**2 - 1
    slope, offset = np.polyfit(estimate.ravel(), truth.ravel(), 1)
    np.testing.assert_allclose(affine_fit(estimate, truth), slope * estimate + offset, atol=1e-10)
    assert affine_psnr(estimate, truth) > psnr(estimate, truth)


def test_nrmse_is_a_fraction_of_the_range(truth: np.ndarray):
    estimate = truth + np.random.default_rng(5).normal(0, 0.1, truth.shape)
    residual = affine_fit(estimate, truth) - truth
    assert affine_nrmse(estimate, truth) == pytest.approx(np.sqrt(np.mean(residual**2)) / np.ptp(truth))
    assert affine_nrmse(1000 * estimate, 1000 * truth) == pytest.approx(affine_nrmse(estimate, truth))


def test_constant_images_have_scores():
    flat, ramp = np.full((12, 12), 2.0), np.linspace(0, 1, 144).reshape(12, 12)
    np.testing.assert_allclose(affine_fit(flat, ramp), 0.5)
    assert affine_nrmse(ramp, flat) == 0
    assert math.isfinite(affine_psnr(flat, ramp))


@pytest.mark.parametrize(
    ("estimate", "truth", "border", "words"),
    [
        (np.zeros((4, 4)), np.zeros((4, 5)), 0, "can't be compared"),
        (np.full((4, 4), np.nan), np.zeros((4, 4)), 0, "NaN or infinite"),
        (np.zeros((4, 4)), np.full((4, 4), np.inf), 0, "NaN or infinite"),
        (np.zeros((4, 4)), np.zeros((4, 4)), 2, "Nothing is left"),
        (np.zeros((0, 4)), np.zeros((0, 4)), 0, "Nothing is left"),
    ],
)
def test_what_can_not_be_compared_is_told(estimate, truth, border, words):
    for score in (psnr, ssim, affine_psnr, affine_nrmse):
        with pytest.raises(VaesrError, match=words):
            score(estimate, truth, border=border)


def test_ssim_says_what_it_needs():
    with pytest.raises(VaesrError, match="11 x 11"):
        ssim(np.zeros((10, 30)), np.zeros((10, 30)))

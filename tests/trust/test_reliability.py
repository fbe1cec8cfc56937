"""Calibration of synthetic errors whose spread is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_vaesr.errors import VaesrError
from napari_vaesr.trust.reliability import (
    BINS,
    conformal_factor,
    coverage,
    fit_calibration,
    interval_reach,
    left_out_quantile,
    partial_rank_correlation,
    rank_correlation,
    reliability,
)
from napari_vaesr.zoo.calibration import Calibration

PIXELS = 60_000


def draw(seed: int, slope: float = 1.0, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Predicted std, and errors whose true std is slope * std + offset."""
    random = np.random.default_rng(seed)
    std = random.uniform(0.01, 0.2, PIXELS)
    return std, random.normal(0, slope * std + offset)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), slope=st.floats(0.3, 3), offset=st.floats(0, 0.05))
def test_the_true_line_is_found(seed: int, slope: float, offset: float):
    std, error = draw(seed, slope, offset)
    fitted = fit_calibration(std, error)
    largest = 0.2 * slope + offset
    assert fitted.slope == pytest.approx(slope, abs=0.35 * largest)
    assert fitted.offset == pytest.approx(offset, abs=0.03 * largest)
    # What was calibrated needs no calibration any more, and covers what it should.
    again = fitted.apply(std)
    second = fit_calibration(again, error)
    assert second.slope == pytest.approx(1, abs=0.01)
    assert second.offset == pytest.approx(0, abs=0.01 * largest)
    for level in (0.5, 0.9, 0.99):
        assert coverage(again, error, level) == pytest.approx(level, abs=0.015)


@settings(max_examples=10)
@given(factor=st.floats(1e-3, 1e6))
def test_the_unit_does_not_matter(factor: float):
    std, error = draw(0, 1.5, 0.02)
    one, other = fit_calibration(std, error), fit_calibration(factor * std, factor * error)
    assert other.slope == pytest.approx(one.slope)
    assert other.offset == pytest.approx(factor * one.offset)


@settings(max_examples=15)
@given(level=st.floats(0.05, 0.99))
def test_a_calibrated_std_covers_what_it_says(level: float):
    std, error = draw(1)
    assert coverage(std, error, level) == pytest.approx(level, abs=0.012)
    assert coverage(2 * std, error, level) > level + 0.005
    assert coverage(std / 2, error, level) < level - 0.005


def test_coverage_of_a_known_interval():
    error = np.array([0.0, 1.6, -1.6, 1.7, -1.7])  # the 90 % interval reaches to 1.645
    assert coverage(np.ones(5), error, 0.9) == pytest.approx(0.6)


def test_bins_are_equally_full_and_in_order():
    std, error = draw(2)
    curve = reliability(std, error)
    assert curve.count.sum() == PIXELS
    assert len(curve.count) == BINS
    assert np.ptp(curve.count) <= 1
    assert (np.diff(curve.std) > 0).all()
    np.testing.assert_allclose(curve.rmse, curve.std, rtol=0.06)


def test_a_bin_holds_root_mean_squares():
    curve = reliability(np.array([[3.0, 1.0]]), np.array([[-6.0, 2.0]]), bins=1)
    assert curve.std == pytest.approx([np.sqrt(5)])
    assert curve.rmse == pytest.approx([np.sqrt(20)])


def test_few_pixels_make_few_bins():
    assert len(reliability(np.ones(3), np.ones(3)).count) == 3
    assert fit_calibration(np.array([2.0]), np.array([-3.0])) == Calibration(slope=1.5)


def test_a_constant_std_is_only_scaled():
    std = np.full(1000, 0.1, np.float32)
    error = np.random.default_rng(3).normal(0, 0.3, 1000)
    fitted = fit_calibration(std, error)
    assert fitted.slope * 0.1 == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.01)
    assert fitted.offset == 0


def test_no_std_at_all_becomes_an_offset():
    error = np.random.default_rng(4).normal(0, 0.3, 1500)
    fitted = fit_calibration(np.zeros(1500), error)
    assert fitted.slope == 1
    assert fitted.offset == pytest.approx(0.3, rel=0.1)


def test_a_std_that_is_wrong_way_round_is_not_used():
    std, _ = draw(5)
    error = np.random.default_rng(5).normal(0, 0.25 - std)
    fitted = fit_calibration(std, error)
    assert fitted.slope == 0
    assert fitted.offset == pytest.approx(np.sqrt(np.mean(error**2)), rel=0.01)


def test_a_calibrated_std_is_never_negative():
    std = np.array([0.0, 0.1, 1.0], np.float32)
    result = Calibration(slope=2, offset=-0.5).apply(std)
    np.testing.assert_allclose(result, [0, 0, 1.5])
    assert result.dtype == np.float32


@settings(max_examples=20)
@given(power=st.floats(0.2, 5))
def test_rank_correlation_only_knows_order(power: float):
    std = np.random.default_rng(6).uniform(0.1, 1, 500)
    sign = np.where(np.arange(500) % 2, 1, -1)
    assert rank_correlation(std, sign * std**power) == pytest.approx(1)
    assert rank_correlation(std, sign / std**power) == pytest.approx(-1)


def test_rank_correlation_of_unrelated_errors_is_nothing():
    std, _ = draw(7)
    assert rank_correlation(std, np.random.default_rng(8).normal(size=PIXELS)) == pytest.approx(0, abs=0.02)
    assert 0.3 < rank_correlation(*draw(9)) < 0.6
    assert rank_correlation(np.ones(9), np.arange(9.0)) == 0
    assert rank_correlation(np.arange(9.0), np.ones(9)) == 0


@pytest.mark.parametrize("function", [reliability, fit_calibration, coverage, rank_correlation])
@pytest.mark.parametrize(
    ("std", "error", "words"),
    [
        (np.ones(3), np.ones(4), "give the same pixels"),
        (np.ones(0), np.ones(0), "no pixels"),
        (np.array([np.nan]), np.ones(1), "NaN or infinite"),
        (np.ones(1), np.array([np.inf]), "NaN or infinite"),
        (np.array([-1.0]), np.ones(1), "can't be negative"),
    ],
)
def test_bad_input_gets_one_sentence(function, std, error, words):
    with pytest.raises(VaesrError, match=words):
        function(std, error)


@pytest.mark.parametrize("level", [0, 1, 90])
def test_a_level_is_a_share(level):
    with pytest.raises(VaesrError, match="between 0 and 1"):
        coverage(np.ones(1), np.ones(1), level)


def test_partial_rank_correlation_counts_only_what_is_new() -> None:
    random = np.random.default_rng(0)
    known, hidden = random.random((2, 20_000))
    error = random.normal(0, 0.1 + known + hidden)
    assert rank_correlation(known, error) > 0.2
    assert partial_rank_correlation(known, error, known) == 0
    assert abs(partial_rank_correlation(known + 0.1 * random.random(20_000), error, known)) < 0.03
    assert partial_rank_correlation(known + hidden, error, known) > 0.2


def many_images(random: np.random.Generator, images: int, pixels: int = 400) -> tuple[list, list]:
    """Images whose std is wrong by a factor of about 2, another for each of them; errors have heavy tails."""
    stds, errors = [], []
    for _ in range(images):
        std = random.uniform(0.1, 1, pixels)
        stds.append(std)
        errors.append(random.uniform(1, 3) * std * random.standard_t(4, pixels))
    return stds, errors


def test_the_promise_is_kept():
    random = np.random.default_rng(0)
    stds, errors = many_images(random, 3000)
    kept = []
    for _ in range(60):
        factor = conformal_factor(*many_images(random, 40), level=0.9, confidence=0.9)
        kept.append(coverage(factor * np.concatenate(stds), np.concatenate(errors), 0.9) >= 0.9)
    assert np.mean(kept) >= 0.9


def test_more_images_promise_more_closely():
    random = np.random.default_rng(1)
    few, many = (conformal_factor(*many_images(random, images)) for images in (30, 1500))
    assert many < few
    stds, errors = many_images(random, 1500)
    covered = coverage(many * np.concatenate(stds), np.concatenate(errors), 0.9)
    assert 0.9 <= covered < 0.925


def test_images_that_are_all_alike_need_no_more_than_the_error():
    reach = interval_reach(0.9)
    stds, errors = [np.ones(10)] * 22, [np.full(10, 2 * reach)] * 22
    assert conformal_factor(stds, errors) == pytest.approx(2, abs=2e-3)


def test_too_few_images_are_told_how_many():
    with pytest.raises(VaesrError, match=r"21 images are too few .* give 22"):
        conformal_factor([np.ones(9)] * 21, [np.zeros(9)] * 21)


def test_a_std_of_nothing_can_not_be_widened():
    with pytest.raises(VaesrError, match="no factor"):
        conformal_factor([np.zeros(9)] * 50, [np.ones(9)] * 50)
    assert conformal_factor([np.zeros(9)] * 50, [np.zeros(9)] * 50) < 2e-3


@pytest.mark.parametrize("settings", [{"level": 1.0}, {"confidence": 0.0}])
def test_shares_are_between_nothing_and_all(settings):
    with pytest.raises(VaesrError, match="between 0 and 1"):
        conformal_factor([np.ones(9)] * 50, [np.ones(9)] * 50, **settings)


def test_nine_tenths_of_an_image_that_is_left_out_lie_inside():
    random = np.random.default_rng(5)

    def images(count: int) -> list[np.ndarray]:
        return [scale * np.abs(random.normal(size=400)) for scale in random.lognormal(sigma=0.5, size=count)]

    new = np.concatenate(images(2000))
    fitted, plain = [], []
    for _ in range(100):
        few = images(5)
        fitted.append(np.mean(new <= left_out_quantile(few)))
        plain.append(np.mean(new <= np.quantile(np.concatenate(few), 0.9)))
    assert np.mean(plain) < 0.885
    assert np.mean(fitted) == pytest.approx(0.9, abs=0.012)


def test_of_images_that_are_alike_or_alone_it_is_the_plain_quantile():
    ratios = np.abs(np.random.default_rng(1).normal(size=(6, 5000)))
    plain = np.quantile(ratios, 0.9)
    assert left_out_quantile(list(ratios)) == pytest.approx(plain, rel=0.01)
    assert left_out_quantile([ratios.ravel()]) == pytest.approx(plain)

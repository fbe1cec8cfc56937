"""Calibration at several levels of noise holds on images that it was not fitted to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.training.spreads import areas_of
from napari_vaesr.trust.levels import (
    Spread,
    cross_validated,
    cross_validated_coverage,
    fit_areas,
    fit_levels,
    guaranteed_levels,
    halves,
    without_truth_noise,
)
from napari_vaesr.trust.reliability import fit_calibration
from napari_vaesr.zoo.calibration import AreaFactors, interpolated


def draw(originals: int, seed: int = 0, per_original: int = 2, pixels: int = 1500) -> list[Spread]:
    """Images whose std is too small by a factor that grows with their noise; errors with heavy tails."""
    random = np.random.default_rng(seed)
    spreads = []
    for index in range(originals * per_original):
        noise = random.uniform(0, 0.1)
        std = random.uniform(0.01, 0.05, pixels)
        true = (1 + 20 * noise) * std + noise / 4
        error = true * random.standard_t(5, pixels) / np.sqrt(5 / 3)
        spreads.append(Spread(f"{index // per_original:03}", "cells", noise, noise < 0.02, std, error))
    return spreads


def test_clean_and_noisy_images_are_both_covered():
    levels = fit_levels(draw(60))
    assert 6 < len(levels) <= 12 and [a.noise for a in levels] == sorted(a.noise for a in levels)
    for low, high in ((0, 0.03), (0.03, 0.07), (0.07, 0.1)):
        some = [each for each in draw(60, seed=1) if low <= each.noise < high]
        at = [interpolated(levels, each.noise) for each in some]
        stds = [one.apply(each.std) for one, each in zip(at, some, strict=True)]
        inside = [
            np.abs(each.error) <= one.interval * std for one, each, std in zip(at, some, stds, strict=True)
        ]
        assert np.mean(inside) == pytest.approx(0.9, abs=0.015)
        line = fit_calibration(np.concatenate(stds), np.concatenate([each.error for each in some]))
        assert line.slope == pytest.approx(1, abs=0.1) and abs(line.offset) < 0.01


def test_a_group_stands_at_the_noise_of_those_that_are_most_wrong():
    wrong, right = (np.full(500, size) for size in (0.1, 0.001))
    few = [Spread("a", "", 0.02, False, right, right), Spread("b", "", 0.08, False, wrong, wrong)]
    (level,) = fit_levels(few)
    assert level.noise == pytest.approx(0.08, rel=1e-3)


def test_images_without_any_difference_in_noise_are_one_level():
    same = [Spread(each.image, "", 0.0, True, each.std, each.error) for each in draw(20)]
    (level,) = fit_levels(same)
    assert level.noise == 0
    assert len(fit_levels(same[:3])) == 1


def test_many_images_without_noise_do_not_hide_the_noisy_ones():
    images = draw(12)
    clean = [replace(each, noise=0.0) if index % 2 else each for index, each in enumerate(images)]
    levels = fit_levels(clean)
    assert len(levels) > 2
    assert levels[0].noise == 0 and levels[-1].noise > 0.05


def test_texture_that_looks_like_noise_is_not_calibrated_as_noise():
    """Clean images whose texture is taken for noise 0.03, amid noisy ones whose errors are twice as large."""
    random = np.random.default_rng(0)
    std = random.uniform(0.01, 0.05, (4, 1500))
    error = std * random.standard_normal(std.shape)
    clean = [Spread(f"c{i}", "", 0.03, True, std[i], error[i]) for i in range(4)]
    noises = (0.022, 0.028, 0.05, 0.06)
    noisy = [Spread(f"n{i}", "", noise, False, std[i], 2 * error[i]) for i, noise in enumerate(noises)]
    at = interpolated(fit_levels(clean + noisy), 0.03)
    assert at.slope == pytest.approx(1, abs=0.1)


def test_more_draws_of_one_original_make_no_more_levels():
    for count in (2, 20):
        noisy = [replace(each, clean=False) for each in draw(6, per_original=count)]
        assert len(fit_levels(noisy)) == 3


def test_what_is_exact_is_exact_in_the_dark():
    """Where std and error are 0, as in a black background, the interval is of no width and holds."""
    black = Spread("a", "", 0.0, True, np.zeros(100), np.zeros(100))
    (level,) = fit_levels([black])
    assert np.all(level.apply(black.std) == 0) and level.interval > 0


def test_a_guarantee_takes_originals_enough_and_crops_do_not_count():
    assert all(level.guaranteed is None for level in guaranteed_levels(draw(43)))
    assert all(level.guaranteed is None for level in guaranteed_levels(draw(20, per_original=5)))
    levels = guaranteed_levels(draw(60))
    assert all(level.guaranteed is not None for level in levels)
    factors = {round(level.guaranteed / level.interval, 6) for level in levels}
    assert max(factors) == pytest.approx(min(factors), rel=1e-4) and min(factors) > 1


def test_the_guarantee_is_by_images_that_the_levels_did_not_see():
    spreads = draw(60)
    first, second = halves(spreads)
    assert not {each.image for each in first} & {each.image for each in second}
    assert [level.interval for level in guaranteed_levels(spreads)] == [
        level.interval for level in fit_levels(first)
    ]


def test_coverage_is_tested_across_originals():
    assert cross_validated_coverage(draw(40)) == pytest.approx(0.9, abs=0.015)
    assert cross_validated_coverage(draw(1)) is None


@pytest.mark.parametrize("originals", [2, 7, 25])
def test_no_original_is_calibrated_by_its_own_crops(originals):
    """One whose errors are far larger than those of all others is not covered by them."""
    spreads = draw(originals)
    wrong = spreads[0].image
    spreads = [replace(each, error=1000 * each.error) if each.image == wrong else each for each in spreads]
    tested = cross_validated(spreads)
    assert sorted(id(each.spread) for each in tested) == sorted(id(each) for each in spreads)
    assert all(np.mean(each.inside) < 0.1 for each in tested if each.spread.image == wrong)
    others = [np.mean(each.inside) for each in tested if each.spread.image != wrong]
    assert np.mean(others) > 0.85


def test_the_noise_of_the_truth_is_no_error():
    random = np.random.default_rng(0)
    std = random.uniform(0.01, 0.05, 40_000)
    wrong = std * random.standard_normal(std.size)
    measured = wrong + 0.04 * random.standard_normal(std.size)
    assert fit_calibration(std, measured).apply(np.array([0.02]))[0] > 0.04
    cleaned, share = without_truth_noise(std, measured, 0.04)
    line = fit_calibration(std, cleaned)
    assert line.slope == pytest.approx(1, abs=0.1) and abs(line.offset) < 0.003
    assert share == pytest.approx(0.04**2 / np.mean(measured**2))
    np.testing.assert_array_equal(without_truth_noise(std, wrong, 0.0)[0], wrong)


def test_where_no_factor_is_enough_nothing_is_guaranteed(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    spreads = [
        Spread(f"image{index}x", "any", 0.0, True, np.full(50, 0.1), rng.normal(0, 0.1, 50))
        for index in range(60)
    ]
    assert all(level.guaranteed is not None for level in guaranteed_levels(spreads))

    def refuse(*_: object) -> float:
        raise VaesrError("Too many pixels have a std of 0 and an error.")

    monkeypatch.setattr("napari_vaesr.trust.levels.conformal_factor", refuse)
    assert guaranteed_levels(spreads) == fit_levels(spreads)


def with_areas(factor: float, seed: int) -> Spread:
    """An image whose samples differ `factor` times too little in the means of 2 x 2 pixels, not within."""
    random = np.random.default_rng(seed)

    def drawn(count: int, means: float) -> np.ndarray:
        coarse = random.normal(0, means, (count, 32, 32)).repeat(2, axis=1).repeat(2, axis=2)
        fine = random.normal(0, 0.02, (count, 64, 64))
        fine -= fine.reshape(count, 32, 2, 32, 2).mean((2, 4)).repeat(2, axis=1).repeat(2, axis=2)
        return coarse + fine

    (error,), samples = drawn(1, 0.02), drawn(64, 0.02 / factor)
    areas = areas_of(samples.astype(np.float32), error, 2)
    std = samples.std(axis=0).ravel()
    return Spread(str(seed), "", 0.1, False, std, error.ravel(), areas=areas)


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_errors_of_areas_become_what_samples_say(factor: float) -> None:
    group = [with_areas(factor, seed) for seed in range(4)]
    np.testing.assert_allclose(group[0].said(AreaFactors())[1000:1100], group[0].std[1000:1100], rtol=0.5)
    found = fit_areas(group)
    assert found.areas == pytest.approx(factor, rel=0.15) and found.broad == pytest.approx(factor, rel=0.25)
    (level,) = fit_levels(group)
    assert level.factors == pytest.approx(fit_areas(group), rel=1e-5)
    std = level.apply(np.concatenate([each.said(level.factors) for each in group]))
    error = np.concatenate([each.error for each in group])
    assert np.mean(np.abs(error) <= level.interval * std) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_errors_of_quarters_become_as_right_as_those_within(factor: float) -> None:
    random = np.random.default_rng(0)

    def drawn(count: int, quarters: float) -> np.ndarray:
        parts = [random.normal(0, sigma, (count, side, side)) for sigma, side in ((0.02, 64), (quarters, 32))]
        return parts[0] + parts[1].repeat(2, axis=1).repeat(2, axis=2)

    error, samples = drawn(1, 0.05)[0], drawn(64, 0.05 / factor).astype(np.float32)
    spread = Spread("", "", 0.1, False, samples.std(axis=0).ravel(), error.ravel())
    spread = replace(spread, areas=areas_of(samples, error, 4))
    within = (0.05**2 + 0.02**2 / 4) / ((0.05 / factor) ** 2 + 0.02**2 / 4)
    assert fit_areas([spread]).quarters == pytest.approx(np.sqrt(within), rel=0.1)


@pytest.mark.parametrize("factor", [0.4, 2.0])
def test_errors_of_wide_areas_have_a_factor_of_their_own(factor: float) -> None:
    """Samples are right pixel by pixel, and differ too much or too little in means of 16 x 16."""
    random = np.random.default_rng(0)

    def drawn(count: int, wide: float) -> np.ndarray:
        fine = random.normal(0, 0.03, (count, 128, 128))
        return fine + random.normal(0, wide, (count, 8, 8)).repeat(16, axis=1).repeat(16, axis=2)

    def spread() -> Spread:
        error, samples = drawn(1, 0.02)[0], drawn(32, 0.02 / factor).astype(np.float32)
        whole = Spread("", "", 0.1, False, samples.std(axis=0).ravel(), error.ravel())
        return replace(whole, areas=areas_of(samples, error, 2))

    group = [spread() for _ in range(3)]
    found = fit_areas(group)
    assert (found.broad > 1.3 * found.areas) if factor > 1 else (found.broad < 0.7 * found.areas)

    def unevenness(areas: float, broad: float) -> float:
        """How much more wrong means of some blocks are than those of others."""
        times = np.array([areas, broad])
        said = [[times @ each @ times for each in one.areas.blocks] for one in group]
        errors = [one.areas.errors for one in group]
        return float(np.log(np.mean(errors, axis=0) / np.mean(said, axis=0)).std())

    assert unevenness(found.areas, found.broad) < 0.75 * unevenness(1, 1)


def test_without_knowledge_of_areas_they_stay() -> None:
    group = [with_areas(2.5, 0), replace(with_areas(2.5, 1), areas=None)]
    assert fit_areas(group) == AreaFactors()

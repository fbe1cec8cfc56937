"""The conformal factor keeps its promise, and is no larger than it has to be."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.trust.reliability import conformal_factor, coverage, interval_reach


def draw(random: np.random.Generator, images: int, pixels: int = 400) -> tuple[list, list]:
    """Images whose std is wrong by a factor of about 2, another for each of them; errors have heavy tails."""
    stds, errors = [], []
    for _ in range(images):
        std = random.uniform(0.1, 1, pixels)
        stds.append(std)
        errors.append(random.uniform(1, 3) * std * random.standard_t(4, pixels))
    return stds, errors


def test_the_promise_is_kept():
    random = np.random.default_rng(0)
    stds, errors = draw(random, 3000)
    kept = []
    for _ in range(60):
        factor = conformal_factor(*draw(random, 40), level=0.9, confidence=0.9)
        kept.append(coverage(factor * np.concatenate(stds), np.concatenate(errors), 0.9) >= 0.9)
    assert np.mean(kept) >= 0.9


def test_more_images_promise_more_closely():
    random = np.random.default_rng(1)
    few, many = (conformal_factor(*draw(random, images)) for images in (30, 1500))
    assert many < few
    stds, errors = draw(random, 1500)
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

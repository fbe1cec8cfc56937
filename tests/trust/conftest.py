"""Pairs and evaluations shared by the tests of trust."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_vaesr.pairs.degradation import downscaled
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.trust.evaluation import ChosenPixels, Evaluation, image_scores
from napari_vaesr.trust.reliability import interval_reach


@pytest.fixture(scope="session")
def made() -> Callable[..., Pair]:
    """Make a pair of a smooth 8-bit image and what it is when made small."""

    def smooth(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
        from scipy.ndimage import gaussian_filter

        noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), (1.5, 1.5, 0)[: len(shape)])
        return np.clip(127 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)

    def made(shape: tuple[int, ...] = (48, 64), scale: int = 2, **fields) -> Pair:
        truth = smooth(shape)
        planes = downscaled(np.moveaxis(np.atleast_3d(truth), -1, 0), scale)
        low = np.moveaxis(planes, 0, -1).round().clip(0, 255).astype(np.uint8)
        return Pair("image", "domain", low if len(shape) == 3 else low[..., 0], truth, scale, **fields)

    return made


@pytest.fixture(scope="session")
def known(made: Callable[..., Pair]) -> Callable[..., Evaluation]:
    """Make an evaluation whose std is wrong by a known factor."""

    def known(domain: str, seed: int, factor: float = 1.0, scale: int = 2, original: str = "") -> Evaluation:
        """An image whose predicted std is the true one divided by `factor`."""
        random = np.random.default_rng(seed)
        std = random.uniform(0.01, 0.1, 20_000)
        pair = made()
        scores = {"mean": image_scores(pair.truth + float(seed + 1), pair)}
        pixels = ChosenPixels(
            std / factor,
            random.normal(0, std),
            random.random(20_000),
            random.random(20_000),
            interval_reach(),
        )
        return Evaluation(str(seed), domain, scale, scores, pixels, original)

    return known

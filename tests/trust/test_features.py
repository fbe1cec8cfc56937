"""The look of an image depends on neither gain nor offset, and is there where it tells something."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.trust.features import FEATURES, SMALLEST, features


def blobs(side: int) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    noise = np.random.default_rng(side).normal(0, 0.01, (side, side))
    return np.sin(rows / 3) * np.sin(columns / 5) + noise


@pytest.mark.parametrize("side", [SMALLEST, 97, 300])
def test_gain_and_offset_play_no_part(side):
    look = features(blobs(side))
    assert look.shape == (FEATURES,) and np.isfinite(look).all()
    np.testing.assert_allclose(look, features(50 * blobs(side) - 300), atol=1e-6)


def test_what_tells_nothing_has_no_look():
    assert features(np.zeros((64, 64))) is None
    assert features(blobs(SMALLEST - 1)) is None


@pytest.mark.parametrize("plane", [np.eye(64), np.indices((64, 64))[0] % 2, np.indices((48, 300))[1] // 150])
def test_looks_of_bare_patterns_are_numbers(plane):
    assert np.isfinite(features(plane)).all()


def test_only_the_middle_is_looked_at():
    wide = np.pad(blobs(256), 50, constant_values=7)
    np.testing.assert_allclose(features(wide), features(blobs(256)))

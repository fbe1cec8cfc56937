"""Objects in an image: smoothing, splitting, and finding them again."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr import Threshold
from napari_vaesr.trust.segment import matched, smoothed


@pytest.mark.parametrize(("shape", "sigma"), [((5, 40, 50), 1.3), ((300, 300), 1.0), ((3, 7), 2.5)])
def test_smoothing_is_that_of_scipy(shape, sigma):
    from scipy import ndimage

    image = np.random.default_rng(0).random(shape, np.float32)
    np.testing.assert_allclose(smoothed(image, sigma), ndimage.gaussian_filter(image, sigma), atol=1e-6)


def test_objects_are_matched_by_the_pixels_that_they_share():
    """As two loops over all pairs would, and whether pairs are counted or sorted."""
    rng = np.random.default_rng(0)
    one, other = (np.kron(rng.integers(0, 6, (8, 8)), np.ones((4, 4), int)).astype(np.int32) for _ in "ab")
    other[rng.random(one.shape) < 0.7] = 0
    other = np.where(rng.random(one.shape) < 0.6, one, other)
    shared = {(a, b): np.sum((one == a) & (other == b)) for a in range(1, 6) for b in range(1, 6)}
    expected = {
        a: b
        for (a, b), count in shared.items()
        if count == max(shared[a, each] for each in range(1, 6))
        and count == max(shared[each, b] for each in range(1, 6))
        and count >= 0.3 * np.sum((one == a) | (other == b))
    }
    assert expected and matched(one, other, 0.3) == expected
    far = other + 3_000_000 * (other > 0)
    assert matched(one, far, 0.3) == {a: b + 3_000_000 for a, b in expected.items()}
    assert matched(one, np.zeros_like(one), 0.3) == matched(np.zeros_like(one), one, 0.3) == {}


def test_touching_objects_are_split():
    image = np.zeros((40, 60), np.float32)
    rows, columns = np.mgrid[:40, :60]
    for middle in (18, 38):
        image[(rows - 20) ** 2 + (columns - middle) ** 2 < 121] = 1
    assert Threshold(0.5, smoothing=0)(image).max() == 1
    assert Threshold(0.5, smoothing=0, split=8)(image).max() == 2

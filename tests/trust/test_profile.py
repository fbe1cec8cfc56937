from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.trust.profile import measure_profile

POINTS = np.arange(200.0)


def peak(middle: float, sigma: float = 5.0) -> np.ndarray:
    return np.exp(-((POINTS - middle) ** 2) / (2 * sigma**2))


def test_the_width_of_a_gaussian_and_the_distance_of_two():
    samples = np.stack([peak(60) + 0.8 * peak(140 + shift) for shift in (-2, 0, 2)])
    found = measure_profile(samples[1], samples, POINTS * 0.1)
    assert found["fwhm"].value == pytest.approx(0.1 * 2.3548 * 5, rel=0.01)
    assert found["fwhm"].error == pytest.approx(0, abs=1e-9)
    assert found["distance"].value == pytest.approx(8.0, abs=0.01)
    assert (found["distance"].low, found["distance"].high) == pytest.approx((7.8, 8.2), abs=0.01)


def test_what_is_not_there_is_not_measured():
    found = measure_profile(peak(0), np.stack([peak(0), peak(100)]), POINTS)
    assert np.isnan(found["fwhm"].value) and found["fwhm"].share == 0.5
    assert found["distance"].share == 0
    assert found["distance"].in_words("µm") == "none"


def test_a_short_line_is_refused():
    with pytest.raises(VaesrError, match="longer"):
        measure_profile(np.ones(2), np.ones((3, 2)), np.arange(2))

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_vaesr.errors import VaesrError
from napari_vaesr.trust.ring_correlation import RingCorrelation, ring_correlation

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.normal(size=(2, 96, 128))


def test_equal_images_agree_in_everything():
    rings = ring_correlation(NOISE[0], NOISE[0])
    np.testing.assert_allclose(rings.correlation, 1)
    assert rings.resolution() == 2
    assert rings.frequency[0] == pytest.approx(1 / 96)
    assert rings.frequency[-1] == pytest.approx(0.5)


def test_unrelated_noise_agrees_in_nothing():
    rings = ring_correlation(*NOISE)
    assert abs(rings.mean) < 0.05
    assert np.abs(rings.correlation[20:]).max() < 0.25


def test_gain_and_offset_do_not_count():
    changed = ring_correlation(3 * NOISE[0] - 7, NOISE[0] + 0.5 * NOISE[1])
    plain = ring_correlation(NOISE[0], NOISE[0] + 0.5 * NOISE[1])
    np.testing.assert_allclose(changed.correlation, plain.correlation)
    assert plain.correlation.mean() == pytest.approx(1 / math.sqrt(1.25), abs=0.03)


def test_detail_is_found_where_the_noise_takes_over():
    """White noise on a band-limited image hides what is finer than its limit."""
    spectrum = np.fft.fft2(NOISE[0][:96, :96])
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(96), np.fft.fftfreq(96)))
    limited = np.fft.ifft2(spectrum * (radius < 0.25)).real
    rings = ring_correlation(limited, limited + 0.02 * NOISE[1][:96, :96])
    assert rings.resolution() == pytest.approx(4, rel=0.15)
    assert rings.correlation[rings.frequency < 0.2].min() > 0.95


def test_blur_alone_hides_no_detail():
    rings = ring_correlation(gaussian_filter(NOISE[0], 0.5), NOISE[0])
    assert rings.correlation[2:40].min() > 0.95


def test_the_first_crossing_is_interpolated():
    frequency = np.arange(1, 11) / 20
    rings = RingCorrelation(frequency, 1 - 2 * frequency)
    assert rings.resolution(0.35) == pytest.approx(1 / 0.325)
    assert RingCorrelation(frequency, np.zeros(10)).resolution() == math.inf


def test_constant_images_have_no_detail():
    flat = np.full((20, 20), 5.0)
    assert ring_correlation(flat, flat).mean == 0
    assert ring_correlation(flat, NOISE[0, :20, :20]).mean == 0


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (np.zeros((20, 20)), np.zeros((20, 21)), "in common"),
        (np.zeros((20, 20, 3)), np.zeros((20, 20, 3)), "in common"),
        (np.zeros((15, 20)), np.zeros((15, 20)), "16 x 16"),
        (np.full((20, 20), np.nan), np.zeros((20, 20)), "NaN"),
    ],
)
def test_bad_input_gets_one_sentence(first, second, words):
    with pytest.raises(VaesrError, match=words):
        ring_correlation(first, second)

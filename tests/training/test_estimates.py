"""The estimates of blur and noise find what was put in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage, special

from napari_vaesr.engine.acquisition import GAUSSIAN_WIDTH, Optics
from napari_vaesr.errors import VaesrError
from napari_vaesr.training.estimates import immerkaer_noise, psf_from_optics, psf_from_spectrum


def microscope_image(cutoff: float, noise: float, seed: int = 0, side: int = 192) -> np.ndarray:
    """Points and disks seen through the transfer function of a circular aperture, with white noise."""
    rng = np.random.default_rng(seed)
    scene = np.zeros((side, side))
    scene[tuple(rng.integers(0, side, (2, 300)))] = 1
    scene += 0.2 * (ndimage.gaussian_filter(rng.random((side, side)), 3) > 0.5)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    ratio = np.clip(frequency / cutoff, 0, 1)
    transfer = 2 / np.pi * (np.arccos(ratio) - ratio * np.sqrt(1 - ratio**2))
    image = np.fft.ifft2(np.fft.fft2(scene) * transfer).real
    return (image + noise * rng.standard_normal(image.shape)).astype(np.float32)


@pytest.mark.parametrize("noise", [0.002, 0.01, 0.05])
def test_the_noise_is_found(noise):
    assert immerkaer_noise(microscope_image(0.25, noise)) == pytest.approx(noise, rel=0.1)


def test_noise_scales_with_the_image():
    plane = microscope_image(0.25, 0.01)
    assert immerkaer_noise(7 * plane + 3) == pytest.approx(7 * immerkaer_noise(plane), rel=1e-3)


@pytest.mark.parametrize("cutoff", [0.15, 0.25, 0.4])
def test_the_width_of_the_psf_is_found_from_the_cutoff(cutoff):
    planes = [microscope_image(cutoff, 1e-4, seed) for seed in range(3)]
    true = 2 * GAUSSIAN_WIDTH / cutoff
    assert true <= psf_from_spectrum(planes) <= 1.5 * true  # an upper bound, and not a useless one


def test_noise_hides_the_end_of_the_spectrum_but_never_makes_it_sharper():
    widths = [psf_from_spectrum([microscope_image(0.25, noise)]) for noise in (1e-4, 1e-3, 1e-2)]
    assert widths == sorted(widths)


def test_the_optics_give_the_width():
    # NA 1.4 and 520 nm: 78 nm, and so 0.78 pixels of 0.1 µm, as `blur` has it
    assert psf_from_optics(1.4, 520, 0.1) == pytest.approx(0.78, abs=1e-3)
    assert psf_from_optics(1.4, 520, 0.1) == Optics(na=1.4, wavelength=0.52, pixel_size=0.1).blur
    with pytest.raises(VaesrError, match="above zero"):
        psf_from_optics(1.4, 520, 0)


def test_the_width_is_that_of_the_gaussian_nearest_to_an_airy_pattern():
    radius = np.linspace(1e-6, 6, 6001)  # in wavelengths over the aperture
    airy = (2 * special.j1(2 * np.pi * radius) / (2 * np.pi * radius)) ** 2

    def misfit(width):
        return np.sum(radius * (np.exp(-(radius**2) / 2 / width**2) - airy) ** 2)

    widths = np.arange(0.19, 0.24, 0.005)
    assert min(widths, key=misfit) == pytest.approx(GAUSSIAN_WIDTH)

"""How blurred and how noisy an image is: simple estimates, for making low-res images that look like it."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_vaesr.arrays import Float32Array
from napari_vaesr.engine.acquisition import GAUSSIAN_WIDTH
from napari_vaesr.errors import VaesrError

LOWEST_CUTOFF = 0.05
"""Cycles per pixel; below it an image has no structure to tell a blur by."""

RINGS = 64
"""Into which frequencies are divided."""


def immerkaer_noise(plane: Float32Array) -> float:
    """Estimate the standard deviation of white noise in an image.

    The difference of two Laplacians removes what is smooth (Immerkær, 1996, "Fast noise variance
    estimation"); the median absolute value of the rest is not misled by edges (Donoho and Johnstone, 1994).

    Parameters
    ----------
    plane : array
        (Y, X), at least 3 pixels a side.

    Returns
    -------
    float
        In the unit of the plane. Noise that was smoothed before, by a camera or by resampling, is
        underestimated; dense texture of a pixel's size counts as noise.
    """
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    rest = ndimage.convolve(plane, mask)[1:-1, 1:-1]
    return float(np.median(np.abs(rest)) / 0.6745 / 6)


def psf_from_optics(aperture: float, wavelength: float, pixel: float) -> float:
    """Return the width of a widefield point spread function from what the microscope says.

    Parameters
    ----------
    aperture : float
        Numerical aperture.
    wavelength : float
        Of the emitted light, in nanometres.
    pixel : float
        Side of a pixel in the sample, in micrometres.

    Returns
    -------
    float
        Standard deviation of the nearest Gaussian, in pixels: 0.21 wavelengths over the aperture.

    Raises
    ------
    VaesrError
        When one of them is not above zero.
    """
    if min(aperture, wavelength, pixel) <= 0:
        raise VaesrError("The aperture, the wavelength and the pixel size have to be above zero.")
    return GAUSSIAN_WIDTH * wavelength / 1000 / aperture / pixel


def psf_from_spectrum(planes: Sequence[Float32Array]) -> float:
    """Estimate the width of the point spread function by where the power spectrum ends.

    A microscope passes no frequency above its cut-off, twice the aperture over the wavelength; what is seen
    beyond is noise. The cut-off is the highest frequency whose power, averaged over directions and planes, is
    twice that of the noise, which is taken from the corners of the spectrum.

    Parameters
    ----------
    planes : sequence of array
        Each (Y, X), at least 32 pixels a side.

    Returns
    -------
    float
        Standard deviation of the nearest Gaussian, in pixels. An upper bound: noise hides the last of the
        signal, and a coarsely sampled image (0.9 pixels, when its spectrum does not end) may be sharper.
    """
    rings = np.mean([_radial_power(plane) for plane in planes], axis=0)
    frequency = (np.arange(len(rings)) + 0.5) / len(rings) * sqrt(0.5)
    floor = np.median(rings[frequency > 0.55])
    above = frequency[(rings > 2 * floor) & (frequency <= 0.5)]
    cutoff = max(float(above.max(initial=LOWEST_CUTOFF)), LOWEST_CUTOFF)
    return 2 * GAUSSIAN_WIDTH / cutoff


def _radial_power(plane: Float32Array) -> NDArray[np.float64]:
    """Return the power spectrum in rings from frequency 0 to that of the corners, with a Hann window."""
    window = np.hanning(plane.shape[0])[:, None] * np.hanning(plane.shape[1])
    power = np.abs(np.fft.fft2((plane - plane.mean()) * window)) ** 2
    rows, columns = np.fft.fftfreq(plane.shape[0])[:, None], np.fft.fftfreq(plane.shape[1])
    ring = np.minimum((np.hypot(rows, columns) / sqrt(0.5) * RINGS).astype(int), RINGS - 1)
    total = np.bincount(ring.ravel(), power.ravel(), minlength=RINGS)
    return total / np.maximum(np.bincount(ring.ravel(), minlength=RINGS), 1)

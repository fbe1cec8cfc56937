"""Fourier ring correlation: up to which detail two images agree.

After van Heel & Schatz (2005), "Fourier shell correlation threshold criteria", and Nieuwenhuizen et al.
(2013), "Measuring image resolution in optical nanoscopy". Between an upscaled image and the truth, it tells
up to which spatial frequency the detail is real; gain and offset of the intensities don't matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vaesr.arrays import Array, Float64Array
from napari_vaesr.errors import VaesrError

THRESHOLD = 1 / 7
"""Correlation below which detail doesn't count as resolved."""

SMALLEST = 16
"""Side of the smallest image with rings enough."""


@dataclass(frozen=True)
class RingCorrelation:
    """Correlation of two images, ring by ring of spatial frequency.

    Attributes
    ----------
    frequency : array
        (rings,), cycles per pixel, from one cycle per side to 0.5.
    correlation : array
        (rings,), from -1 to 1; 0 where an image has no detail at all.
    """

    frequency: Float64Array
    correlation: Float64Array

    @property
    def mean(self) -> float:
        """Mean correlation over all frequencies: 1 for equal images."""
        return float(self.correlation.mean())

    def resolution(self, threshold: float = THRESHOLD) -> float:
        """Return the period of the finest detail in which the images agree, in pixels.

        Returns
        -------
        float
            2, the finest that pixels can hold, where the correlation never falls below the threshold;
            infinite where it is nowhere above. The curve is smoothed over three rings before, lest the noise
            of one ring decide.
        """
        padded = np.pad(self.correlation, 1, mode="edge")
        smooth = np.convolve(padded, np.full(3, 1 / 3), mode="valid")
        below = np.flatnonzero(smooth < threshold)
        if not below.size:
            return 2.0
        first = int(below[0])
        if first == 0:
            return float("inf")
        share = (smooth[first - 1] - threshold) / (smooth[first - 1] - smooth[first])
        step = self.frequency[first] - self.frequency[first - 1]
        return float(1 / (self.frequency[first - 1] + share * step))


def ring_correlation(first: Array, second: Array) -> RingCorrelation:
    """Return the Fourier ring correlation of two images.

    Borders are faded out by a Hann window, for else their edges would agree in every frequency.

    Parameters
    ----------
    first, second : array
        (Y, X), of one shape, at least 16 x 16 pixels.

    Returns
    -------
    RingCorrelation
        In rings as wide as one cycle along the shorter side.

    Raises
    ------
    VaesrError
        When the shapes differ, a value is not finite or the images are too small.
    """
    if first.shape != second.shape or first.ndim != 2:
        raise VaesrError(f"Images of shapes {first.shape} and {second.shape} have no rings in common.")
    if min(first.shape) < SMALLEST:
        raise VaesrError(
            f"Ring correlation needs {SMALLEST} x {SMALLEST} pixels, use larger images than {first.shape}."
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise VaesrError("The images hold NaN or infinite values, which can't be correlated.")
    one, other = (_spectrum(image) for image in (first, second))
    height, width = first.shape
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    side = min(first.shape)
    ring = np.round(frequency * side).astype(np.int64).ravel()
    rings = side // 2

    def total(values: Float64Array) -> Float64Array:
        sums = np.bincount(ring, weights=values.ravel()).astype(np.float64)
        return sums[1 : rings + 1]

    shared = total((one * other.conj()).real)
    power = np.sqrt(total(np.abs(one) ** 2) * total(np.abs(other) ** 2))
    # What is left of a constant image is rounding.
    nothing = power <= 1e-20 * max(float(power.max()), np.finfo(np.float64).tiny)
    correlation = np.divide(shared, power, out=np.zeros_like(shared), where=~nothing)
    return RingCorrelation(np.arange(1, rings + 1) / side, correlation)


def _spectrum(image: Array) -> npt.NDArray[np.complex128]:
    """Return the spectrum of an image without its mean, its border faded out."""
    height, width = image.shape
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    values = np.asarray(image, np.float64)
    spectrum: npt.NDArray[np.complex128] = np.fft.fft2((values - values.mean()) * window)
    return spectrum

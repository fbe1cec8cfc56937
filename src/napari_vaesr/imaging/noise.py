"""How noisy an image is: the variance of its noise as a straight line of its intensity.

Shot noise grows with the signal and camera noise does not, so the variance at unit intensity ``u`` is
``slope * u + intercept`` (Foi et al., 2008, "Practical Poissonian-Gaussian noise modeling").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

CELLS = 4
"""Side of a patch in cells of 2 x 2 pixels; each patch gives one estimate of the variance."""

QUANTILE, EXPECTED = 0.25, 0.7448
"""The lowest quarter of patches is looked at, for texture adds variance and nothing takes it away; and where
the variance of a patch of 16 normal numbers lies in the lowest quarter, in units of the true one."""

BINS, PER_BIN = 12, 24
"""Bins of intensity at most, and patches in each at least."""

PATCH = 2 * CELLS


NORMAL_MEDIAN = 0.6745
"""The median absolute value of normal numbers, in units of their standard deviation."""


def finest_details(even: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the diagonal details of the Haar wavelet: what white noise is in them, with the same std.

    Parameters
    ----------
    even : array of shape (Y, X)
        Neighbouring pixels, even numbers of rows and columns.

    Returns
    -------
    array of shape (Y / 2, X / 2)
        In the unit of the pixels.
    """
    return (even[::2, ::2] - even[::2, 1::2] - even[1::2, ::2] + even[1::2, 1::2]) / 2


def estimate_noise(plane: npt.NDArray[Any]) -> float:
    """Estimate the standard deviation of white noise in a plane.

    The median absolute value of the finest diagonal details, over 0.6745 (Donoho and Johnstone, 1994):
    structure has few such details, noise has them everywhere. What looks like noise counts as noise, fine
    texture too.

    Parameters
    ----------
    plane : array of shape (Y, X)
        Neighbouring pixels, not a sparse sample of them.

    Returns
    -------
    float
        In the unit of the plane; 0 where it has fewer than two rows or columns.
    """
    height, width = (size // 2 * 2 for size in plane.shape)
    detail = finest_details(plane[:height, :width].astype(np.float64))
    return float(np.median(np.abs(detail))) / NORMAL_MEDIAN if detail.size else 0.0


def fit_noise(planes: Sequence[npt.NDArray[Any]]) -> tuple[float, float]:
    """Fit the line of the noise's variance to planes of one channel.

    Patches of 8 x 8 pixels are sorted by their mean; in every bin of means, the variance is taken from the
    finest diagonal details of the Haar wavelet (Donoho and Johnstone, 1994) of the quietest patches. Fine
    texture that covers the whole of a plane counts as noise all the same.

    Parameters
    ----------
    planes : sequence of array
        (Y, X), neighbouring pixels, in unit intensity.

    Returns
    -------
    slope, intercept : float
        0 or more, in unit intensity; both 0 where no plane has 8 x 8 pixels.
    """
    means, variances = (np.concatenate(each) if each else np.empty(0) for each in _patches(planes))
    if not means.size:
        return 0.0, 0.0
    order = np.argsort(means, kind="stable")
    bins = max(1, min(BINS, means.size // PER_BIN))
    at, found = [], []
    for part in np.array_split(order, bins):
        at.append(float(means[part].mean()))
        found.append(float(np.quantile(variances[part], QUANTILE)) / EXPECTED)
    return _line(np.array(at), np.array(found))


def _patches(
    planes: Sequence[npt.NDArray[Any]],
) -> tuple[list[npt.NDArray[np.float64]], list[npt.NDArray[np.float64]]]:
    """Return the mean and the variance of the finest details of every patch, without saturated ones."""
    means, variances = [], []
    for plane in planes:
        height, width = (size // PATCH * PATCH for size in plane.shape)
        if not height or not width:
            continue
        even = np.asarray(plane[:height, :width], np.float64)
        detail = finest_details(even)
        mean = _tiled(even, PATCH).mean(axis=-1)
        variance = (_tiled(detail, CELLS) ** 2).mean(axis=-1)
        # A camera's full well has no noise, which says nothing of what is darker.
        saturated = (variance == 0) & (mean >= even.max()) & (mean > even.min())
        means.append(mean[~saturated])
        variances.append(variance[~saturated])
    return means, variances


def _tiled(plane: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """Return the pixels of square patches, (patches, side * side)."""
    height, width = plane.shape
    parts = plane.reshape(height // side, side, width // side, side).swapaxes(1, 2)
    return parts.reshape(-1, side * side)


def _line(at: npt.NDArray[np.float64], found: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Fit a line with no negative coefficient, so that relative errors count."""
    from scipy.optimize import nnls

    smallest = max(1e-4 * float(found.max()), 1e-12)
    weights = 1 / np.maximum(found, smallest)
    for _ in range(3):  # as the line is known better, so are the weights
        matrix = np.stack([np.maximum(at, 0), np.ones_like(at)], axis=1)
        (slope, intercept), _ = nnls(matrix * weights[:, None], found * weights)
        weights = 1 / np.maximum(slope * np.maximum(at, 0) + intercept, smallest)
    return float(slope), float(intercept)

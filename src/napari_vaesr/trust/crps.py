"""The continuous ranked probability score: an error that also counts how sure the estimate was."""

from __future__ import annotations

import math

import numpy as np

from napari_vaesr.arrays import Array
from napari_vaesr.errors import VaesrError


def gaussian_crps(std: Array, error: Array) -> float:
    """Return the mean CRPS of normal distributions (Gneiting & Raftery, 2007, section 4.2).

    It is proper: no std scores better on average than the true one. A std of 0 scores the absolute error.

    Parameters
    ----------
    std : array
        Predicted standard deviations, 0 or more.
    error : array
        The estimate minus the truth, of the same shape and unit.

    Returns
    -------
    float
        In the unit of the error; smaller is better, 0 at best.

    Raises
    ------
    VaesrError
        When the shapes differ, a value is not finite, a std is negative or there are no pixels.
    """
    from scipy.special import erf

    std, error = np.asarray(std, np.float64), np.abs(np.asarray(error, np.float64))
    if std.shape != error.shape or not std.size:
        raise VaesrError(f"The std has shape {std.shape} and the error {error.shape}, give the same pixels.")
    if not (np.isfinite(std).all() and np.isfinite(error).all()) or (std < 0).any():
        raise VaesrError("A std is negative or a value is not finite, leave those pixels out.")
    positive = std > 0
    z = np.divide(error, std, out=np.zeros_like(error), where=positive)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    score = std * (z * erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))
    return float(np.mean(np.where(positive, score, error)))

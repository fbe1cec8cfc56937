"""Whether the pixels called uncertain are the wrong ones.

After Ilg et al. (2018), "Uncertainty estimates and multi-hypotheses networks for optical flow": leave out the
most uncertain pixels, more and more of them, and see how fast the error of the others falls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from napari_vaesr.arrays import Array, Float64Array
from napari_vaesr.errors import VaesrError

Measure = Literal["rmse", "mae"]

STEPS = 100
"""Points of a curve."""


@dataclass(frozen=True)
class Sparsification:
    """Error of the pixels that are left, as a share of the error of all of them.

    Attributes
    ----------
    removed : array
        (steps,), share of the pixels left out, from 0 to just below 1.
    error : array
        (steps,), when the most uncertain pixels are left out first.
    oracle : array
        (steps,), when those with the largest error are: no uncertainty can do better.
    """

    removed: Float64Array
    error: Float64Array
    oracle: Float64Array

    @property
    def ause(self) -> float:
        """Area under the sparsification error, the mean of `error - oracle`: 0 for a perfect ranking."""
        return float(np.mean(self.error - self.oracle))


def sparsification(
    uncertainty: Array, error: Array, measure: Measure = "rmse", steps: int = STEPS
) -> Sparsification:
    """Return the sparsification curve of an uncertainty, and the best one possible.

    Parameters
    ----------
    uncertainty : array
        Anything that grows with the expected error; only its order counts. Pixels of one uncertainty are left
        out in no order, so that a constant gives a curve of ones.
    error : array
        The estimate minus the truth, of the same shape.
    measure : {"rmse", "mae"}
        Root mean squared or mean absolute error.
    steps : int
        Points of the curve.

    Returns
    -------
    Sparsification
        All zero where there is no error.

    Raises
    ------
    VaesrError
        When the shapes differ, a value is not finite or there are no pixels.
    """
    uncertainty = np.asarray(uncertainty, np.float64).ravel()
    error = np.abs(np.asarray(error, np.float64)).ravel()
    if uncertainty.shape != error.shape or not error.size:
        raise VaesrError(
            f"There are {uncertainty.size} uncertainties of {error.size} errors, give the same pixels."
        )
    if not (np.isfinite(uncertainty).all() and np.isfinite(error).all()):
        raise VaesrError("The uncertainty or the error holds NaN or infinite values, leave those pixels out.")
    power = 2 if measure == "rmse" else 1
    removed = np.arange(steps) / steps
    kept = np.maximum(1, np.round((1 - removed) * error.size)).astype(np.int64)
    curve, oracle = (
        _error_of_the_surest(order, error**power, kept) ** (1 / power) for order in (uncertainty, error)
    )
    overall = curve[0] or 1.0
    return Sparsification(removed, curve / overall, oracle / overall)


def _error_of_the_surest(
    uncertainty: Float64Array, error: Float64Array, kept: npt.NDArray[np.int64]
) -> Float64Array:
    """Return the mean error of the `kept` least uncertain pixels, ties counting as their mean."""
    _, group, count = np.unique(uncertainty, return_inverse=True, return_counts=True)
    expected = np.repeat(np.bincount(group, weights=error) / count, count)
    means: Float64Array = np.cumsum(expected)[kept - 1] / kept
    return means

"""Whether samples add up: errors of the means of blocks over what the samples say of them.

A standard deviation can be right at every pixel and wrong for areas: errors of neighbours go together, and
samples whose pixels differ one by one average out where errors do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.arrays import Float64Array

SIDES = (1, 2, 4, 8, 16, 32)
"""Sides in high-res pixels of the blocks that are looked at."""


def block_means(images: npt.NDArray[Any], side: int) -> Float64Array:
    """Return the means of whole blocks.

    Parameters
    ----------
    images : array of shape (..., Y, X)
        In any unit.
    side : int
        Of a block, in pixels; what is left over at the ends counts for nothing.

    Returns
    -------
    float64 array of shape (..., Y // side, X // side)
    """
    *others, height, width = images.shape
    rows, columns = height // side, width // side
    whole = np.asarray(images[..., : rows * side, : columns * side], np.float64)
    means: Float64Array = whole.reshape(*others, rows, side, columns, side).mean(axis=(-3, -1))
    return means


def block_errors(samples: npt.NDArray[Any], mean: npt.NDArray[Any], truth: npt.NDArray[Any]) -> Float64Array:
    """Return mean squared error and variance of the samples of block means, for every one of `SIDES`.

    Parameters
    ----------
    samples : array
        (samples, Y, X), in antithetic pairs around the mean.
    mean, truth : array
        (Y, X), in the same unit.

    Returns
    -------
    array
        (sides, 2); NaN for blocks that are larger than the image.
    """
    found = np.full((len(SIDES), 2), np.nan)
    for index, side in enumerate(SIDES):
        if side > min(truth.shape):
            continue
        error = block_means(np.subtract(mean, truth, dtype=np.float64), side)
        apart = block_means(np.subtract(samples, mean, dtype=np.float64), side)
        found[index] = np.mean(error**2), np.mean(apart**2)
    return found


def block_ratios(errors: Sequence[Float64Array]) -> tuple[float | None, ...]:
    """Put images together: root mean square error over standard deviation for each side; 1 is right.

    Parameters
    ----------
    errors : sequence of array
        Of `block_errors`, all images counting the same.

    Returns
    -------
    tuple of float or None
        One for each of `SIDES`; None where all images are smaller or samples do not differ.
    """
    ratios: list[float | None] = []
    for of_side in np.stack(errors).swapaxes(0, 1):
        error, said = of_side[np.isfinite(of_side[:, 0])].sum(axis=0)
        ratios.append(float(np.sqrt(error / said)) if said > 0 else None)
    return tuple(ratios)

"""Whether neighbouring planes are alike enough for one to tell something of another.

A neighbour shows the same detail with other noise, which is worth the more the noisier the planes are. What
has changed from one to the next is worth nothing, and where it is much more than the noise, or most of the
detail, a plane is better off by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from napari_vaesr.arrays import Array, Float64Array

NEAR, FAR = 0.7, 2.0
"""Details are what lies between Gaussians of these standard deviations, in pixels: those that a network adds
to, not the outlines."""

UNLIKE = 0.5
"""Planes are apart that share less than this part of their details, which is their correlation ..."""

BEYOND_NOISE = 8.0
"""... or where so many times the variance of the noise has changed."""

LEAST = 0.1
"""Details with less variance than this part of that of the noise tell nothing."""


def are_apart(pairs: Sequence[tuple[Array, Array]], noise: tuple[float, float]) -> bool:
    """Tell whether neighbouring planes have too little in common.

    Parameters
    ----------
    pairs : sequence of two arrays
        (Y, X) each, neighbours, in unit intensity.
    noise : tuple of float
        Slope and intercept of the variance of their noise; see `napari_vaesr.imaging.noise.fit_noise`.

    Returns
    -------
    bool
        True where the details of the planes have changed by more than `UNLIKE` or `BEYOND_NOISE` allow.
        False where noise is all that there is: two such planes are better than one.
    """
    changed, detail, noisy = 0.0, 0.0, 0.0
    for pair in pairs:
        level = max(noise[0] * float(np.mean(pair)) + noise[1], 0.0) * _left_of_noise()
        one, other = (_details(plane) for plane in pair)
        changed += float(np.var(one - other)) / 2 - level
        detail += float(np.var(one) + np.var(other)) / 2 - level
        noisy += level
    if detail <= LEAST * noisy:
        return False
    return changed > (1 - UNLIKE) * detail or changed > BEYOND_NOISE * noisy


def _details(plane: Array) -> Float64Array:
    from scipy.ndimage import gaussian_filter

    values = np.asarray(plane, np.float64)
    near: Float64Array = gaussian_filter(values, NEAR) - gaussian_filter(values, FAR)
    return near


@lru_cache(maxsize=1)
def _left_of_noise() -> float:
    """Return how much of the variance of white noise is left in details."""
    point = np.zeros((33, 33))
    point[16, 16] = 1
    return float(np.sum(_details(point) ** 2))

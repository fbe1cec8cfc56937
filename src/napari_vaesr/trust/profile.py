"""Widths and distances along a line, with error bars from the profiles of samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_vaesr.arrays import Array, Float64Array
from napari_vaesr.errors import VaesrError
from napari_vaesr.trust.estimate import Estimate

PROMINENCE = 0.2
"""Part of a profile's range by which a peak stands out from its surroundings, or is none."""


def measure_profile(mean: Array, samples: Array, distance: Array) -> dict[str, Estimate]:
    """Measure what is usually read off a profile, with error bars.

    Parameters
    ----------
    mean : array of shape (points,)
        Along the line, of the mean image.
    samples : array of shape (samples, points)
        The same of every sample.
    distance : array of shape (points,)
        From the start of the line, in the unit of the results; evenly spaced.

    Returns
    -------
    dict of str to Estimate
        ``fwhm``, the full width at half maximum of the highest peak; ``distance``, that between the two
        highest peaks; ``mean``, the mean intensity along the line.

    Raises
    ------
    VaesrError
        When there are fewer than three points, or the shapes do not fit.
    """
    mean, samples, distance = (np.asarray(each, np.float64) for each in (mean, samples, distance))
    if mean.size < 3 or mean.shape != distance.shape or samples.shape[1:] != mean.shape:
        raise VaesrError("A line has to cross three pixels or more to be measured, please draw a longer one.")
    step = float(distance[-1] - distance[0]) / (distance.size - 1)
    kinds: dict[str, Callable[[Float64Array], float]] = {
        "fwhm": lambda profile: step * width_at_half(profile),
        "distance": lambda profile: step * peak_distance(profile),
        "mean": lambda profile: float(profile.mean()),
    }
    return {
        name: Estimate.of(find(mean), np.array([find(profile) for profile in samples]))
        for name, find in kinds.items()
    }


def width_at_half(profile: Float64Array) -> float:
    """Return the full width at half maximum of the highest peak, in points.

    Half is half way from the lowest point of the profile to the highest; crossings are interpolated linearly.
    NaN where the profile does not fall to half on both sides.

    Parameters
    ----------
    profile : float64 array of shape (points,)
        Intensities along a line.
    """
    top = int(np.argmax(profile))
    half = (float(profile.max()) + float(profile.min())) / 2
    right, left = _crossing(profile[top:], half), _crossing(profile[top::-1], half)
    return right + left


def peak_distance(profile: Float64Array) -> float:
    """Return how far the two highest peaks are apart, in points; NaN where there are fewer."""
    from scipy.signal import find_peaks

    range_ = float(np.ptp(profile))
    if range_ == 0:
        return np.nan
    places, _ = find_peaks(profile, prominence=PROMINENCE * range_)
    if len(places) < 2:
        return np.nan
    one, other = places[np.argsort(profile[places])[-2:]]
    return abs(_summit(profile, int(one)) - _summit(profile, int(other)))


def _crossing(profile: Float64Array, level: float) -> float:
    """Return where a profile that begins above a level first falls to it."""
    below = np.flatnonzero(profile <= level)
    if not below.size or below[0] == 0:
        return np.nan
    after = int(below[0])
    high, low = float(profile[after - 1]), float(profile[after])
    return after - 1 + (high - level) / (high - low)


def _summit(profile: Float64Array, place: int) -> float:
    """Return the place of a peak between points, by a parabola through its neighbours."""
    left, middle, right = profile[place - 1 : place + 2]
    bend = left - 2 * middle + right
    return place + (0.5 * float((left - right) / bend) if bend < 0 else 0.0)

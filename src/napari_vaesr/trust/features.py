"""How an image looks, in some fifty numbers.

They are of noise, sharpness, contrast, of how edges go on, and of what processing leaves behind, at several
scales; gain and offset play no part.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from napari_vaesr.arrays import Array, Float64Array
from napari_vaesr.imaging.sampling import middle_part

LEVELS = 3
"""Scales that are looked at, each half as fine as the one before."""

SIDE = 256
"""Largest side of the middle of an image that is looked at."""

SMALLEST = 48
"""Pixels a side that tell something."""

FEATURES = 53
"""How many numbers a look has."""


def features(plane: Array) -> Float64Array | None:
    """Describe the look of a plane; None where it is too small or has no contrast.

    Parameters
    ----------
    plane : array of shape (Y, X)
        Intensities in any unit.
    """
    image = np.asarray(plane, np.float64)
    image = image[middle_part(image.shape[0], SIDE), middle_part(image.shape[1], SIDE)]
    if min(image.shape) < SMALLEST:
        return None
    low, high = np.percentile(image, (0.1, 99.9))
    if not high > low:
        return None
    image = (image - low) / (high - low)
    size = np.log2(image.size) / 2
    return np.array([size, *_levels(image), *_histogram(np.clip(image, 0, 1)), *_traces(image)])


def _levels(image: Array) -> list[float]:
    """Of the details at each scale: their size, how heavy their tails are, where they are, how edges run."""
    found: list[float] = []
    before: Array | None = None
    for _ in range(LEVELS):
        height, width = (size // 2 * 2 for size in image.shape)
        a, b = image[:height:2, :width:2], image[:height:2, 1:width:2]
        c, d = image[1:height:2, :width:2], image[1:height:2, 1:width:2]
        image = (a + b + c + d) / 4
        diagonal, across, down = (a - b - c + d) / 2, (a - b + c - d) / 2, (a + b - c - d) / 2
        straight = across**2 + down**2
        power = straight + diagonal**2
        size = np.log(np.sqrt(power) + 3e-3)
        along = _correlation(across[1:], across[:-1]) + _correlation(down[:, 1:], down[:, :-1])
        upright = np.abs(across**2 - down**2) / (straight + 1e-6)
        found += [
            _log(np.median(np.abs(diagonal)) / 0.6745),
            _log(np.sqrt(np.mean(diagonal**2))),
            _log(np.sqrt(np.mean(straight))),
            _log(np.mean(np.abs(across) < 1e-3)),
            abs(np.log10((np.mean(across**2) + 1e-7) / (np.mean(down**2) + 1e-7))),
            float(size.std()),
            _log(np.mean(power**2) / (np.mean(power) ** 2 + 1e-12)),
            along / 2,
            float(np.mean(upright * straight) / (np.mean(straight) + 1e-9)),
            _correlation(image, size),
        ]
        if before is not None:
            rows, columns = size.shape
            coarse = before[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2).mean(axis=(1, 3))
            found.append(_correlation(coarse, size))
        before = size
    return found


def _histogram(unit: Array) -> list[float]:
    """Of the grey levels: spread, asymmetry, shares of black and white, quantiles, and how many there are."""
    spread = float(unit.std())
    skewness = float(np.mean((unit - unit.mean()) ** 3)) / max(spread**3, 1e-9)
    values = np.unique(np.round(unit * 255)).size / 256
    return [
        _log(spread),
        float(np.clip(skewness, -4, 6)),
        float(np.mean(unit < 0.02)),
        float(np.mean(unit > 0.98)),
        float(np.mean((unit > 0.1) & (unit < 0.9))),
        _log(values),
        *np.quantile(unit, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist(),
    ]


def _traces(image: Array) -> list[float]:
    """Look for what processing leaves: blocks of 8 pixels, overshoot, an empty end of the spectrum."""
    found = []
    across = np.abs(np.diff(image, axis=1)).mean(axis=0)
    down = np.abs(np.diff(image, axis=0)).mean(axis=1)
    ratios = []
    for steps in (across, down):
        whole = steps[: len(steps) // 8 * 8].reshape(-1, 8).mean(axis=0)
        ratios.append(max(float(whole.max()), 1e-6) / max(float(np.median(whole)), 1e-6))
    found += [float(np.log(min(ratios))), float(np.log(max(ratios)))]
    second = np.diff(image, n=2, axis=1)
    first = np.diff(image, axis=1)
    found.append(_log(np.mean(second**2) / max(float(np.mean(first**2)), 1e-9)))
    found.append(float(np.mean(first[:, 1:] * first[:, :-1])) / max(float(np.mean(first**2)), 1e-9))
    size = min(image.shape) // 2 * 2
    square = image[:size, :size] - image[:size, :size].mean()
    window = np.hanning(size)
    power = np.abs(np.fft.fft2(square * window[:, None] * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    edges = (0.02, 0.06, 0.12, 0.2, 0.3, 0.4, 0.5)
    rings = [float(power[(frequency >= low) & (frequency < high)].mean()) for low, high in pairwise(edges)]
    logs = [np.log10(ring / size**2 + 1e-7) for ring in rings]
    found += [float(after - before) for before, after in pairwise(logs)]
    return found


def _correlation(one: Array, other: Array) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float(np.mean(one * other) / np.sqrt(np.mean(one**2) * np.mean(other**2) + 1e-12))


def _log(value: Any) -> float:
    return float(np.log10(float(value) + 1e-4))

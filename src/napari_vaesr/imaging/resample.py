"""Interpolation along single axes, part by part and without seams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.arrays import Float64Array
from napari_vaesr.centres import to_source
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.region import Factors, Region
from napari_vaesr.imaging.tiling import reflect_indices

Kernel = tuple[int, Callable[[Float64Array], Float64Array]]
"""How many pixels on either side it looks at, and their weights by distance."""

REACH = 2
"""Pixels on either side of a part that any interpolation here looks at."""


def _linear(distance: Float64Array) -> Float64Array:
    weights: Float64Array = np.maximum(1 - np.abs(distance), 0)
    return weights


def _cubic(distance: Float64Array) -> Float64Array:
    x = np.abs(distance)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights: Float64Array = np.where(x <= 1, near, np.where(x < 2, far, 0))
    return weights


LINEAR: Kernel = (1, _linear)
CUBIC: Kernel = (2, _cubic)
"""Keys (1981), "Cubic convolution interpolation for digital image processing", with a = -0.5."""


def around(region: Region, factors: Factors, axes: Axes) -> Region:
    """Return a region with the pixels around it that enlarging it looks at, those within the image.

    Parameters
    ----------
    region : Region
        Low-res pixels, the axes that become longer among those named.
    factors : Factors
        Which axes become longer.
    axes : Axes
        Of the image, beyond which there are no pixels.
    """
    lengths = axes.lengths
    return region.changed(
        {
            name: range(max(0, region[name].start - REACH), min(lengths[name], region[name].stop + REACH))
            for name in factors
        }
    )


def enlarged(
    part: npt.NDArray[Any], held: Region, region: Region, factors: Factors, axes: Axes, kernel: Kernel
) -> npt.NDArray[np.float32]:
    """Enlarge a region of an image, pixel centres aligned.

    Parameters
    ----------
    part : array
        The axes of the image in its order, perhaps with others before or behind.
    held : Region
        What it holds: `around` the region.
    region : Region
        What to enlarge.
    factors : Factors
        How much.
    axes : Axes
        Of the whole image, which counts as mirrored beyond its border; all axes that `part` begins with.
    kernel : Kernel
        ``LINEAR`` or ``CUBIC``.
    """
    for axis, name in enumerate(axes.names):
        factor = factors.whole(name)
        if factor > 1:
            within = region[name]
            positions = within.start + to_source(np.arange(len(within) * factor, dtype=float), factor)
            part = resampled(part, axis, positions, held[name].start, axes.lengths[name], kernel)
    return part.astype(np.float32, copy=False)


def resampled(
    part: npt.NDArray[Any], axis: int, positions: Float64Array, start: int, size: int, kernel: Kernel
) -> npt.NDArray[np.float32]:
    """Interpolate along one axis.

    Parameters
    ----------
    part : array
        Pixels from `start` of an axis of `size` pixels.
    axis : int
        Which of its axes that is.
    positions : float array
        Where to, in pixels of the whole axis.
    start, size : int
        See `part`.
    kernel : Kernel
        ``LINEAR`` or ``CUBIC``.
    """
    reach, weigh = kernel
    below = np.floor(positions).astype(np.intp)
    shape = [len(positions) if each == axis else 1 for each in range(part.ndim)]
    total: npt.NDArray[np.float32] | None = None
    for offset in range(1 - reach, reach + 1):
        weights = weigh(positions - (below + offset)).astype(np.float32).reshape(shape)
        term = part.take(reflect_indices(below + offset, size) - start, axis=axis) * weights
        total = term if total is None else total + term
    assert total is not None
    return total

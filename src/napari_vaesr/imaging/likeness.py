"""Whether planes have enough in common for one to tell something of another.

A neighbour shows the same detail with other noise, which is worth the more the noisier the planes are. What
has changed from one to the next is worth nothing, and where it is much more than the noise, or most of the
detail, a plane is better off by itself: that is asked once of a channel. Where a time-lapse shows another
field of view from one plane on, it is cut there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from napari_vaesr.arrays import Array, Float32Array, Float64Array
from napari_vaesr.imaging.axes import Axes, Place
from napari_vaesr.imaging.sampling import middle_part

IsJoined = Callable[[Place, Place], bool]
"""Whether two planes belong together."""

NEAR, FAR = 0.7, 2.0
"""Details are what lies between Gaussians of these standard deviations, in pixels: those that a network adds
to, not the outlines."""

UNLIKE = 0.5
"""Planes are apart that share less than this part of their details, which is their correlation ..."""

BEYOND_NOISE = 8.0
"""... or where so many times the variance of the noise has changed."""

LEAST = 0.1
"""Details with less variance than this part of that of the noise tell nothing."""

MIDDLE = 256
"""Side of the part of a plane that is looked at, in its middle, whatever part of it is upscaled."""

CELL = 8
"""Its pixels are averaged over squares of this side, which noise hardly moves."""

CUT = 0.6
"""Planes are cut apart whose difference has more than this part of the variance that the difference of two
unrelated planes has; noise is taken off before."""

REMEMBERED = 64


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


class Cuts:
    """Tells which planes of a time-lapse show the same field of view.

    Parameters
    ----------
    axes : Axes
        Of the image.
    noise : sequence of float
        Standard deviation of each channel's noise, in unit intensity.
    read : callable
        Reads rows and columns of a plane, by its number, in unit intensity. The middle of every plane asked
        about is read once.
    """

    def __init__(
        self, axes: Axes, noise: Sequence[float], read: Callable[[int, slice, slice], Float32Array]
    ) -> None:
        self._axes, self._noise, self._read = axes, noise, read
        self._recent: OrderedDict[int, Float64Array] = OrderedDict()

    def joined_in(self, axes: Axes) -> IsJoined:
        """Return what tells whether planes of the image, or of what it was enlarged to, belong together."""
        lengths, made = self._axes.lengths, axes.lengths

        def in_source(place: Place) -> Place:
            """Return the plane of the image that the middle of one made of it lies in."""
            return {name: (2 * at + 1) * lengths[name] // (2 * made[name]) for name, at in place.items()}

        return lambda one, other: self.is_joined(in_source(one), in_source(other))

    def is_joined(self, one: Place, other: Place) -> bool:
        """Whether two planes show the same field of view.

        The variance of their difference, averaged over squares of 8 pixels, is compared with that of the
        planes themselves: structure that is the same goes, structure that is another adds up. Planes without
        any structure beyond their noise are not cut.

        Parameters
        ----------
        one, other : mapping of str to int
            Where they are along the axes that are not their own.
        """
        first, second = self._middle(one), self._middle(other)
        noise = self._noise[one.get("C", 0)] ** 2 / CELL**2
        structure = (first.var() + second.var()) / 2 - noise
        if structure <= noise:
            return True
        difference = (first - second).var() - 2 * noise
        return bool(difference < 2 * CUT * structure)

    def _middle(self, place: Place) -> Float64Array:
        """Return the cells in the middle of a plane."""
        axes = self._axes
        number = axes.plane_number(place)
        if number not in self._recent:
            rows, columns = (middle_part(length, MIDDLE) for length in (axes.height, axes.width))
            self._recent[number] = _cells(self._read(number, rows, columns).astype(np.float64))
        self._recent.move_to_end(number)
        while len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return self._recent[number]


def _cells(plane: Float64Array) -> Float64Array:
    """Average squares; a plane smaller than one is one cell in that direction."""
    height, width = (max(size // CELL, 1) for size in plane.shape)
    rows, columns = min(CELL, plane.shape[0]), min(CELL, plane.shape[1])
    whole = plane[: height * rows, : width * columns]
    return np.asarray(whole.reshape(height, rows, width, columns).mean(axis=(1, 3)))

"""Where a time-lapse is cut: which of its planes show the same field of view."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from napari_vaesr.engine.planes import Place, unit_luma
from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.imaging.intensity import IntensityScaling
from napari_vaesr.imaging.region import Region
from napari_vaesr.imaging.sampling import middle_of

MIDDLE = 256
"""Side of the part of a plane that is looked at, in its middle, whatever part of it is upscaled."""

CELL = 8
"""Its pixels are averaged over squares of this side, which noise hardly moves."""

UNLIKE = 0.6
"""Planes are cut apart whose difference has more than this part of the variance that the difference of two
unrelated planes has; noise is taken off before."""

REMEMBERED = 64


class Cuts:
    """Tells which planes of a time-lapse show the same field of view.

    Parameters
    ----------
    source : Source
        The image; the middle of every plane asked about is read once.
    scalings : sequence of IntensityScaling
        Of each channel, with its noise.
    """

    def __init__(self, source: Source, scalings: Sequence[IntensityScaling]) -> None:
        self._source, self._scalings = source, scalings
        self._recent: OrderedDict[int, npt.NDArray[np.float64]] = OrderedDict()

    def joined_in(self, axes: Axes) -> Callable[[Place, Place], bool]:
        """Return what tells whether planes of the image, or of what it was enlarged to, belong together."""
        lengths, made = self._source.axes.lengths, axes.lengths

        def in_source(place: Place) -> Place:
            """Return the plane of the image that the middle of one made of it lies in."""
            return {name: (2 * at + 1) * lengths[name] // (2 * made[name]) for name, at in place.items()}

        return lambda one, other: self.is_joined(in_source(one), in_source(other))

    def is_joined(self, one: Place, other: Place) -> bool:
        """Whether two planes, given by their places, show the same field of view.

        The variance of their difference, averaged over squares of 8 pixels, is compared with that of the
        planes themselves: structure that is the same goes, structure that is another adds up. Planes without
        any structure beyond their noise are not cut.
        """
        first, second = self._middle(one), self._middle(other)
        noise = self._scalings[one.get("C", 0)].noise ** 2 / CELL**2
        structure = (first.var() + second.var()) / 2 - noise
        if structure <= noise:
            return True
        difference = (first - second).var() - 2 * noise
        return bool(difference < 2 * UNLIKE * structure)

    def _middle(self, place: Place) -> npt.NDArray[np.float64]:
        """Return the cells in the middle of a plane."""
        axes = self._source.axes
        number = axes.plane_number(place)
        if number not in self._recent:
            rows, columns = (middle_of(range(length), MIDDLE) for length in (axes.height, axes.width))
            region: Region = axes.region(number, rows, columns)
            part = axes.read_plane(
                self._source.array,
                number,
                slice(region["Y"].start, region["Y"].stop),
                slice(region["X"].start, region["X"].stop),
            )
            luma = unit_luma(part, self._scalings[axes.channel_of(number)], axes.is_rgb)
            self._recent[number] = _cells(luma.astype(np.float64))
        self._recent.move_to_end(number)
        while len(self._recent) > REMEMBERED:
            self._recent.popitem(last=False)
        return self._recent[number]


def _cells(plane: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average squares; a plane smaller than one is one cell in that direction."""
    height, width = (max(size // CELL, 1) for size in plane.shape)
    rows, columns = min(CELL, plane.shape[0]), min(CELL, plane.shape[1])
    whole = plane[: height * rows, : width * columns]
    return np.asarray(whole.reshape(height, rows, width, columns).mean(axis=(1, 3)))

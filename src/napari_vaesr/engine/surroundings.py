"""Which planes are seen beside a plane: its neighbours along an axis, where a time-lapse is not cut."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_vaesr.engine.passes import Pass
from napari_vaesr.engine.planes import Place, noise_keys, unit_luma
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.engine.upscaler import NoiseKeys
from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.imaging.intensity import IntensityScaling
from napari_vaesr.imaging.region import Factors, Region
from napari_vaesr.zoo.card import ModelCard

MIDDLE = 256
"""Side of the part of a plane that is looked at, in its middle, whatever part of it is upscaled."""

CELL = 8
"""Its pixels are averaged over squares of this side, which noise hardly moves."""

UNLIKE = 0.6
"""Planes are cut apart whose difference has more than this part of the variance that the difference of two
unrelated planes has; noise is taken off before."""

REMEMBERED = 64

OTHER = {"ZX": "Y", "ZY": "X"}
"""Where the neighbours of planes along ``Z`` lie."""


def always(one: Place, other: Place) -> bool:
    """Say that two planes belong together."""
    return True


@dataclass(frozen=True)
class Surroundings:
    """What is seen of a plane's neighbours, and how alike samples of neighbours are.

    Attributes
    ----------
    along : str or None
        Letter of the axis that neighbours lie along for planes of ``Y`` and ``X``; None: none are seen.
    reach : int
        How many are seen on either side.
    alike : float
        Over how many planes along ``Z`` samples are alike.
    is_joined : callable
        Whether two planes of ``Y`` and ``X`` belong together.
    """

    along: str | None
    reach: int
    alike: float
    is_joined: Callable[[Place, Place], bool] = always

    @classmethod
    def of(cls, axes: Axes, settings: UpscaleSettings, card: ModelCard) -> Surroundings:
        """Return those of an image for a model, as settings choose them."""
        return cls(context_of(axes, settings.context), card.network.frames // 2, card.alike_planes)

    def cut(self, source: Source, scalings: Sequence[IntensityScaling]) -> Surroundings:
        """Return the same, but for time-lapses that are cut where another field of view begins."""
        is_cut = self.along == "T" and self.reach > 0
        return replace(self, is_joined=Cuts(source, scalings).is_joined) if is_cut else self

    def in_pass(self, grown: Factors) -> Surroundings:
        """Return the same for planes of an image that was made so many times larger."""

        def is_joined(one: Place, other: Place) -> bool:
            return self.is_joined(_source_place(one, grown), _source_place(other, grown))

        return self if self.is_joined is always else replace(self, is_joined=is_joined)

    def letter(self, view: str) -> str | None:
        """Return the letter of the axis that the neighbours of such planes lie along."""
        return None if self.along is None else OTHER.get(view, self.along)

    def read_along(self, step: Pass) -> str | None:
        """Return the letter of the axis that a pass reads planes of its input along, one after the other."""
        return self.along if self.reach and step.is_flat else None

    def neighbours(self, axes: Axes, place: Place) -> tuple[Place | None, ...]:
        """Return the places of the planes seen with one of `axes`; see `neighbours_of`."""
        is_joined = self.is_joined if axes.plane not in OTHER else always
        return neighbours_of(axes, place, self.letter(axes.plane), self.reach, is_joined)

    def noise_keys(self, axes: Axes, place: Place, first: int) -> NoiseKeys:
        """Return what decides the noise of one of the planes of `axes`; see `noise_keys`."""
        return noise_keys(axes, place, OTHER.get(axes.plane, "Z"), self.alike, first)


def _source_place(place: Place, grown: Factors) -> Place:
    """Return the plane of the image that a plane of one made larger lies in."""
    return {name: int((at + 0.5) / grown.along(name)) for name, at in place.items()}


def context_of(axes: Axes, context: str) -> str | None:
    """Return the letter of the axis that neighbours of planes lie along, None for no neighbours."""
    if context == "none":
        return None
    wanted = "ZT" if context == "auto" else context
    return next((name for name in wanted if axes.lengths.get(name, 1) > 1), None)


def neighbours_of(
    axes: Axes, place: Place, along: str | None, reach: int, is_joined: Callable[[Place, Place], bool]
) -> tuple[Place | None, ...]:
    """Return the places of a plane's neighbours on either side, itself in the middle.

    Parameters
    ----------
    axes : Axes
        Of the whole image.
    place : mapping of str to int
        The plane's.
    along : str, optional
        Letter of the axis that they lie along; none has any without.
    reach : int
        How many on either side.
    is_joined : callable
        Whether two planes belong together; beyond one that does not, there are none.

    Returns
    -------
    tuple
        ``2 * reach + 1`` places, None where there is no neighbour.
    """
    if along is None:
        return (None,) * (2 * reach + 1)

    def side(step: int) -> list[Place | None]:
        found: list[Place | None] = []
        for distance in range(1, reach + 1):
            at = place[along] + step * distance
            other = {**place, along: at}
            if not 0 <= at < axes.lengths[along] or not is_joined(place, other):
                break
            found.append(other)
        return found + [None] * (reach - len(found))

    return (*reversed(side(-1)), None, *side(1))


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

    def is_joined(self, one: Mapping[str, int], other: Mapping[str, int]) -> bool:
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

    def _middle(self, place: Mapping[str, int]) -> npt.NDArray[np.float64]:
        """Return the cells in the middle of a plane."""
        axes = self._source.axes
        number = axes.plane_number(place)
        if number not in self._recent:
            rows, columns = (_centre(length) for length in (axes.height, axes.width))
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


def _centre(length: int) -> range:
    start = max(0, length - MIDDLE) // 2
    return range(start, min(length, start + MIDDLE))


def _cells(plane: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Average squares; a plane smaller than one is one cell in that direction."""
    height, width = (max(size // CELL, 1) for size in plane.shape)
    rows, columns = min(CELL, plane.shape[0]), min(CELL, plane.shape[1])
    whole = plane[: height * rows, : width * columns]
    return np.asarray(whole.reshape(height, rows, width, columns).mean(axis=(1, 3)))

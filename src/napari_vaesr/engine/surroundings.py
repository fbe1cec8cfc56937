"""What is read around a part of an image: the halo of its tiles, and the neighbours of its planes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from napari_vaesr.arrays import Array, Float32Array
from napari_vaesr.engine.passes import Pass
from napari_vaesr.engine.pixels import Pixels
from napari_vaesr.engine.planes import Around, noise_keys
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.engine.upscaler import Step, Upscaler
from napari_vaesr.imaging.axes import Axes, Place, Source
from napari_vaesr.imaging.intensity import IntensityScaling, read_luma
from napari_vaesr.imaging.likeness import Cuts, IsJoined
from napari_vaesr.imaging.region import Region
from napari_vaesr.imaging.tiling import plan_tiles, reflect_indices
from napari_vaesr.zoo.card import ModelCard


def always(one: Place, other: Place) -> bool:
    """Say that two planes belong together."""
    return True


def never(one: Place, other: Place) -> bool:
    """Say that no two planes belong together."""
    return False


@dataclass(frozen=True)
class Surroundings:
    """What is seen around planes, and how alike samples of neighbours are.

    Attributes
    ----------
    along : str or None
        Letter of the axis that neighbours of planes lie along. None: none are seen.
    reach : int
        How many are seen on either side.
    alike : float
        Over how many planes samples are alike, along the axis across a plane.
    cuts : Cuts or None
        Tells which planes of the image belong together; None: all do.
    apart : frozenset of int
        Channels whose planes have too little in common, and see no neighbours.
    """

    along: str | None
    reach: int
    alike: float
    cuts: Cuts | None = None
    apart: frozenset[int] = frozenset()

    @classmethod
    def of(
        cls,
        source: Source,
        scalings: Sequence[IntensityScaling],
        settings: UpscaleSettings,
        card: ModelCard,
    ) -> Surroundings:
        """Return those of an image for a model, as settings choose them; time-lapses may be cut.

        Parameters
        ----------
        source : Source
            The image.
        scalings : sequence of IntensityScaling
            One per channel.
        settings : UpscaleSettings
            Choose the axis of neighbours.
        card : ModelCard
            Says how many planes the network looks at.
        """
        along, reach = context_of(source.axes, settings.context), card.network.reach
        cuts = None
        if along == "T" and reach:
            read = partial(read_luma, source, scalings)
            cuts = Cuts(source.axes, [each.noise for each in scalings], read)
        chosen = settings.context == "auto"
        apart = frozenset(number for number, each in enumerate(scalings) if chosen and each.apart)
        return cls(along, reach, card.alike_planes, cuts, apart)

    def around(self, axes: Axes, place: Place, first: int) -> Around:
        """Return what one of the planes of `axes` shares with others; its noise has keys from `first`.

        Parameters
        ----------
        axes : Axes
            Of what the pass looks at.
        place : mapping of str to int
            Where the plane is along the axes that are not its own.
        first : int
            Keys of the latent noise of planes begin here.
        """
        along = self._letter(axes)
        neighbours = neighbours_of(axes, place, along, self.reach, self._joined(axes, place, along))
        return Around(noise_keys(axes, place, axes.across, self.alike, first), neighbours)

    def _joined(self, axes: Axes, place: Place, along: str | None) -> IsJoined:
        """Return what tells which of a plane's neighbours belong to it."""
        if along != self.along:  # nothing was asked about these
            return always
        if place.get("C", 0) in self.apart:
            return never
        return always if self.cuts is None else self.cuts.joined_in(axes)

    def needed(self, step: Pass, region: Region, upscaler: Upscaler) -> Region:
        """Return what a pass reads for a region: it, the halo of its tiles and the neighbours of its planes.

        Parameters
        ----------
        step : Pass
            What is done.
        region : Region
            What is to be enlarged, every axis named.
        upscaler : Upscaler
            Says how far its tiles look.
        """
        halo, alignment = upscaler.halo, upscaler.network.alignment

        def seen(axes: Axes, region: Region) -> Region:
            shape = axes.height, axes.width
            rows, columns = (region[name] for name in axes.plane)
            (tile,) = plan_tiles(rows, columns, max(*shape, 1), halo, alignment, shape)
            ranges: dict[str, range] = {}
            for name, padded in zip(axes.plane, (tile.padded_rows, tile.padded_columns), strict=True):
                inside = reflect_indices(padded, axes.lengths[name])
                ranges[name] = range(int(inside.min()), int(inside.max()) + 1)
            if (along := self._letter(axes)) is not None:
                first, last = region[along].start - self.reach, region[along].stop + self.reach
                ranges[along] = range(max(0, first), min(axes.lengths[along], last))
            return region.changed(ranges)

        return step.reads(region, seen)

    def order(self, step: Pass) -> str:
        """Return in which order a pass goes over its axes: what was read for one block serves the next."""
        along, order = self._read_along(step), step.axes.loop_names + step.axes.plane
        return order if along is None else order.replace(along, "") + along

    def read_once(self, pixels: Pixels, step: Pass) -> Pixels:
        """Return what a pass reads, so that planes are read once where they are seen by several.

        Parameters
        ----------
        pixels : Pixels
            What to read.
        step : Pass
            Who reads.
        """
        along = self._read_along(step)
        return pixels if along is None else Remembered(pixels, step.axes, along, 2 * self.reach + 2)

    def _letter(self, axes: Axes) -> str | None:
        """Return the letter of the axis that the neighbours of planes lie along."""
        return None if self.along is None else axes.beside(self.along)

    def _read_along(self, step: Pass) -> str | None:
        """Return the letter of the axis along which all planes that a pass looks at have their neighbours."""
        letters = {self._letter(axes) for axes in step.planes} if self.reach else set()
        return letters.pop() if len(letters) == 1 else None


class Remembered(Pixels):
    """Pixels of which the planes that were read last are remembered.

    Parameters
    ----------
    pixels : Pixels
        What is read.
    axes : Axes
        Of it.
    along : str
        Letter of the axis that planes are read along, one after the other.
    count : int
        How many are remembered.
    """

    def __init__(self, pixels: Pixels, axes: Axes, along: str, count: int) -> None:
        self._pixels, self._along, self._count = pixels, along, count
        self._axis = axes.names.index(along)
        self._recent: OrderedDict[Region, Array] = OrderedDict()

    def prepare(self, region: Region) -> Generator[Step, None, None]:
        """Do what has to be done before a region can be read; see `Pixels`."""
        return self._pixels.prepare(region)

    def read(self, region: Region) -> Array:
        """Read a region; see `Pixels`."""
        along = self._along
        if len(region[along]) > self._count:
            return self._pixels.read(region)
        planes = [self._plane(region.changed({along: range(at, at + 1)})) for at in region[along]]
        return np.concatenate(planes, axis=self._axis)

    def variance(self, region: Region) -> Float32Array | None:
        """Return the variance of a region; see `Pixels`."""
        return self._pixels.variance(region)

    def residuals(self, region: Region) -> Float32Array | None:
        """Return what samples add to a region; see `Pixels`."""
        return self._pixels.residuals(region)

    def _plane(self, region: Region) -> Array:
        if region not in self._recent:
            self._recent[region] = self._pixels.read(region)
        self._recent.move_to_end(region)
        while len(self._recent) > self._count:
            self._recent.popitem(last=False)
        return self._recent[region]


def unheeded(axes: Axes, settings: UpscaleSettings, card: ModelCard) -> list[str]:
    """Return what to tell where neighbours are asked for that are not there, or not looked at.

    Parameters
    ----------
    axes : Axes
        Of the image.
    settings : UpscaleSettings
        Whose ``context`` may name an axis.
    card : ModelCard
        Of the model.
    """
    along = settings.context
    if along in ("auto", "none"):
        return []
    if card.network.reach == 0:
        return [f"The model {card.name} looks at each plane alone, so neighbours along {along} play no part."]
    if axes.lengths.get(along, 1) == 1:
        return [f"The image has no planes along {along}, so each plane is upscaled alone."]
    return []


def context_of(axes: Axes, context: str) -> str | None:
    """Return the letter of the axis that neighbours of planes lie along, None for no neighbours.

    Parameters
    ----------
    axes : Axes
        Of the image.
    context : str
        ``"auto"``, ``"none"``, or the letter of an axis.
    """
    if context == "none":
        return None
    if context == "auto":
        return axes.stacked_along
    return context if axes.lengths.get(context, 1) > 1 else None


def neighbours_of(
    axes: Axes, place: Place, along: str | None, reach: int, is_joined: IsJoined
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

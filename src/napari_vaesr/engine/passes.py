"""An upscaling as a chain of passes, each of which enlarges planes spanned by two axes.

Along ``Y`` and ``X`` a pass looks at their planes. Along ``Z`` it looks at those of ``Z`` and ``X`` and at
those of ``Z`` and ``Y``, and the two answers are averaged. Larger factors are products: 8 is 4 and then 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.imaging.region import Factors, Region, products
from napari_vaesr.imaging.resample import around
from napari_vaesr.vae.config import Factor, NetworkConfig
from napari_vaesr.zoo.card import ModelCard

GOLDEN = 0x9E3779B97F4A7C15
"""Keeps the seeds of passes apart."""

AROUND = 1
"""Planes on either side that resampling along ``Z`` looks at, before they are made more."""

LARGEST_BLOCK = 2048
"""Side of a block in pixels of the result; a larger plane is cut."""

SIDE, DEPTH = 256, 512
"""Sides of the boxes of a pass along ``Z``, in pixels of the result: along ``Y`` and ``X``, and that one."""


@dataclass(frozen=True)
class Pass:
    """One step of a chain.

    Attributes
    ----------
    number, count : int
        Which of how many, from 0.
    factors : Factors
        How much it enlarges: ``Y`` and ``X`` alike, or ``Z`` alone.
    axes : Axes
        Of what it enlarges, the whole image.
    region : Region
        The part of that to enlarge; more than was asked for where a later pass looks around it.
    made : Factors
        How much the network enlarges: more, where what it makes is resampled along ``Z``.
    """

    number: int
    count: int
    factors: Factors
    axes: Axes
    region: Region
    made: Factors

    @property
    def planes(self) -> tuple[Axes, ...]:
        """The axes of the image, once for each way in which the planes lie that it looks at."""
        return tuple(replace(self.axes, plane=letters) for letters in letters_of(self.factors))

    @property
    def is_first(self) -> bool:
        """Whether it reads the image itself."""
        return self.number == 0

    @property
    def is_last(self) -> bool:
        """Whether it makes the result."""
        return self.number == self.count - 1

    @property
    def resampled(self) -> str:
        """Letters of the axes along which what the network makes is resampled to what is asked for."""
        return "" if self.made == self.factors else "".join(self.made)

    def block_sides(self, block: Mapping[str, int]) -> dict[str, int]:
        """Return the sides of pieces that fill what becomes of blocks of these sides, low-res pixels."""
        # Resampled, blocks have pixels of their own, but not the same number of them.
        return {
            name: 1 if name in self.resampled else side * self.factors.whole(name)
            for name, side in block.items()
        }

    def looked_at(self, region: Region) -> Region:
        """Return what the network enlarges for a region: more, where it is resampled."""
        lengths = self.axes.lengths
        wide = {
            name: range(max(0, region[name].start - AROUND), min(lengths[name], region[name].stop + AROUND))
            for name in self.resampled
        }
        return region.changed(wide)

    @property
    def result_region(self) -> Region:
        """Where what it makes lies in the enlarged image."""
        return self.region.enlarged(self.factors)

    @property
    def result_axes(self) -> Axes:
        """Axes of what it makes."""
        return self.axes.of_enlarged(self.region, self.factors)

    @property
    def is_flat(self) -> bool:
        """Whether it looks at planes as they are, along ``Y`` and ``X``."""
        return not self.factors.across

    @property
    def sides(self) -> dict[str, int]:
        """Sides of the blocks that it is computed in, low-res pixels, 1 where they are not named.

        In planes they are powers of two, as chunks of files often are.
        """
        if not (across := self.factors.across):
            side = 2 ** (max(LARGEST_BLOCK // self.factors.whole("Y"), 1).bit_length() - 1)
            return {"Y": side, "X": side}
        return {across: max(DEPTH // self.factors.whole(across), 1), "Y": SIDE, "X": SIDE}

    def cut(self, parts: Callable[[str], Iterable[range]]) -> Iterator[tuple[int, Axes, range, range]]:
        """Yield what it looks at: how many planes of which axes, and the rows and columns of a part of them.

        Parameters
        ----------
        parts : callable
            Returns how an axis is cut.
        """
        for axes in self.planes:
            count = math.prod(len(part) for name, part in self.region.items() if name not in axes.plane)
            for rows, columns in product(*map(parts, axes.plane)):
                yield count, axes, rows, columns

    def reads(self, region: Region, seen: Callable[[Axes, Region], Region]) -> Region:
        """Return what it reads for a region.

        Parameters
        ----------
        region : Region
            What is to be enlarged, every axis named.
        seen : callable
            Returns what planes of such axes look at for a region.
        """
        region = self.looked_at(region)
        read = around(region, self.made, self.axes)  # what is interpolated beside the network
        for axes in self.planes:
            read = read.joined(seen(axes, region))
        return read


def letters_of(factors: Factors) -> tuple[str, ...]:
    """Return the letters of rows and columns of the planes that a pass with these factors looks at."""
    across = factors.across
    return (f"{across}X", f"{across}Y") if across else ("YX",)


def factor_of(factors: Factors) -> Factor:
    """Return the factor of rows and columns of a pass with these factors."""
    letters = letters_of(factors)[0]
    return factors.whole(letters[0]), factors.whole(letters[1])


@dataclass(frozen=True)
class Chain:
    """How what settings ask for is made of an image, pass after pass.

    Attributes
    ----------
    settings : UpscaleSettings
        With nothing left to the image.
    parts : tuple of (Factors, Factors)
        How much each pass enlarges, and how much its network does: more, where planes are resampled.
    """

    settings: UpscaleSettings
    parts: tuple[tuple[Factors, Factors], ...]

    @classmethod
    def of(cls, settings: UpscaleSettings, source: Source, card: ModelCard) -> Chain:
        """Return the chain for an image and a model.

        Parameters
        ----------
        settings : UpscaleSettings
            What is asked for; what is left open, such as cubic voxels, is settled for this image.
        source : Source
            The image.
        card : ModelCard
            Says which factors the network makes in one pass.

        Raises
        ------
        VaesrError
            When the image lacks an axis, the model can't make what is asked for, or the size of voxels is
            needed and not known.
        """
        settings = settings.settled(source, card)
        factors, axes = settings.factors, source.axes
        if missing := [name for name in factors if name not in axes.names]:
            raise VaesrError(
                f"The image has no axis {missing[0]} to upscale along, please leave it out of the scale."
            )
        return cls(settings, tuple(planned(factors, split(factors, card.network, card.name))))

    @property
    def network_factors(self) -> tuple[Factor, ...]:
        """The factor of rows and columns that the network enlarges by in each pass."""
        return tuple(factor_of(made) for _, made in self.parts)

    @property
    def messages(self) -> list[str]:
        """What the user should know: where more planes are made than asked for."""
        asked = self.settings.factors
        across, factor = asked.across, asked.along(asked.across)
        made = math.prod(made.along(across) for _, made in self.parts)
        if made == factor:
            return []
        return [
            f"Planes along {across} are made {made:g} times as many and resampled to {factor:.4g} times as "
            "many."
        ]

    def passes(
        self, axes: Axes, region: Region, needed: Callable[[Pass, Region], Region]
    ) -> tuple[Pass, ...]:
        """Return the passes over a region, each with what the later ones need of it.

        Parameters
        ----------
        axes : Axes
            Of the image.
        region : Region
            The part to enlarge, every axis named.
        needed : callable
            Returns what a pass reads for a region.
        """
        images, whole = [axes], Factors()
        for factors, _ in self.parts[:-1]:
            images.append(images[-1].upscaled(factors))
            whole = whole.times(factors)
        region = region.enlarged(whole)
        passes: list[Pass] = []
        for number in reversed(range(len(self.parts))):
            factors, made = self.parts[number]
            step = Pass(number, len(self.parts), factors, images[number], region, made)
            passes.append(step)
            if number:
                region = needed(step, region).reduced(self.parts[number - 1][0])
        return tuple(reversed(passes))


def split(factors: Factors, network: NetworkConfig, model: str) -> list[Factors]:
    """Return the factors of each pass, those along ``Z`` first, for they are cheaper.

    Parameters
    ----------
    factors : Factors
        What is asked for.
    network : NetworkConfig
        Says which it makes in one pass.
    model : str
        Name of its model, for messages.

    Raises
    ------
    VaesrError
        When the model can't make them, or ``Y`` and ``X`` are to differ.
    """
    if not factors:
        raise VaesrError("A scale of 1 leaves the image as it is, please choose a larger one.")
    if factors.along("Y") != factors.along("X"):
        raise VaesrError(
            f"The factors along Y and X are {factors.along('Y')} and {factors.along('X')}, please make them "
            "the same."
        )
    passes: list[Factors] = []
    if across := factors.across:
        if not network.along(across):
            raise VaesrError(
                f"The model {model} has not learnt to upscale along {across}, please choose another model or "
                f"leave {across} out of the scale."
            )
        depth = _above(factors, network, model)
        passes += [
            Factors({across: each})
            for each in _product(depth, network.along(across), model, f" along {across}")
        ]
    return passes + [Factors.of(each) for each in _product(factors.whole("Y"), network.along("Y"), model, "")]


def _above(factors: Factors, network: NetworkConfig, model: str) -> int:
    """Return the nearest factor across planes that the model can make and that is not below the one asked."""
    factor, made = factors.along(factors.across), products(network.along(factors.across))
    choices = [each for each in made if each >= factor]
    if not choices:
        raise VaesrError(
            f"The model {model} can't upscale {factor:g} times along {factors.across}, please choose no "
            f"more than {made[-1]}."
        )
    return choices[0]


def planned(factors: Factors, parts: Sequence[Factors]) -> list[tuple[Factors, Factors]]:
    """Return how much each pass enlarges, and how much its network does.

    The last pass along ``Z`` resamples its planes where the model can't make the factor along ``Z``.

    Parameters
    ----------
    factors : Factors
        What is asked for.
    parts : sequence of Factors
        As `split` gave them.
    """
    steps = [(part, part) for part in parts]
    across = factors.across
    deep = [number for number, part in enumerate(parts) if part.across]
    if math.prod(parts[number].along(across) for number in deep) != factors.along(across):
        before = math.prod(parts[number].along(across) for number in deep[:-1])
        steps[deep[-1]] = Factors({across: factors[across] / before}), parts[deep[-1]]
    return steps


def _product(factor: int, known: tuple[int, ...], model: str, along: str) -> list[int]:
    """Write a factor as a product of as few known ones as possible, the largest first."""
    if factor == 1:
        return []
    shortest: dict[int, list[int]] = {1: []}
    for value in range(2, factor + 1):
        ways = [
            [each, *shortest[value // each]]
            for each in known
            if value % each == 0 and value // each in shortest
        ]
        if ways:
            shortest[value] = max(ways, key=lambda way: (-len(way), way))
    if factor not in shortest:
        choices = ", ".join(str(value) for value in products(known))
        raise VaesrError(
            f"The model {model} can't upscale {factor} times{along}, please choose from {choices}."
        )
    return shortest[factor]


def seeded(settings: UpscaleSettings, number: int) -> UpscaleSettings:
    """Return the settings of a pass, each of which draws noise of its own.

    Parameters
    ----------
    settings : UpscaleSettings
        Of the chain.
    number : int
        Of the pass, from 0 on, whose seed is the chain's.
    """
    return settings.model_copy(update={"seed": (settings.seed + number * GOLDEN) % 2**63})

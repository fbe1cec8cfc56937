"""An upscaling as a chain of passes, each of which enlarges planes spanned by two axes.

Along ``Y`` and ``X`` a pass looks at their planes. Along ``Z`` it looks at those of ``Z`` and ``X`` and at
those of ``Z`` and ``Y``, and the two answers are averaged. Larger factors are products: 8 is 4 and then 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.imaging.region import Factors, Region
from napari_vaesr.vae.config import Factor
from napari_vaesr.zoo.card import Calibration, ModelCard

GOLDEN = 0x9E3779B97F4A7C15
"""Keeps the seeds of passes apart."""

FLAT = ("YX",)
"""What a pass looks at that does not go along ``Z``."""

AROUND = 1
"""Planes on either side that resampling along ``Z`` looks at, before they are made more."""

UNCALIBRATED = (
    "The model {} is not calibrated for scale {}, so the uncertainty is only how much its samples differ: "
    "calibrate it with napari-vaesr calibrate."
)

CUBIC_ENOUGH = 0.01
"""Voxels that differ by less than this part along ``Z`` count as cubic."""


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
    network : Factors, optional
        How much the network enlarges, where that is more: planes along ``Z`` are resampled then.
    """

    number: int
    count: int
    factors: Factors
    axes: Axes
    region: Region
    network: Factors | None = None

    @property
    def views(self) -> tuple[str, ...]:
        """Letters of rows and columns of the planes that it looks at."""
        return views_of(self.factors)

    @property
    def factor(self) -> Factor:
        """The factor of rows and columns that the network enlarges by."""
        return factor_of(self.made)

    @property
    def is_first(self) -> bool:
        """Whether it reads the image itself."""
        return self.number == 0

    @property
    def is_last(self) -> bool:
        """Whether it makes the result."""
        return self.number == self.count - 1

    @property
    def made(self) -> Factors:
        """How much the network enlarges: more, where what it makes is resampled along ``Z``."""
        return self.factors if self.network is None else self.network

    @property
    def resampled(self) -> str:
        """Letters of the axes along which what the network makes is resampled to what is asked for."""
        return "" if self.network is None else "".join(self.network)

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
        return self.views == FLAT

    @property
    def work(self) -> int:
        """How many pixels the network looks at."""
        return self.work_of(self.region.size)

    def work_of(self, pixels: int) -> int:
        """Return how many pixels the network looks at for so many pixels of the region."""
        return pixels * len(self.views)


def views_of(factors: Factors) -> tuple[str, ...]:
    """Return the letters of rows and columns of the planes that a pass with these factors looks at."""
    return ("ZX", "ZY") if "Z" in factors else FLAT


def factor_of(factors: Factors) -> Factor:
    """Return the factor of rows and columns of a pass with these factors."""
    view = views_of(factors)[0]
    return factors.whole(view[0]), factors.whole(view[1])


def split(factors: Factors, known: Iterable[Factor], model: str) -> list[Factors]:
    """Return the factors of each pass, those along ``Z`` first, for they are cheaper.

    Parameters
    ----------
    factors : Factors
        What is asked for.
    known : iterable of (int, int)
        Factors of rows and columns that the model can make in one pass.
    model : str
        Its name, for messages.

    Raises
    ------
    VaesrError
        When the model can't make them, or ``Y`` and ``X`` are to differ.
    """
    known = list(known)
    if not factors:
        raise VaesrError("A scale of 1 leaves the image as it is, please choose a larger one.")
    if factors.along("Y") != factors.along("X"):
        raise VaesrError(
            f"The factors along Y and X are {factors.along('Y')} and {factors.along('X')}, please make them "
            "the same."
        )
    scale = factors.whole("Y")
    depths = {rows for rows, columns in known if columns == 1}
    sides = {rows for rows, columns in known if rows == columns}
    passes: list[Factors] = []
    if "Z" in factors:
        if not depths:
            raise VaesrError(
                f"The model {model} has not learnt to upscale along Z, please choose another model or leave "
                "Z out of the scale."
            )
        depth = _above(factors["Z"], depths, model)
        passes += [Factors(Z=each) for each in _product(depth, depths, model, " along Z")]
    return passes + [Factors.of(each) for each in _product(scale, sides, model, "")]


def _above(factor: float, depths: set[int], model: str) -> int:
    """Return the nearest factor along ``Z`` that the model can make and that is not below another one."""
    choices = [each for each in products(depths) if each >= factor]
    if not choices:
        raise VaesrError(
            f"The model {model} can't upscale {factor:g} times along Z, please choose no more than "
            f"{products(depths)[-1]}."
        )
    return choices[0]


def planned(factors: Factors, parts: Sequence[Factors]) -> list[tuple[Factors, Factors | None]]:
    """Return how much each pass enlarges, and how much its network does where that is more.

    The last pass along ``Z`` resamples its planes where the model can't make the factor along ``Z``.

    Parameters
    ----------
    factors : Factors
        What is asked for.
    parts : sequence of Factors
        As `split` gave them.
    """
    steps: list[tuple[Factors, Factors | None]] = [(part, None) for part in parts]
    along_z = [number for number, part in enumerate(parts) if "Z" in part]
    if math.prod(parts[number].along("Z") for number in along_z) != factors.along("Z"):
        before = math.prod(parts[number].along("Z") for number in along_z[:-1])
        steps[along_z[-1]] = Factors(Z=factors["Z"] / before), parts[along_z[-1]]
    return steps


def told_of_passes(factors: Factors, passes: Sequence[Pass]) -> list[str]:
    """Return what the user should know where planes along ``Z`` are made more than asked for."""
    made = math.prod(step.made.along("Z") for step in passes)
    if made == factors.along("Z"):
        return []
    return [
        f"Planes along Z are made {made:g} times as many and resampled to {factors['Z']:.4g} times as many."
    ]


def settled(settings: UpscaleSettings, source: Source, card: ModelCard) -> UpscaleSettings:
    """Return the settings with the scale that they come to for an image: nothing of it is left open.

    Where voxels are to be cubic, exact is the factor along ``Z`` that makes a whole number of planes and
    comes nearest to them; planes are never made fewer, nor more than the model can. Nearest is the nearest
    factor that the model can make. Where that leaves planes as many as they are, what they are is left open.

    Parameters
    ----------
    settings : UpscaleSettings
        As they were asked for.
    source : Source
        The image.
    card : ModelCard
        The model's, which says what it can make.

    Raises
    ------
    VaesrError
        When voxels are to be cubic and their size is not known, or there is no ``Z``.
    """
    factors, lengths = settings.factors, source.axes.lengths
    if not settings.is_settled:
        if "Z" not in lengths:
            raise VaesrError("The image has no axis Z to upscale along, please leave isotropic out.")
        ratio = _cubic(source.pixel_size) * factors.along("X")
        depths = {rows for rows, columns in card.network.factors if columns == 1}
        choices = [1, *products(depths)] if depths else [1, max(round(ratio), 1)]
        nearest = min(choices, key=lambda factor: abs(math.log(ratio / factor)))
        is_near = settings.isotropic == "nearest" or abs(ratio / nearest - 1) < CUBIC_ENOUGH
        is_made = not is_near and 1 < ratio < choices[-1]
        factors = Factors({**factors, "Z": ratio if is_made else nearest})
    factors, told = factors.fitted(lengths), {}
    if not settings.is_settled and "Z" not in factors:
        told["sections"] = "unknown"
    return settings.model_copy(update={"scale": factors.setting, "isotropic": None, **told})


def _cubic(pixel_size: Mapping[str, float]) -> float:
    """Return how many times as many planes make voxels of this size cubic."""
    depth, side = pixel_size.get("Z", 0.0), pixel_size.get("X", 0.0)
    times = depth / side if min(depth, side) > 0 else 0.0
    if not 0 < times < math.inf:
        raise VaesrError(
            "The image does not tell the size of its voxels, please give the factor along Z, such as Z=4."
        )
    return times


def calibration_keys(card: ModelCard, factors: Factors) -> list[str]:
    """Return which calibration of a card is that of each pass: of the last, the chain's own, if any.

    Raises
    ------
    VaesrError
        As `split`.
    """
    parts = split(factors, card.network.factors, card.name)
    pairs = [factor_of(part) for part in parts]
    keys = [str(rows) if rows == columns else f"{rows}x{columns}" for rows, columns in pairs]
    whole = chain_key(parts)
    if len(parts) > 1 and whole in card.calibration:
        keys[-1] = whole
    return keys


def chain_key(parts: Sequence[Factors]) -> str:
    """Return the name on a card of a chain that is calibrated as a whole: ``8``, or ``Z=4,Y=2,X=2``."""
    whole = Factors()
    for part in parts:
        whole = whole.times(part)
    return str(whole)


def calibrations_of(
    card: ModelCard, factors: Factors, noises: Sequence[float], domain: str
) -> tuple[Calibration, ...]:
    """Return the calibrations of every pass, and in each of every channel, that a card has.

    Parameters
    ----------
    card : ModelCard
        The model's.
    factors : Factors
        What is asked for.
    noises : sequence of float
        Of each channel of the image, in unit intensity.
    domain : str
        Kind of image.
    """
    whole = chain_key(split(factors, card.network.factors, card.name))
    # What the first pass makes has no noise; but a chain was calibrated as a whole by that of the image.
    return tuple(
        card.calibration_at(key, noise if number == 0 or key == whole else 0.0, domain)
        for number, key in enumerate(calibration_keys(card, factors))
        for noise in noises
    )


def chosen_calibrations(
    card: ModelCard,
    factors: Factors,
    noises: Sequence[float],
    settings: UpscaleSettings,
    given: Sequence[Calibration] | None = None,
) -> tuple[tuple[Calibration, ...], list[str]]:
    """Return the calibrations of every pass and channel, and what to tell of those that a card lacks.

    Parameters
    ----------
    card, factors, noises
        As for `calibrations_of`.
    settings : UpscaleSettings
        Which kind of image it is, and whether there is a spread.
    given : sequence of Calibration, optional
        One for every channel, of the last pass, which corrects all of them; or for every pass and channel.
    """
    keys, parts = calibration_keys(card, factors), split(factors, card.network.factors, card.name)
    if given is not None and len(given) == len(keys) * len(noises):
        return tuple(given), []
    messages = [
        UNCALIBRATED.format(card.name, part)
        for part, key in zip(parts, keys, strict=True)
        if given is None and settings.has_spread and not card.levels(key, settings.domain)
    ]
    own = calibrations_of(card, factors, noises, settings.domain)
    return own if given is None else own[: -len(noises)] + tuple(given), messages


def _product(factor: int, known: set[int], model: str, along: str) -> list[int]:
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


def products(known: Iterable[int]) -> list[int]:
    """Return the factors that one pass or two make, in order."""
    single = set(known)
    return sorted(single | {first * second for first in single for second in single})


def seeded(settings: UpscaleSettings, number: int) -> UpscaleSettings:
    """Return the settings of a pass, each of which draws noise of its own."""
    return settings.model_copy(update={"seed": (settings.seed + number * GOLDEN) % 2**63})

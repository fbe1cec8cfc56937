"""Calibrations at several levels of noise, and the guarantee that their intervals come with.

The spread of the samples means something else in a noisy image than in a clean one. So validation images are
sorted by their noise into groups, each of which is calibrated on its own, and in between is interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from napari_vaesr.arrays import Float64Array
from napari_vaesr.errors import VaesrError
from napari_vaesr.trust.reliability import (
    BINS,
    conformal_factor,
    error_ratio,
    fit_calibration,
    interval_reach,
    left_out_quantile,
    reliability,
)
from napari_vaesr.trust.shared import ENOUGH as ENOUGH_SHARED
from napari_vaesr.trust.shared import Shares, fit_shared
from napari_vaesr.zoo.calibration import AS_DRAWN, AreaFactors, Calibration, Calibrations, interpolated

LEVELS, PER_LEVEL, PER_ORIGINAL = 6, 4, 2
"""How many levels of noise there are at most, clean and noisy each, and how many images each has at least, of
which no more than so many of one original count: further ones tell little more."""

LEVEL = 0.9
"""Share of the true pixels that an interval is to hold."""

FOLDS = 10
"""Parts of the originals that are calibrated by the others in a cross-validation."""

ENOUGH = 22
"""Independent images that a guarantee takes at the least; see `conformal_factor`."""


AREA_LIMITS = 0.05, 4.0
"""Bounds of the factor on areas."""


@dataclass(frozen=True)
class Areas:
    """How samples differ in the means of low-res pixels and within them; see `Calibration.areas`.

    Attributes
    ----------
    parts : array
        (octaves, octaves, pixels): mean over samples of the products of what they differ by within the
        smallest areas, in the means of quarters of a low-res pixel at x4, in those of low-res pixels, and in
        those of 7 x 7 of them.
    powers : array
        (octaves, 2): mean squared error of each of these, and the variance that samples say of it.
    errors : array
        (sides,): mean squared error of the means of blocks of whole low-res pixels.
    blocks : array
        (sides, 2, 2): mean over samples of the products of what the means of these blocks differ by for the
        last two octaves; others have no part in them.
    """

    parts: npt.NDArray[Any]
    powers: npt.NDArray[Any]
    errors: npt.NDArray[Any]
    blocks: npt.NDArray[Any]


@dataclass(frozen=True)
class Spread:
    """What the samples of one image said, and how wrong their mean was, pixel by pixel in unit intensity.

    Attributes
    ----------
    image : str
        Name of the original: crops of one image and degradations of one crop share it.
    domain : str
        What kind of image it is.
    noise : float
        Estimated standard deviation of the input's noise.
    clean : bool
        Whether the input was made without noise.
    std, error : array
        (pixels,), of the samples, not calibrated, and the mean minus the truth.
    gradient : array or None
        (pixels,), gradient magnitude of the mean: what the std has to say more than. None if not compared.
    areas : Areas or None
        What a factor on areas changes. None where there is to be none.
    shares : Shares or None
        Of errors that all of the image shares. None where they are not known.
    """

    image: str
    domain: str
    noise: float
    clean: bool
    std: npt.NDArray[Any]
    error: npt.NDArray[Any]
    gradient: npt.NDArray[Any] | None = None
    areas: Areas | None = None
    shares: Shares | None = None

    def said(self, factors: AreaFactors) -> npt.NDArray[Any]:
        """Return the std with these factors on areas."""
        if self.areas is None:
            return self.std
        times = _times(factors, len(self.areas.parts))
        said: npt.NDArray[Any] = np.sqrt(np.maximum(np.einsum("i,j,ijp", times, times, self.areas.parts), 0))
        return said


def without_truth_noise(
    std: npt.NDArray[Any], error: npt.NDArray[Any], noise: float
) -> tuple[Float64Array, float]:
    """Take the noise of the truth out of errors that were measured against it.

    Error and noise add up in squares, so errors of similar std are shrunk until their mean square is less by
    that of the noise.

    Parameters
    ----------
    std, error : array
        (pixels,), of the samples and of their mean minus a noisy truth.
    noise : float
        Standard deviation of the noise of the truth, in the same unit.

    Returns
    -------
    error : array
        (pixels,), as large as against a truth without noise.
    share : float
        Part of the mean squared error that was noise, 0 to 1.
    """
    errors = np.asarray(error, np.float64)
    cleaned = errors.copy()
    for part in np.array_split(np.argsort(std, kind="stable"), min(BINS, errors.size)):
        power = float(np.mean(errors[part] ** 2))
        if power > 0:
            cleaned[part] *= np.sqrt(max(0.0, 1 - noise**2 / power))
    power = float(np.mean(errors**2))
    return cleaned, min(1.0, noise**2 / power) if power > 0 else 0.0


def fit_levels(spreads: Sequence[Spread]) -> Calibrations:
    """Calibrate group by group of images of similar noise.

    Images made without noise have groups of their own, for texture can look like noise and is not wrong as
    often; and so have those of which the model was told so, whose noise is 0.

    Each group gets the line of `fit_calibration` and, as `interval`, the `left_out_quantile` of the absolute
    error over the calibrated standard deviation: it is chosen so that of originals that are left out in turn
    nine tenths of the pixels lie inside the quantile of the others. Of new images about as much is to be
    expected, but not guaranteed; see `guaranteed_levels`.

    Parameters
    ----------
    spreads : sequence of Spread
        One or more.

    Returns
    -------
    tuple of Calibration
        From the least noise to the most, at the noise of each group, by which images count as much as their
        squared errors.
    """
    parts: list[list[Spread]] = []
    for kind in ((True, True), (True, False), (False, False)):
        alike = sorted(
            (spread for spread in spreads if (spread.clean, spread.clean and spread.noise == 0) == kind),
            key=lambda spread: spread.noise,
        )
        counted = min(len(alike), PER_ORIGINAL * len(_originals(alike)))
        count = max(1, min(LEVELS, counted // PER_LEVEL))
        parts += [
            alike[part[0] : part[-1] + 1]
            for part in np.array_split(np.arange(len(alike)), count)
            if part.size
        ]
    groups: list[list[Spread]] = []
    for group in sorted(parts, key=_noise):
        if groups and _noise(group) <= (1 + 1e-6) * _noise(groups[-1]):
            groups[-1] += group  # nothing tells these from those before: make one group of both
        else:
            groups.append(group)
    return with_shared(tuple(rounded(_level(group, _noise(group))) for group in groups), spreads)


def with_shared(levels: Calibrations, spreads: Sequence[Spread]) -> Calibrations:
    """Fit to every level the errors that images of its noise share.

    Parameters
    ----------
    levels : tuple of Calibration
        From the least noise to the most.
    spreads : sequence of Spread
        Those nearest in noise count for a level, and where they are few, those nearest to them. Images of
        which the model was told that they are clean count for the level without noise alone.

    Returns
    -------
    tuple of Calibration
        As they are where any of the images can't tell.
    """
    if not levels or not spreads or any(each.shares is None for each in spreads):
        return levels
    told = [each.clean and each.noise == 0 for each in spreads]
    at = np.array([level.noise for level in levels])
    apart = np.abs(np.array([each.noise for each in spreads])[:, None] - at)
    if not all(told):
        apart[np.array(told)[:, None] != (at == 0)] += 1
    nearest, fitted = apart.argmin(axis=1), []
    for number, level in enumerate(levels):
        count = max(int(np.sum(nearest == number)), min(ENOUGH_SHARED, len(spreads)))
        some = np.argsort(apart[:, number] + 2 * (nearest != number), kind="stable")[:count]
        shares = [each for place in some if (each := spreads[place].shares) is not None]
        fitted.append(level.model_copy(update={"shared": fit_shared(shares)}))
    return tuple(fitted)


def _noise(group: Sequence[Spread]) -> float:
    """Return the noise at which a group stands: that of the images that are most wrong decides its fit."""
    wrong = np.array([np.mean(np.square(spread.error, dtype=np.float64)) for spread in group])
    noises = [spread.noise for spread in group]
    return float(np.average(noises, weights=wrong) if wrong.any() else np.mean(noises))


def fit_areas(group: Sequence[Spread]) -> AreaFactors:
    """Find the factors that make the errors of areas what calibrated samples say of them.

    The std is right at every pixel after the calibration, whatever the factors are: quarters are to be as
    right as what lies within them. Means of blocks of all sides count the same.

    Parameters
    ----------
    group : sequence of Spread
        Images of similar noise.

    Returns
    -------
    AreaFactors
        1 where any of them does not know what a factor would change.
    """
    known = [each.areas for each in group if each.areas is not None]
    sides = min((len(each.blocks) for each in known), default=0)
    if len(known) < len(group) or not sides:
        return AS_DRAWN
    errors = np.mean([each.errors[:sides] for each in known], axis=0)
    blocks = np.mean([each.blocks[:sides] for each in known], axis=0)
    powers = np.mean([each.powers for each in known], axis=0)
    if min(errors.min(), blocks.sum(axis=(1, 2)).min(), powers.min()) <= 0:
        return AS_DRAWN
    parts = np.concatenate([each.parts for each in known], axis=-1).mean(axis=-1)
    quarters = 1.0
    if len(parts) == 4:
        finest, quarter = np.sqrt(powers[:2, 0] / powers[:2, 1])
        quarters = float(np.clip(quarter / finest, *AREA_LIMITS))
    power = np.mean(np.concatenate([each.error for each in group]) ** 2)

    def wrong(logarithms: Float64Array) -> Float64Array:
        """Return for each side the logarithm of the squared error over what calibrated samples say of it."""
        areas, broad = np.exp(logarithms)
        times = _times(AreaFactors(areas, quarters, broad), len(parts))
        # Calibrated, the std of pixels is that of their errors.
        slope = power / (times @ parts @ times)
        said = slope * np.einsum("i,sij,j->s", times[-2:], blocks, times[-2:])
        return np.asarray(np.log(errors / np.maximum(said, 1e-30)))

    limits = np.log(AREA_LIMITS)
    areas, broad = np.exp(least_squares(wrong, np.zeros(2), bounds=tuple(limits)).x)
    return AreaFactors(float(areas), quarters, float(broad))


def _times(factors: AreaFactors, octaves: int) -> Float64Array:
    """Return the factors on what lies within the smallest areas, perhaps on quarters, areas and wide ones."""
    quarters = [factors.quarters] if octaves == 4 else []
    return np.array([1.0, *quarters, factors.areas, factors.broad])


def _level(group: Sequence[Spread], noise: float) -> Calibration:
    factors = fit_areas(group)
    std = np.concatenate([each.said(factors) for each in group])
    error = np.concatenate([each.error for each in group])
    line = fit_calibration(std, error)
    floor = 0.5 * float(reliability(std, error).rmse.min())
    fitted = line.model_copy(update={**factors._asdict(), "noise": noise, "floor": floor})
    ratios: dict[tuple[str, str], list[Float64Array]] = {}
    for each in group:
        ratio = error_ratio(fitted.apply(each.said(factors)), each.error)
        ratios.setdefault((each.domain, each.image), []).append(ratio)
    reach = left_out_quantile([np.concatenate(some) for some in ratios.values()], LEVEL)
    return fitted.model_copy(
        update={"interval": max(reach, 1e-3) if np.isfinite(reach) else interval_reach()}
    )


def rounded(level: Calibration) -> Calibration:
    """Keep six digits of every number: cards hold hundreds of levels, and more digits say nothing."""
    values = {name: value for name, value in level if isinstance(value, float)}
    return level.model_copy(update={name: float(f"{value:.6g}") for name, value in values.items()})


def guaranteed_levels(spreads: Sequence[Spread]) -> Calibrations:
    """Calibrate, and widen the intervals to what can be guaranteed, if there are images enough.

    Split conformal calibration: `fit_levels` sees every second original, and the others, which it has not
    seen, give the factor of `conformal_factor` for all its intervals. With a probability of at least 90 %
    over the draw of these images, the widened intervals then hold in expectation at least 90 % of the pixels
    of a new image, if that is drawn like them: by the same microscope, with the same range of noise. With
    less than twice 22 originals, or where no factor is enough, all of them calibrate and nothing is
    guaranteed.

    Parameters
    ----------
    spreads : sequence of Spread
        One or more.

    Returns
    -------
    tuple of Calibration
        As `fit_levels`, with `guaranteed` where there is one.
    """
    fitted_on, others = halves(spreads)
    if len(_originals(others)) < ENOUGH:
        return fit_levels(spreads)
    levels = fit_levels(fitted_on)
    stds, errors = [], []
    for original in _originals(others):
        same = [each for each in others if (each.domain, each.image) == original]
        widths = [interpolated(levels, each.noise) for each in same]
        half = [at.apply(each.said(at.factors)) * at.interval for at, each in zip(widths, same, strict=True)]
        stds.append(np.concatenate(half) / interval_reach(LEVEL))
        errors.append(np.concatenate([each.error for each in same]))
    try:
        factor = conformal_factor(stds, errors, LEVEL)
    except VaesrError:  # where much is expected to be exact, no factor makes up for what is not
        return fit_levels(spreads)
    return tuple(
        rounded(level.model_copy(update={"guaranteed": factor * level.interval})) for level in levels
    )


@dataclass(frozen=True)
class Tested:
    """An image calibrated by others: its calibrated std, and which pixels lie inside their intervals."""

    spread: Spread
    std: Float64Array
    inside: npt.NDArray[np.bool_]


def cross_validated(spreads: Sequence[Spread]) -> list[Tested]:
    """Calibrate every image by other originals; empty for a single original.

    This is ten-fold cross-validation, or, where there are fewer originals, leaves out one each time.
    """
    originals = _originals(spreads)
    if len(originals) < 2:
        return []
    # Neighbours in the list, which are of one domain, are calibrated by each other.
    fold = {original: number % FOLDS for number, original in enumerate(originals)}
    tested = []
    for left_out in range(min(FOLDS, len(originals))):
        levels = fit_levels([each for each in spreads if fold[each.domain, each.image] != left_out])
        for spread in (each for each in spreads if fold[each.domain, each.image] == left_out):
            at = interpolated(levels, spread.noise)
            std = at.apply(spread.said(at.factors))
            tested.append(Tested(spread, std, np.abs(spread.error) <= at.interval * std))
    return tested


def cross_validated_coverage(spreads: Sequence[Spread]) -> float | None:
    """Return the share of pixels inside the intervals when no image is calibrated by itself."""
    tested = cross_validated(spreads)
    return float(np.mean([np.mean(each.inside) for each in tested])) if tested else None


def halves(spreads: Sequence[Spread]) -> tuple[list[Spread], list[Spread]]:
    """Split into every second original of each domain and the others."""
    first = set()
    for domain in {spread.domain for spread in spreads}:
        first |= set(_originals([each for each in spreads if each.domain == domain])[::2])
    parts: tuple[list[Spread], list[Spread]] = ([], [])
    for spread in spreads:
        parts[(spread.domain, spread.image) not in first].append(spread)
    return parts


def _originals(spreads: Sequence[Spread]) -> list[tuple[str, str]]:
    return sorted({(spread.domain, spread.image) for spread in spreads})

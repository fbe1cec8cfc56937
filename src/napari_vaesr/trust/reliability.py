"""Whether the standard deviation means what it says.

`std` is the predicted standard deviation and `error` the estimate minus the truth, of one shape, in the same
unit (unit intensity when the fit goes into a model card).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from napari_vaesr.arrays import Array, Float64Array
from napari_vaesr.errors import VaesrError
from napari_vaesr.zoo.calibration import Calibration

BINS = 15
"""Bins of a reliability curve, as in CAREamics."""


@dataclass(frozen=True)
class Reliability:
    """Predicted and true spread, bin by bin from the smallest std to the largest.

    Attributes
    ----------
    std : array
        (bins,), root mean square of the predicted std.
    rmse : array
        (bins,), root mean squared error; equal to `std` when perfectly calibrated.
    count : array
        (bins,), number of pixels.
    """

    std: Float64Array
    rmse: Float64Array
    count: npt.NDArray[np.int64]


def reliability(std: Array, error: Array, bins: int = BINS) -> Reliability:
    """Return the reliability curve (Levi et al., 2022): error over predicted std in bins of as many pixels.

    Parameters
    ----------
    std, error : array
        Of one shape.
    bins : int
        How many bins; fewer are made of fewer pixels.

    Returns
    -------
    Reliability
        The curve.

    Raises
    ------
    VaesrError
        When the shapes differ, a value is not finite, a std is negative or there are no pixels.
    """
    std, error = _checked(std, error)
    order = np.argsort(std, kind="stable")
    parts = np.array_split(order, min(bins, std.size))
    return Reliability(
        std=np.array([_root_mean_square(std[part]) for part in parts]),
        rmse=np.array([_root_mean_square(error[part]) for part in parts]),
        count=np.array([part.size for part in parts]),
    )


def fit_calibration(std: Array, error: Array, bins: int = BINS) -> Calibration:
    """Fit RMSE = slope * std + offset to the reliability curve by least squares, as CAREamics does.

    The bins are of equal numbers of pixels where those of CAREamics are of equal width: a long tail of rare,
    large std leaves none of them almost empty.

    Parameters
    ----------
    std, error : array
        Of one shape.
    bins : int
        Bins of the reliability curve.

    Returns
    -------
    Calibration
        Slope 1 and offset 0 when the std is already right. Where no line rises through the curve, because the
        std is the same everywhere or says nothing of the error, the slope or the offset alone is fitted.

    Raises
    ------
    VaesrError
        When the shapes differ, a value is not finite, a std is negative or there are no pixels.
    """
    curve = reliability(std, error, bins)
    overall = _root_mean_square(curve.rmse)
    centred = curve.std - curve.std.mean()
    power = float(np.sum(centred**2))
    # Differences of the size of rounding are no line to fit.
    if power <= (1e-6 * float(curve.std.mean())) ** 2 * curve.std.size:
        level = float(curve.std.mean())
        return Calibration(slope=overall / level) if level else Calibration(slope=1.0, offset=overall)
    slope = float(np.sum(centred * curve.rmse)) / power
    if slope <= 0:
        return Calibration(slope=0.0, offset=overall)
    return Calibration(slope=slope, offset=float(curve.rmse.mean() - slope * curve.std.mean()))


def coverage(std: Array, error: Array, level: float = 0.9) -> float:
    """Return the share of pixels within the central interval that a normal distribution gives.

    Parameters
    ----------
    std, error : array
        Of one shape.
    level : float
        The share that ought to be inside, between 0 and 1.

    Returns
    -------
    float
        Equal to `level` when calibrated, larger when the std is too large.

    Raises
    ------
    VaesrError
        As for `reliability`, and when the level is not between 0 and 1.
    """
    reach = interval_reach(level)
    std, error = _checked(std, error)
    return float(np.mean(np.abs(error) <= reach * std))


def interval_reach(level: float = 0.9) -> float:
    """Return how many standard deviations a central interval of a normal distribution reaches to each side.

    Parameters
    ----------
    level : float
        Share of the values inside, between 0 and 1.

    Raises
    ------
    VaesrError
        When the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise VaesrError(f"An interval can't hold a share of {level}, give a level between 0 and 1.")
    return NormalDist().inv_cdf((1 + level) / 2)


def conformal_factor(
    std: Sequence[Array], error: Sequence[Array], level: float = 0.9, confidence: float = 0.9
) -> float:
    """Return what the intervals have to be widened by to keep their promise, whatever the errors are like.

    With the factor f, the interval of a pixel is its mean ± f * `interval_reach` (level) * std. The promise
    (Angelopoulos et al., 2022, "Image-to-image regression with distribution-free uncertainty
    quantification"; risk-controlling prediction sets, Bates et al., 2021): with a probability of at least
    `confidence` over the draw of the calibration images, a new image has in expectation at least a share
    `level` of its true pixels inside the intervals.

    It holds for any model and any distribution of errors, and in finite samples, but only if the calibration
    images and the new one are drawn independently from one distribution: crops of one image or planes of one
    stack count as one image, and another microscope is another distribution. It is about the average
    over images and pixels: one image, or the hardest pixels of all, may be covered less.

    Parameters
    ----------
    std, error : sequence of arrays
        One array for each independent image.
    level : float
        The share that ought to be inside, between 0 and 1.
    confidence : float
        Probability that the calibration does not mislead, between 0 and 1.

    Returns
    -------
    float
        The smallest such factor for the Hoeffding-Bentkus bound, to a thousandth.

    Raises
    ------
    VaesrError
        As for `reliability`, or when there are too few images for any factor to be safe.
    """
    reach = interval_reach(level)
    if not 0 < confidence < 1:
        raise VaesrError(f"A confidence of {confidence} is not possible, give one between 0 and 1.")
    ratios = []
    for image_std, image_error in zip(std, error, strict=True):
        predicted, wrong = _checked(image_std, image_error)
        ratios.append(np.sort(error_ratio(reach * predicted, wrong)))

    def is_safe(factor: float) -> bool:
        outside = np.mean([1 - np.searchsorted(ratio, factor, side="right") / ratio.size for ratio in ratios])
        return _risk_p_value(float(outside), 1 - level, len(ratios)) <= 1 - confidence

    # Enough images are those that would do if all of their pixels were inside.
    needed = math.ceil(math.log(1 - confidence) / math.log(level))
    if len(ratios) < needed:
        raise VaesrError(
            f"{len(ratios)} images are too few to promise anything, give {needed} independent ones or more."
        )
    low, high = 0.0, max(float(ratio[np.isfinite(ratio)].max(initial=1.0)) for ratio in ratios)
    if not is_safe(high):
        raise VaesrError("Too many pixels have a std of 0 and an error, no factor can widen their intervals.")
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (low, middle) if is_safe(middle) else (middle, high)
    return high


def left_out_quantile(ratios: Sequence[Array], level: float = 0.9) -> float:
    """Return the quantile of errors over std that is expected to hold a share of the pixels of another image.

    A share of the pixels of few images is less of another's. So each image is left out in turn (leave-one-out
    cross-validation), and the quantile is taken at the first share at which those of the others hold `level`
    of the pixels that are left out, of all images together.

    Parameters
    ----------
    ratios : sequence of array
        One array of absolute errors over std for each independent image; a single one gives its quantile.
    level : float
        The share that ought to be inside, between 0 and 1.

    Returns
    -------
    float
        The quantile of all pixels, at a share of nine tenths of the way from `level` to 1 at most; where
        images differ so much that this is not enough, fewer pixels than `level` are inside.
    """
    pooled = np.concatenate(ratios)
    if len(ratios) == 1:
        return float(np.quantile(pooled, level))
    shares = np.linspace(level, 1 - (1 - level) / 10, 46)
    at = np.quantile(pooled, np.linspace(0, 1, 2001), method="higher")
    inside = np.stack([np.searchsorted(np.sort(ratio), at, side="right") for ratio in ratios])
    sizes = np.array([ratio.size for ratio in ratios])
    others = (inside.sum(axis=0) - inside) / (sizes.sum() - sizes)[:, None]
    for share in shares:
        reached = np.argmax(others >= share - 1e-9, axis=1)  # the last threshold holds all
        if inside[np.arange(len(ratios)), reached].sum() >= level * sizes.sum():
            return float(np.quantile(pooled, share))
    return float(np.quantile(pooled, shares[-1]))


def error_ratio(std: Array, error: Array) -> Float64Array:
    """Return the absolute error over the std, 0 where there is no error, infinite where it was not expected.

    Parameters
    ----------
    std, error : array
        Of one shape.
    """
    ratio = np.full(error.shape, np.inf)
    np.divide(np.abs(error), std, out=ratio, where=std > 0)
    ratio[error == 0] = 0
    return ratio


def _risk_p_value(observed: float, risk: float, images: int) -> float:
    """Bound the probability to observe so small a mean loss in [0, 1] if its expectation were above `risk`.

    The Hoeffding-Bentkus bound of Bates et al. (2021) and Angelopoulos et al. (2021, "Learn then test").
    """
    from scipy.stats import binom

    if observed >= risk:
        return 1.0
    divergence = (1 - observed) * math.log((1 - observed) / (1 - risk))
    if observed > 0:
        divergence += observed * math.log(observed / risk)
    hoeffding = math.exp(-images * divergence)
    bentkus = math.e * float(binom.cdf(math.ceil(images * observed), images, risk))
    return min(hoeffding, bentkus)


def rank_correlation(std: Array, error: Array) -> float:
    """Return Spearman's rank correlation of the std and the absolute error.

    Parameters
    ----------
    std, error : array
        Of one shape.

    Returns
    -------
    float
        1 when a larger std always goes with a larger error; 0 when it says nothing, or where one is constant.

    Raises
    ------
    VaesrError
        As for `reliability`.
    """
    from scipy.stats import spearmanr

    std, error = _checked(std, error)
    size = np.abs(error)
    if np.ptp(std) == 0 or np.ptp(size) == 0:
        return 0.0
    return float(spearmanr(std, size).statistic)


def partial_rank_correlation(std: Array, error: Array, *fixed: Array) -> float:
    """Return the rank correlation of std and absolute error with other quantities held fixed.

    Spearman's partial correlation: what is a straight line of the ranks of `fixed` is taken away from the
    ranks of both before they are compared.

    Parameters
    ----------
    std, error, *fixed : array
        Of one shape.

    Returns
    -------
    float
        0 when the std tells no more of the error than `fixed` does.

    Raises
    ------
    VaesrError
        As for `reliability`.
    """
    from scipy.stats import rankdata

    std, error = _checked(std, error)
    others = [np.ones(std.size), *(rankdata(each) for each in fixed)]
    known = np.stack(others, axis=1) / std.size
    ranks = np.stack([rankdata(std), rankdata(np.abs(error))], axis=1)
    rest = ranks - known @ np.linalg.lstsq(known, ranks, rcond=None)[0]
    sizes = np.sqrt(np.sum(rest**2, axis=0))
    # Differences of the size of rounding are nothing that was told.
    if sizes.min() < 1e-6 * std.size**1.5:
        return 0.0
    return float(rest[:, 0] @ rest[:, 1] / sizes.prod())


def _root_mean_square(values: Float64Array) -> float:
    """Return the root of the mean of the squares."""
    return float(np.sqrt(np.mean(values**2)))


def _checked(std: Array, error: Array) -> tuple[Float64Array, Float64Array]:
    """Return both flat and in float64, or refuse them."""
    std, error = np.asarray(std, np.float64), np.asarray(error, np.float64)
    if std.shape != error.shape:
        raise VaesrError(f"The std has shape {std.shape} and the error {error.shape}, give the same pixels.")
    if not std.size:
        raise VaesrError("There are no pixels to calibrate on, give at least one.")
    if not (np.isfinite(std).all() and np.isfinite(error).all()):
        raise VaesrError("The std or the error holds NaN or infinite values, leave those pixels out.")
    if (std < 0).any():
        raise VaesrError("A standard deviation can't be negative, check what was given as std.")
    return std.ravel(), error.ravel()

"""Running mean and variance of antithetic pairs of samples; memory does not grow with their number."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_vaesr.zoo.calibration import AS_DRAWN, AreaFactors

NEIGHBOURS = 1
"""High-res pixels on every side whose variances a pixel's variance is averaged with."""

BROAD = 3
"""Low-res pixels on every side whose mean `Calibration.broad` scales."""


def with_areas(drawn: Tensor, factors: AreaFactors) -> Tensor:
    """Scale what samples differ by in means: of wide areas, of low-res pixels, and of their quarters at x4.

    Parameters
    ----------
    drawn : Tensor
        (samples, rows * columns, height, width): what samples add to the base, all pixels that come of one
        low-res pixel along the second axis. Right but for `BROAD` low-res pixels along edges that are not
        those of the image.
    factors : AreaFactors
        See `Calibration.areas`, `Calibration.broad` and `Calibration.quarters`.
    """
    if factors == AS_DRAWN:
        return drawn
    means = drawn.mean(dim=1, keepdim=True)
    changed = drawn + (factors.areas - 1) * means
    if factors.broad != factors.areas:
        changed = changed + (factors.broad - factors.areas) * broad_means(means)
    if factors.quarters != 1 and drawn.shape[1] == 16:
        halves = drawn.reshape(-1, 2, 2, 2, 2, *drawn.shape[2:])  # rows, then columns
        quarters = halves.mean(dim=(2, 4), keepdim=True).expand_as(halves).flatten(1, 4)
        changed = changed + (factors.quarters - 1) * (quarters - means)
    return changed


def broad_means(areas: Tensor) -> Tensor:
    """Average over 7 x 7 low-res pixels, those within the image.

    Parameters
    ----------
    areas : Tensor
        (batch, 1, height, width), low-res.
    """
    side = 2 * BROAD + 1
    columns = F.avg_pool2d(areas, (side, 1), stride=1, padding=(BROAD, 0), count_include_pad=False)
    return F.avg_pool2d(columns, (1, side), stride=1, padding=(0, BROAD), count_include_pad=False)


def smoothed(variance: Tensor) -> Tensor:
    """Average the variance over every pixel and its eight neighbours, those within the image.

    So few samples tell a single pixel's variance to a third only; neighbours have much the same one.

    Parameters
    ----------
    variance : Tensor
        (batch, channels, height, width), high-res.
    """
    side = 2 * NEIGHBOURS + 1
    return F.avg_pool2d(variance, side, stride=1, padding=NEIGHBOURS, count_include_pad=False)


class PairedMoments:
    r"""Mean and variance of samples that come in antithetic pairs, one pair after the other.

    Noise :math:`\epsilon` and :math:`-\epsilon` give a pair of samples :math:`s^+, s^-` with the half sum
    :math:`m = (s^+ + s^-)/2` and the half difference :math:`d = (s^+ - s^-)/2`. The two are uncorrelated and
    :math:`E[d] = 0` by symmetry, so over :math:`J` pairs

    .. math:: \mathrm{Var}(s) \approx \frac{1}{J} \sum_j d_j^2 + \frac{1}{J-1} \sum_j (m_j - \bar m)^2

    is free of bias; with one pair the second term is left out. The sums run as in Welford (1962), in float32.
    A last sample without its partner enters the mean only.

    Attributes
    ----------
    samples : int
        How many samples have been added.
    """

    def __init__(self) -> None:
        self.samples = 0
        self._mean: Tensor | None = None
        self._half_sums: Tensor | None = None  # sum of (m - mean of m)^2
        self._half_differences: Tensor | None = None  # sum of d^2

    def add(self, samples: Tensor) -> None:
        """Add samples 2j, 2j + 1, ...: whole pairs, but for the very last call, which may end on half a pair.

        Parameters
        ----------
        samples : Tensor
            Shape (samples, ...), float32.
        """
        if self.samples % 2:
            raise ValueError("Nothing can follow a sample without its partner.")
        for pair in torch.split(samples, 2):
            if len(pair) == 2:
                self._add_pair(pair[0], pair[1])
            else:
                self._add_last(pair[0])

    def _add_pair(self, plus: Tensor, minus: Tensor) -> None:
        mean = (plus + minus).mul_(0.5)
        difference = (plus - minus).mul_(0.5)
        self.samples += 2
        pairs = self.samples // 2
        if self._mean is None or self._half_sums is None or self._half_differences is None:
            self._mean, self._half_sums = mean, torch.zeros_like(mean)
            self._half_differences = difference.square_()
            return
        self._half_differences.addcmul_(difference, difference)
        change = mean.sub_(self._mean)
        self._mean.add_(change, alpha=1 / pairs)
        self._half_sums.addcmul_(change, change, value=(pairs - 1) / pairs)

    def _add_last(self, sample: Tensor) -> None:
        self.samples += 1
        if self._mean is None:
            self._mean = sample.clone()
        else:
            self._mean.lerp_(sample, 1 / self.samples)

    @property
    def mean(self) -> Tensor:
        """The mean of all samples."""
        if self._mean is None:
            raise ValueError("There are no samples yet.")
        return self._mean

    @property
    def variance(self) -> Tensor | None:
        """The variance of one sample about the mean, None while there is no pair."""
        if self._half_sums is None or self._half_differences is None:
            return None
        pairs = self.samples // 2
        return self._half_differences / pairs + self._half_sums / max(pairs - 1, 1)

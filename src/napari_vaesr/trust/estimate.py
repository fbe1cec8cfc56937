"""A number with its error bar, from what it comes to in every sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_vaesr.arrays import Float64Array

LEVEL = 0.9
"""Share of the truths that a range is to hold."""


@dataclass(frozen=True)
class Estimate:
    """A number with its error bar; NaN where it could not be measured.

    Attributes
    ----------
    value : float
        On the mean image.
    mean, error : float
        Mean and standard deviation over the samples in which it can be measured.
    low, high : float
        90 % range.
    share : float
        Part of the samples in which it can be measured.
    """

    value: float
    mean: float
    error: float
    low: float
    high: float
    share: float

    @classmethod
    def of(cls, value: float, samples: Float64Array) -> Estimate:
        """Sum up what was measured in samples, NaN in those where it could not be.

        Parameters
        ----------
        value : float
            What was measured in the mean.
        samples : float64 array of shape (samples,)
            What was measured in each sample, in the same unit.
        """
        there = samples[np.isfinite(samples)]
        low, high = prediction_range(there)
        mean = float(there.mean()) if there.size else np.nan
        error = float(there.std(ddof=1)) if there.size > 1 else np.nan
        return cls(value, mean, error, low, high, there.size / max(samples.size, 1))

    def in_words(self, unit: str = "") -> str:
        """Write it as people do: ``0.43 µm (0.40 to 0.47)``, in as many digits as the error has."""
        if not np.isfinite(self.value):
            return "none"
        if not np.isfinite(self.error):
            return f"{self.value:.3g} {unit}".strip()
        digits = max(0, int(np.ceil(-np.log10(self.error))) + 1) if self.error > 0 else 2
        number = f"{self.value:.{digits}f}"
        return f"{number} {unit}".strip() + f" ({self.low:.{digits}f} to {self.high:.{digits}f})"


def prediction_range(values: Float64Array) -> tuple[float, float]:
    """Return the range that holds one more value like these with a probability of `LEVEL`.

    Quantiles at ``k / (n + 1)``, which are right for any number of values; of fewer than 19 the 90 % range is
    that from the least to the greatest, and holds less.

    Parameters
    ----------
    values : array of shape (samples,)
        Finite; none gives NaN.
    """
    if not values.size:
        return np.nan, np.nan
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, [tail, 1 - tail], method="weibull")
    return float(low), float(high)

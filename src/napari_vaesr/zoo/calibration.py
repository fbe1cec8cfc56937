"""What turns the spread of samples into errors to expect, at several levels of noise; kept on model cards."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator

Covariance = tuple[tuple[FiniteFloat, ...], ...]
"""Rows of a symmetric matrix without negative eigenvalues."""

SHARED_KINDS = 3
"""Kinds of errors that all of an image shares; see `napari_vaesr.trust.shared`."""

NORMAL_INTERVAL = 1.6449
"""Half width of the central 90 % interval of a normal distribution, in standard deviations."""


class AreaFactors(NamedTuple):
    """Factors on parts of what samples differ by; see `Calibration.areas`, `quarters` and `broad`."""

    areas: float = 1.0
    quarters: float = 1.0
    broad: float = 1.0


AS_DRAWN = AreaFactors()
"""Nothing is changed."""


class Calibration(BaseModel):
    """What turns the spread of the samples into an expected error, max(floor, slope * std + offset).

    And what turns that into an interval which holds nine tenths of the true pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    noise: FiniteFloat = Field(
        default=0.0, ge=0, description="Noise of the images that this was fitted on, in unit intensity."
    )
    slope: FiniteFloat = Field(
        default=1.0, ge=0, description="Factor on the standard deviation of the samples."
    )
    offset: FiniteFloat = Field(
        default=0.0, description="Added after the factor, in unit intensity (0 to 1)."
    )
    areas: FiniteFloat = Field(
        default=1.0,
        ge=0,
        description="Factor on what samples differ by in the mean of all pixels that come of one pixel of "
        "the input, before their standard deviation is taken: so that errors of areas are right, too.",
    )
    quarters: FiniteFloat = Field(
        default=1.0,
        ge=0,
        description="The same for what the quarters of these areas differ by, 2 x 2 pixels each, at x4.",
    )
    broad: FiniteFloat | None = Field(
        default=None,
        ge=0,
        description="The same for what means over 7 x 7 pixels of the input differ by; *areas* is of what is "
        "left of single ones then. Absent: they are scaled alike.",
    )
    floor: FiniteFloat = Field(
        default=0.0, ge=0, description="Smallest error to expect of any pixel, in unit intensity."
    )
    interval: FiniteFloat = Field(
        default=NORMAL_INTERVAL,
        gt=0,
        description="Half width of the 90 % interval in calibrated standard deviations.",
    )
    guaranteed: FiniteFloat | None = Field(
        default=None,
        gt=0,
        description="Half width that comes with a guarantee, where there were images enough for one.",
    )
    shared: Covariance | None = Field(
        default=None,
        description="Covariance of the errors that all of an image shares beyond what samples say, as parts "
        "of its contrast, sharpness and edges: what measurements add to samples. Absent where not known.",
    )

    @field_validator("shared")
    @classmethod
    def _shared_is_a_covariance(cls, shared: Covariance | None) -> Covariance | None:
        if shared is not None:
            if [len(row) for row in shared] != [SHARED_KINDS] * SHARED_KINDS:
                raise ValueError(f"shared errors have {SHARED_KINDS} rows of {SHARED_KINDS} numbers")
            matrix = np.array(shared)
            if not np.allclose(matrix, matrix.T) or np.linalg.eigvalsh(matrix)[0] < -1e-5 * np.trace(matrix):
                raise ValueError("shared errors are no covariance")
        return shared

    @property
    def factors(self) -> AreaFactors:
        """What samples are changed by before their standard deviation is taken."""
        return AreaFactors(self.areas, self.quarters, self.areas if self.broad is None else self.broad)

    def apply(self, std: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return calibrated standard deviations for those of the samples, in unit intensity.

        Parameters
        ----------
        std : array
            Of any shape.
        """
        return np.maximum(self.slope * std + self.offset, self.floor)


Calibrations = tuple[Calibration, ...]
"""From the least noise to the most; in between they are interpolated."""


def interpolated(levels: Calibrations, noise: float) -> Calibration:
    """Return what calibrations at some levels of noise say of another: linear in between, constant beyond.

    Parameters
    ----------
    levels : tuple of Calibration
        One or more, their noise rising.
    noise : float
        Standard deviation in unit intensity.
    """
    at = [level.noise for level in levels]
    names = ("slope", "offset", "floor", "interval")
    values: dict[str, Any] = {
        name: float(np.interp(noise, at, [getattr(level, name) for level in levels])) for name in names
    }
    for name in AreaFactors._fields:
        values[name] = float(np.interp(noise, at, [getattr(level.factors, name) for level in levels]))
    if all(level.broad is None for level in levels):
        del values["broad"]
    safe = [level.guaranteed for level in levels if level.guaranteed is not None]
    if len(safe) == len(levels):
        values["guaranteed"] = float(np.interp(noise, at, safe))
    shared = [level.shared for level in levels if level.shared is not None]
    if len(shared) == len(levels):
        rows = (zip(*row, strict=True) for row in zip(*shared, strict=True))
        values["shared"] = tuple(tuple(float(np.interp(noise, at, each)) for each in row) for row in rows)
    return Calibration(noise=noise, **values)

"""What an upscaling gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.engine.settings import UncertaintyKind

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float32]

DARKEST = 1e-3
"""Relative uncertainty counts a mean darker than this part of the intensity range as being this bright."""


@dataclass(frozen=True)
class Result:
    """An upscaled image, how sure it is, and how it was made.

    Attributes
    ----------
    mean : ndarray
        The upscaled image in the dtype of the input (float32 for all floats); `Y` and `X` are `scale`
        times as long.
    std : ndarray or None
        Calibrated standard deviation in the input's intensity units, float32, without `S`; None for one
        sample.
    uncertainty : ndarray or None
        The kind of uncertainty asked for; the same as `std` unless another kind was.
    record : dict
        All that is needed to make the result again, ready for JSON.
    axes : str
        Names of the axes of `mean`, those of the input.
    samples : ndarray or None
        Every image drawn, one axis of samples before those of `mean`, in its dtype; None unless they were to
        be kept. The model's own draws: their spread is not calibrated, as `std` is.
    """

    mean: Array
    std: FloatArray | None
    uncertainty: FloatArray | None
    record: dict[str, Any]
    axes: str
    samples: Array | None = None


def _relative(mean: FloatArray, std: FloatArray, darkest: float) -> FloatArray:
    brightness: FloatArray = np.maximum(np.abs(mean), np.float32(darkest))
    return std / brightness


# From (mean, std, darkest) to the map that is shown. A colour image's mean is its luma.
UNCERTAINTIES: dict[UncertaintyKind, Callable[[FloatArray, FloatArray, float], FloatArray]] = {
    "std": lambda mean, std, darkest: std,
    "variance": lambda mean, std, darkest: std * std,
    "relative": _relative,
}


def uncertainty_map(kind: UncertaintyKind, mean: FloatArray, std: FloatArray, gain: float) -> FloatArray:
    """Turn a plane's standard deviation into the kind of uncertainty asked for.

    Parameters
    ----------
    kind : {"std", "variance", "relative"}
        ``relative`` is the standard deviation over the absolute mean, which counts as at least a thousandth
        of the intensity range, so that it stays finite in the dark.
    mean, std : float32 array of shape (Y, X)
        In the source's intensity units; for colour, of its luma.
    gain : float
        The intensity range of the source.
    """
    return UNCERTAINTIES[kind](mean, std, DARKEST * gain)

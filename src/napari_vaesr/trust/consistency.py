"""Whether the result, made small again, gives back the input.

After Lugmayr et al. (2021), "NTIRE 2021 learning the super-resolution space challenge".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.colour import visible_luma
from napari_vaesr.pairs.degradation import downscaled
from napari_vaesr.trust.metrics import psnr


def low_res_psnr(
    result: npt.NDArray[Any], source: npt.NDArray[Any], scale: int, *, data_range: float = 1.0
) -> float:
    """Return the PSNR between the result made small again and the image it was made from.

    Parameters
    ----------
    result : array
        (..., scale * Y, scale * X).
    source : array
        (..., Y, X).
    scale : int
        The factor of the upscaling.
    data_range : float
        Distance between black and white.

    Returns
    -------
    float
        In dB; 45 dB and more counts as consistent.

    Raises
    ------
    VaesrError
        When the shapes don't belong together or a value is not finite.
    """
    result, source = np.asarray(result), np.asarray(source)
    expected = (*source.shape[:-2], source.shape[-2] * scale, source.shape[-1] * scale)
    if result.shape != expected:
        raise VaesrError(
            f"A result of shape {result.shape} was not made {scale} times larger from {source.shape}, "
            f"give one of shape {expected}."
        )
    return psnr(downscaled(result, scale), source, data_range=data_range)


LARGEST = 3.0
"""Noise standard deviations that a consistent result may be off by."""

UNFAITHFUL = 0.1
"""Share of a consistency map beyond `LARGEST` that is worth a warning."""

LOOKED_AT = 512
"""Side of the middle of a plane that a share is of."""

FAITHFUL = 0.004
"""Part of the intensity range that a result may always be off by: about a grey level of 8 bits."""


def consistency_map(
    result: npt.NDArray[Any], source: npt.NDArray[Any], scale: int, *, data_range: float
) -> npt.NDArray[np.float32]:
    """Return where a result, made small again, differs from the image it was made from.

    Parameters
    ----------
    result : array
        (scale * Y, scale * X).
    source : array
        (Y, X).
    scale : int
        The factor of the upscaling.
    data_range : float
        Distance between black and white.

    Returns
    -------
    array
        (Y, X), in standard deviations of the source's noise, which is estimated at each intensity, and a
        grey level more. Beyond `LARGEST` there is something in the one that is not in the other.

    Raises
    ------
    VaesrError
        When the shapes don't belong together.
    """
    from napari_vaesr.trust.image_noise import noise_model

    result, source = np.asarray(result), np.asarray(source)
    if source.ndim != 2:
        raise VaesrError(f"One plane is compared at a time, give (Y, X) and not an image of {source.shape}.")
    if result.shape != (source.shape[0] * scale, source.shape[1] * scale):
        raise VaesrError(
            f"A result of shape {result.shape} was not made {scale} times larger "
            f"from {source.shape}, give one of the two that belongs to the other."
        )
    low = np.asarray(source, np.float64)
    spread = np.sqrt(noise_model(low).variance(low) + (FAITHFUL * data_range) ** 2)
    return np.asarray((downscaled(result, scale) - low) / spread, np.float32)


def inconsistent_share(differences: npt.NDArray[np.float32]) -> float:
    """Return the share of a consistency map that is beyond `LARGEST`."""
    return float(np.mean(np.abs(differences) > LARGEST))


def departure_share(
    result: npt.NDArray[Any], source: npt.NDArray[Any], scale: int, *, data_range: float
) -> float:
    """Return the share of a plane where its result departs from it, of the middle of 512 pixels a side.

    Parameters
    ----------
    result : array
        (scale * Y, scale * X), or with colours behind.
    source : array
        (Y, X), or with colours behind; of both the luma is looked at.
    scale : int
        The factor of the upscaling.
    data_range : float
        Distance between black and white.
    """
    starts = [max(0, size - LOOKED_AT) // 2 for size in source.shape[:2]]
    low, high = (
        image[tuple(slice(factor * start, factor * (start + LOOKED_AT)) for start in starts)]
        for image, factor in ((source, 1), (result, scale))
    )
    if low.ndim == 3:
        low, high = visible_luma(low), visible_luma(high)
    return inconsistent_share(consistency_map(high, low, scale, data_range=data_range))

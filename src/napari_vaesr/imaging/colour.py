"""Colour as luma and chroma: full-range BT.601, as in JPEG (ITU-T T.871)."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Float = TypeVar("Float", np.float32, np.float64)

COLOURS = ("red", "green", "blue", "alpha")

RED, GREEN, BLUE = 0.299, 0.587, 0.114  # weights of luma; they sum to 1


def rgb_to_luma_chroma(rgb: npt.NDArray[Float]) -> tuple[npt.NDArray[Float], npt.NDArray[Float]]:
    """Split colours into luma and chroma.

    Parameters
    ----------
    rgb : float array of shape (..., 3)
        Red, green, blue in one linear scale, usually [0, 1].

    Returns
    -------
    luma : array of shape (...)
        In the range of `rgb`.
    chroma : array of shape (..., 2)
        Blue and red difference, centred on 0, from -1/2 to 1/2 for colours in [0, 1].
    """
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    luma = RED * red + GREEN * green + BLUE * blue
    chroma = np.stack([(blue - luma) / (2 * (1 - BLUE)), (red - luma) / (2 * (1 - RED))], axis=-1)
    return luma, chroma


def luma_chroma_to_rgb(luma: npt.NDArray[Float], chroma: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """Join luma (...) and chroma (..., 2) into colours (..., 3): `rgb_to_luma_chroma` undone."""
    blue = luma + 2 * (1 - BLUE) * chroma[..., 0]
    red = luma + 2 * (1 - RED) * chroma[..., 1]
    green = (luma - RED * red - BLUE * blue) / GREEN
    return np.stack([red, green, blue], axis=-1)

"""Colour as luma and chroma: full-range BT.601, as in JPEG (ITU-T T.871)."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from napari_vaesr.errors import VaesrError
from napari_vaesr.luma import BLUE, GREEN, RED

Float = TypeVar("Float", np.float32, np.float64)

COLOURS = ("red", "green", "blue", "alpha")

OPAQUE = {"uint8": 255.0, "uint16": 65535.0, "float16": 1.0, "float32": 1.0, "float64": 1.0}
"""The alpha of what hides all behind it, by the type of a pixel; of others it is not known."""

FAINTEST = 1 / 255
"""Share of the light below which a colour cannot be seen, and is not asked for."""


def premultiplied(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Weight colours by their alpha, so that what is hidden has no part in what is seen beside it.

    Parameters
    ----------
    pixels : array of shape (..., 4)
        Red, green, blue and alpha; with other lengths, and where all is opaque, it comes back as it is.

    Raises
    ------
    VaesrError
        When the alpha of floats is not from 0 to 1.
    """
    opaque = OPAQUE.get(pixels.dtype.newbyteorder("=").name)
    if pixels.shape[-1] != 4 or opaque is None or bool((pixels[..., 3] == opaque).all()):
        return pixels
    alpha = pixels[..., 3:].astype(np.float64)
    if alpha.min() < 0 or alpha.max() > opaque:
        raise VaesrError("The alpha of colours in floats goes from 0 to 1, please scale it so.")
    return np.concatenate([pixels[..., :3] * (alpha / opaque), alpha], axis=-1)


def straight(pixels: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> npt.NDArray[np.float64]:
    """Undo `premultiplied`, with alpha and colours within the bounds of what has an alpha.

    Parameters
    ----------
    pixels : float array of shape (..., 4)
        Colours weighted by alpha, and alpha, in source intensities.
    dtype : dtype
        Of the source.
    """
    opaque = OPAQUE.get(dtype.newbyteorder("=").name)
    if opaque is None:
        return pixels
    alpha = np.clip(pixels[..., 3:], 0, opaque)
    share = alpha / opaque
    seen = np.where(share >= 1, pixels[..., :3], pixels[..., :3] / np.maximum(share, FAINTEST))
    colours = np.where(share < FAINTEST, 0, np.clip(seen, 0, opaque))
    return np.concatenate([colours, alpha], axis=-1)


def luma(rgb: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """Return the luma (...) of colours (..., 3), in their range and their precision."""
    found: npt.NDArray[Float] = RED * rgb[..., 0] + GREEN * rgb[..., 1] + BLUE * rgb[..., 2]
    return found


def visible_luma(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the luma (...) of colours (..., 3 or 4) of any type, weighted by their alpha, if any."""
    return luma(premultiplied(pixels)[..., :3].astype(np.float32))


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
    red, blue = rgb[..., 0], rgb[..., 2]
    grey = luma(rgb)
    chroma = np.stack([(blue - grey) / (2 * (1 - BLUE)), (red - grey) / (2 * (1 - RED))], axis=-1)
    return grey, chroma


def luma_chroma_to_rgb(grey: npt.NDArray[Float], chroma: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """Join luma (...) and chroma (..., 2) into colours (..., 3): `rgb_to_luma_chroma` undone."""
    blue = grey + 2 * (1 - BLUE) * chroma[..., 0]
    red = grey + 2 * (1 - RED) * chroma[..., 1]
    green = (grey - RED * red - BLUE * blue) / GREEN
    return np.stack([red, green, blue], axis=-1)

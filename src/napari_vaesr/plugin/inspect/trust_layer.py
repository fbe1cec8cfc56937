"""Hatching over the mean where its uncertainty exceeds a threshold: what lies below stays in sight."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image
from napari.utils import Colormap

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.sampling import here_and_there
from napari_vaesr.plugin.viewer.layers import same_place
from napari_vaesr.plugin.viewer.look import axes_of, relative_of
from napari_vaesr.plugin.viewer.results import ShownResult
from napari_vaesr.trust.certainty import UNSURE

PERIOD, STRIPE = 8, 2
"""Result pixels from one stripe to the next, and of its width."""

LOOKED_AT = 1_000_000
"""Pixels that a share is measured on, at most."""

EDGE = 0.15
"""Part of the threshold over which stripes appear, on either side."""


def trust_layer(result: ShownResult, threshold: float) -> Image:
    """Return a layer that hatches a result where it is unsure, in the joint map's colour of what is guessed.

    Its pixels are the relative uncertainty along diagonal stripes and 0 between them; only its contrast
    limits depend on the threshold, so that moving it costs nothing.

    Parameters
    ----------
    result : ShownResult
        What to hatch.
    threshold : float
        Std over the contrast above background from which on stripes are drawn.
    """
    relative = uncertainty_to_fade(result)
    axes = axes_of(result)
    return Image(
        relative * stripes(relative.shape, axes.index("Y"), axes.index("X")),
        **same_place(result.mean),
        name=f"{result.name} unsure",
        rgb=False,
        colormap=Colormap([(*UNSURE, 0.0), (*UNSURE, 1.0)], name="hatching"),
        blending="translucent_no_depth",
        contrast_limits=veil_limits(threshold),
        metadata=result.metadata("trust"),
    )


def uncertainty_to_fade(result: ShownResult) -> Any:
    """Return the std over the contrast, smoothed; over the mean where planes are computed as one scrolls."""
    try:
        return relative_of(result)
    except VaesrError:
        return result.map("relative")


def stripes(shape: tuple[int, ...], rows: int, columns: int) -> Any:
    """Return diagonal stripes, 1 on them and 0 between, that fit an array of this shape."""
    height, width = (
        np.arange(shape[axis]).reshape([-1 if each == axis else 1 for each in range(len(shape))])
        for axis in (rows, columns)
    )
    return ((height + width) % PERIOD < STRIPE).astype(np.float32)


def veil_limits(threshold: float) -> tuple[float, float]:
    """Return contrast limits that let stripes appear around a threshold."""
    return threshold * (1 - EDGE), threshold * (1 + EDGE)


def untrusted_share(relative: Any, threshold: float) -> float | None:
    """Return the share of the pixels above the threshold, None where they are not computed yet."""
    if not isinstance(relative, np.ndarray):
        return None
    return float((here_and_there(relative, LOOKED_AT) > threshold).mean())

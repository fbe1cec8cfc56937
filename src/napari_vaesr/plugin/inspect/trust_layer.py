"""A veil over the mean where its relative uncertainty exceeds a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.layers import Image
from napari.utils import Colormap

from napari_vaesr.plugin.viewer.layers import KEY, same_place
from napari_vaesr.plugin.viewer.results import ShownResult

VEIL = (0.32, 0.36, 0.42)
"""Colour of what is not to be trusted: a grey that is neither background nor structure."""

OPACITY = 0.85
"""Of the veil where it is closed, so that what lies below can still be made out."""

EDGE = 0.15
"""Part of the threshold over which the veil closes, on either side."""


def trust_layer(result: ShownResult, threshold: float) -> Image:
    """Return a layer that fades a result where it is unsure.

    Its pixels are the relative uncertainty; only its contrast limits depend on the threshold, so that moving
    it costs nothing, and a lazy result stays lazy.

    Parameters
    ----------
    result : ShownResult
        What to fade.
    threshold : float
        Standard deviation over mean above which the veil closes.
    """
    told = {**result.record, "layer": {"role": "trust", "result": result.identity}}
    return Image(
        result.map("relative"),
        **same_place(result.mean),
        name=f"{result.name} trust",
        rgb=False,
        colormap=Colormap([(*VEIL, 0.0), (*VEIL, 1.0)], name="veil"),
        opacity=OPACITY,
        blending="translucent_no_depth",
        contrast_limits=veil_limits(threshold),
        metadata={KEY: told},
    )


def veil_limits(threshold: float) -> tuple[float, float]:
    """Return contrast limits that close the veil around a threshold."""
    return threshold * (1 - EDGE), threshold * (1 + EDGE)


def untrusted_share(relative: Any, threshold: float) -> float | None:
    """Return the share of the pixels above the threshold, None where they are not computed yet."""
    if not isinstance(relative, np.ndarray):
        return None
    step = max(1, int(np.ceil((relative.size / 1e6) ** (1 / relative.ndim))))
    return float((relative[(slice(None, None, step),) * relative.ndim] > threshold).mean())

"""Real pairs: low-res images of a microscope, and high-res ones of the same fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.intensity import IntensityMethod, fit_scalings, straight_line
from napari_vaesr.pairs.degradation import downscaled
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.pairs.sources import EvaluationImage, find_pairs, real_pairs

VALIDATED = 0.1
"""Share of the names, the last in alphabetical order, that is validated on."""


def read_recorded(
    folders: Sequence[tuple[Path, Path]], scales: Sequence[int], intensity: IntensityMethod
) -> tuple[list[Pair], list[Pair]]:
    """Read pairs to learn from and pairs to validate on, which share no name.

    Intensities of the two are matched by one straight line for each pair, the least-squares fit of the
    low-res plane by the high-res one made small: gain and offset between two microscopes are not learnt.

    Parameters
    ----------
    folders : sequence of (Path, Path)
        Folders of low-res images, and of high-res images of the same names.
    scales : sequence of int
        What the network can make.
    intensity : str
        How the model scales intensities.

    Raises
    ------
    VaesrError
        When images have no partner, sizes do not fit, a pair does not show the same, or there are too few.
    """
    sources = [source for low, high in folders for source in find_pairs(low, high)]
    names = sorted({source.path.name for source in sources})
    held = set(names[len(names) - max(1, round(VALIDATED * len(names))) :])
    if len(names) < 2:
        raise VaesrError("One pair is too few to learn from and to validate on, give two or more.")
    learn: list[Pair] = []
    check: list[Pair] = []
    for source in sources:
        part = check if source.path.name in held else learn
        for pair in _named(source, scales):
            if pair.low.ndim != 2:
                raise VaesrError(f"{source.low} is in colour, give pairs of grey images.")
            if not all(np.isfinite(plane).all() for plane in (pair.low, pair.truth)):
                raise VaesrError(f"{source.low} or {source.path} holds NaN or infinite values, replace them.")
            (scaling,) = fit_scalings(pair.low, Axes.parse("YX", pair.low.shape), intensity)
            small, low = downscaled(pair.truth, pair.scale).astype(np.float64), pair.low.astype(np.float64)
            slope, offset = straight_line(small, low)
            if not slope > 0:
                raise VaesrError(f"{source.low} and {source.path} do not show the same, check both.")
            part.append(replace(pair, black=scaling.offset, span=scaling.gain, line=(slope, offset)))
    return learn, check


def _named(source: EvaluationImage, scales: Sequence[int]) -> Iterator[Pair]:
    """Yield the planes of a pair; what is wrong with it is told with its file."""
    try:
        yield from real_pairs(source, scales)
    except VaesrError as error:
        raise VaesrError(f"{source.low}: {error}") from error

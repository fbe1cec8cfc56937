"""The scores of many images put together.

Scores of whole images are averaged over images; those of the uncertainty are of the pixels of all images
together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from napari_vaesr.errors import VaesrError
from napari_vaesr.trust.block_means import block_ratios
from napari_vaesr.trust.crps import gaussian_crps
from napari_vaesr.trust.evaluation import ChosenPixels, Evaluation, ImageScores
from napari_vaesr.trust.reliability import (
    Reliability,
    conformal_factor,
    fit_calibration,
    interval_reach,
    partial_rank_correlation,
    rank_correlation,
    reliability,
)
from napari_vaesr.trust.sparsification import Sparsification, sparsification


@dataclass(frozen=True)
class SpreadScores:
    """How honest the uncertainty is; see `napari_vaesr.trust.reliability`, `crps` and `sparsification`.

    Rivals are one std for all pixels and the gradient magnitude of the upscaled image. Both are given the
    best line to the very errors they are scored on, so they are hard to beat.

    Attributes
    ----------
    coverage : float
        Share of true pixels inside the 90 % intervals that users get.
    slope, offset : float
        Of RMSE over std: 1 and 0 at best.
    spearman : float
        Rank correlation of std and absolute error.
    partial : float
        The same with brightness and gradient of the upscaled image held fixed: what they do not tell already.
    ause, ause_gradient, ause_constant : float
        Area under the sparsification error of RMSE.
    ause_mae, ause_mae_gradient, ause_mae_constant : float
        The same of the mean absolute error.
    crps, crps_gradient, crps_constant : float
        Continuous ranked probability score, in parts of the intensity range.
    blocks : tuple of float or None
        Error over standard deviation of the means of blocks, by `napari_vaesr.trust.block_means.SIDES`.
    conformal : float or None
        Factor on the 90 % interval that makes it a guarantee; None where there are too few originals.
    """

    coverage: float
    slope: float
    offset: float
    spearman: float
    partial: float
    ause: float
    ause_gradient: float
    ause_constant: float
    ause_mae: float
    ause_mae_gradient: float
    ause_mae_constant: float
    crps: float
    crps_gradient: float
    crps_constant: float
    blocks: tuple[float | None, ...]
    conformal: float | None


@dataclass(frozen=True)
class Summary:
    """All images of one domain at one scale."""

    domain: str
    scale: int
    images: int
    scores: dict[str, ImageScores]
    spread: SpreadScores
    reliability: Reliability
    sparsification: dict[str, Sparsification]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, without the curves."""
        return {
            "domain": self.domain,
            "scale": self.scale,
            "images": self.images,
            "scores": {method: asdict(scores) for method, scores in self.scores.items()},
            "uncertainty": asdict(self.spread),
        }


def summarise(evaluations: Sequence[Evaluation]) -> list[Summary]:
    """Put images together, by domain and scale in the order they came in."""
    groups: dict[tuple[str, int], list[Evaluation]] = {}
    for evaluation in evaluations:
        groups.setdefault((evaluation.domain, evaluation.scale), []).append(evaluation)
    return [_summary(group) for group in groups.values()]


def _summary(group: Sequence[Evaluation]) -> Summary:
    std, error, gradient, value = (
        np.concatenate([getattr(each.pixels, name) for each in group])
        for name in ("std", "error", "gradient", "value")
    )
    level = np.full_like(error, np.sqrt(np.mean(error**2)))
    line = fit_calibration(gradient, error)
    ranked = {"std": std, "gradient": gradient, "constant": level}
    curves = {name: sparsification(rival, error) for name, rival in ranked.items()}
    absolute = {name: sparsification(rival, error, "mae").ause for name, rival in ranked.items()}
    sized = ranked | {"gradient": line.apply(gradient)}
    crps = {name: gaussian_crps(rival, error) for name, rival in sized.items()}
    fit = fit_calibration(std, error)
    sizes = [each.pixels.error.size for each in group]
    spread = SpreadScores(
        coverage=float(np.average([each.pixels.coverage for each in group], weights=sizes)),
        slope=fit.slope,
        offset=fit.offset,
        spearman=rank_correlation(std, error),
        partial=partial_rank_correlation(std, error, value, gradient),
        ause=curves["std"].ause,
        ause_gradient=curves["gradient"].ause,
        ause_constant=curves["constant"].ause,
        ause_mae=absolute["std"],
        ause_mae_gradient=absolute["gradient"],
        ause_mae_constant=absolute["constant"],
        crps=crps["std"],
        crps_gradient=crps["gradient"],
        crps_constant=crps["constant"],
        blocks=block_ratios([each.blocks for each in group]),
        conformal=_conformal(group),
    )
    methods = {
        name: _average([each.scores[name] for each in group])
        for name in group[0].scores
        if all(name in each.scores for each in group)
    }
    first = group[0]
    return Summary(first.domain, first.scale, len(group), methods, spread, reliability(std, error), curves)


def _average(scores: Sequence[ImageScores]) -> ImageScores:
    """Return the mean of every score that all images have."""
    means: dict[str, Any] = {}
    for field in fields(ImageScores):
        values = [getattr(each, field.name) for each in scores]
        means[field.name] = None if None in values else float(np.mean(values))
    return ImageScores(**means)


def _conformal(group: Sequence[Evaluation]) -> float | None:
    """Return the factor on the intervals; the planes of a stack count as one image, for they are alike."""
    originals: dict[str, list[ChosenPixels]] = {}
    for each in group:
        originals.setdefault(each.original or each.name, []).append(each.pixels)
    stds = [
        np.concatenate([pixels.std * pixels.interval / interval_reach() for pixels in some])
        for some in originals.values()
    ]
    errors = [np.concatenate([pixels.error for pixels in some]) for some in originals.values()]
    try:
        return conformal_factor(stds, errors)
    except VaesrError:  # too few for a promise
        return None

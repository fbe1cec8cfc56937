"""How alike samples of neighbouring planes have to be, for their errors to add up as real ones do."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_vaesr.arrays import Array
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.imaging.intensity import fit_scalings
from napari_vaesr.imaging.noise import estimate_noise
from napari_vaesr.imaging.region import Factors
from napari_vaesr.pairs.images import find_images
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.training.truths import degraded, middle_of_stack
from napari_vaesr.trust.block_means import block_means
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.registry import Model

WIDTHS = 0.5, 1.0, 2.0, 4.0
"""In planes: how widely noise is averaged along ``Z``, in trials."""

MOSTLY_NOISE = 0.5
"""Part of the squared error above which the noise of the truth hides what is to be known of it."""

AREA = 8
"""Side in high-res pixels of the areas whose errors are compared: sums over planes are sums over areas."""

FEW_SAMPLES = 4
"""Samples of such a trial: two pairs."""


def fit_alike_planes(model: Model, places: Sequence[Path], degradation: Degradation) -> float | None:
    """Find how alike samples of neighbouring planes have to be for their errors to add up as real ones do.

    Neighbouring planes of one object are wrong in the same way, more so where the network looks at the same
    neighbours for both. Planes of stacks are made small, each with noise of its own, and upscaled; the
    errors of areas then correlate between neighbours as samples do at the width that is returned. The
    samples of a single plane are as before.

    Parameters
    ----------
    model : Model
        What its card says of alike planes plays no part.
    places : sequence of Path
        As for `spreads_of_stacks`.
    degradation : Degradation
        Of the training.

    Returns
    -------
    float or None
        What `ModelCard.alike_planes` says, at most the last of `WIDTHS`. None where no stack can tell.
    """
    factors = Factors.of(min(model.card.network.scales))
    of_errors, of_samples = [], []
    for path in find_images(places) if places else ():
        truth = middle_of_stack(path, factors)
        if truth is None:
            continue
        (scaling,) = fit_scalings(truth, Axes.parse("ZYX", truth.shape), model.card.intensity)
        unit = scaling.to_unit(truth)
        for number in range(1 + (degradation.clean < 1)):
            seed = zlib.crc32(os.fsencode(f"{path.name}, planes {number}"))
            low = degraded(unit, factors, degradation, is_noisy=number > 0, seed=seed)
            likeness = []
            for width in WIDTHS:
                mean, samples = _drawn(model, low, factors, width)
                likeness.append(_likeness(samples - mean))
            own_noise = float(np.median([estimate_noise(plane) for plane in unit]))
            error = (mean - unit)[None]
            if own_noise**2 < MOSTLY_NOISE * np.mean(error**2):
                of_errors.append(_likeness(error))
                of_samples.append(likeness)
    if not of_errors:
        return None
    reached = np.maximum.accumulate(np.mean(of_samples, axis=0))
    width = np.interp(np.mean(of_errors), [0.0, *reached], [0.0, *WIDTHS])
    return round(float(width), 2)


def _drawn(model: Model, low: Array, factors: Factors, width: float) -> tuple[Array, Array]:
    """Return mean and samples, (Z, Y, X) and (samples, Z, Y, X), in unit intensity."""
    card = model.card.model_copy(update={"alike_planes": width})
    settings = UpscaleSettings(scale=factors.setting, samples=FEW_SAMPLES)
    source = Source.of(low, "ZYX")
    job = UpscaleJob(
        source, settings, model=Model(card, model.network), calibrations=[Calibration()], keep_samples=True
    )
    result = job.run()
    assert result.samples is not None
    return result.mean.astype(np.float64), result.samples.astype(np.float64)


def _likeness(apart: Array) -> float:
    """Return the correlation of areas of (samples, Z, Y, X) between neighbours along Z."""
    areas = block_means(apart[:, 1:-1], AREA)  # the planes at the ends have fewer neighbours
    together, alone = (float(np.mean(part)) for part in (areas[:, 1:] * areas[:, :-1], areas**2))
    return float(np.clip(together / max(alone, 1e-30), 0, 1))

"""Calibrate what goes along Z on real stacks: chains of passes, and how alike samples of neighbours are."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from napari_vaesr.arrays import Array
from napari_vaesr.engine.conditions import noise_level
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.files.image import read_image
from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.imaging.intensity import estimate_noise, fit_scalings
from napari_vaesr.imaging.region import Factors
from napari_vaesr.pairs.degradation import degrade, thinned
from napari_vaesr.pairs.images import find_images
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.trust.block_means import block_means
from napari_vaesr.trust.levels import Spread, without_truth_noise
from napari_vaesr.trust.shared import shares_of
from napari_vaesr.zoo.card import Calibration
from napari_vaesr.zoo.registry import Model

SAMPLES = 16

DEPTH, SIDE = 32, 96
"""Sides along ``Z``, and along ``Y`` and ``X``, of the middle of a stack, in pixels of the truth."""

FEWEST = 4
"""Planes that are left at the least."""

NOISY_DRAWS = 6
"""Noisy volumes made of each stack, beside a clean one."""

PIXELS = 20_000
"""Drawn at random of each volume."""

WIDTHS = 0.5, 1.0, 2.0, 4.0
"""In planes: how widely noise is averaged along ``Z``, in trials."""

MOSTLY_NOISE = 0.5
"""Part of the squared error above which the noise of the truth hides what is to be known of it."""

AREA = 8
"""Side in high-res pixels of the areas whose errors are compared: sums over planes are sums over areas."""

FEW_SAMPLES = 4
"""Samples of such a trial: two pairs."""


def spreads_of_stacks(
    model: Model, places: Sequence[Path], factors: Factors, degradation: Degradation
) -> list[Spread]:
    """Thin stacks out, make their planes small and noisy, and upscale them along every axis.

    Parameters
    ----------
    model : Model
        Its calibrations of the earlier passes are used as they are.
    places : sequence of Path
        Stacks that were not learnt from, and folders of them; those without an axis ``Z``, or with too few
        planes, are passed over.
    factors : Factors
        Of the whole chain.
    degradation : Degradation
        Of the training: how noisy, and how often planes are thick.
    """
    found: list[Spread] = []
    for path in find_images(places) if places else ():
        truth = _middle_of(path, factors)
        if truth is not None:
            found += _spreads(model, path, truth, factors, degradation)
    return found


def _middle_of(path: Path, factors: Factors) -> Array | None:
    """Return the middle of a stack, (Z, Y, X), or None where it is none or too thin."""
    image = read_image(path)
    if set(image.axes) != set("ZYX"):
        return None
    stack = np.asarray(image.data).transpose([image.axes.index(name) for name in "ZYX"])
    parts = []
    for name, size, side in zip("ZYX", stack.shape, (DEPTH, SIDE, SIDE), strict=True):
        factor = factors.whole(name)
        length = min(size, side) // factor * factor
        parts.append(slice((size - length) // 2, (size - length) // 2 + length))
        if length < FEWEST * factor:
            return None
    return stack[tuple(parts)].astype(np.float64)


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
        truth = _middle_of(path, factors)
        if truth is None:
            continue
        (scaling,) = fit_scalings(truth, Axes.parse("ZYX", truth.shape), model.card.intensity)
        unit = scaling.to_unit(truth)
        for number in range(1 + (degradation.clean < 1)):
            seed = zlib.crc32(os.fsencode(f"{path.name}, planes {number}"))
            low = _degraded(unit, factors, degradation, is_noisy=number > 0, seed=seed)
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
    for _ in job:
        pass
    assert job.result.samples is not None
    return job.result.mean.astype(np.float64), job.result.samples.astype(np.float64)


def _likeness(apart: Array) -> float:
    """Return the correlation of areas of (samples, Z, Y, X) between neighbours along Z."""
    areas = block_means(apart[:, 1:-1], AREA)  # the planes at the ends have fewer neighbours
    together, alone = (float(np.mean(part)) for part in (areas[:, 1:] * areas[:, :-1], areas**2))
    return float(np.clip(together / max(alone, 1e-30), 0, 1))


def _spreads(
    model: Model, path: Path, truth: Array, factors: Factors, degradation: Degradation
) -> list[Spread]:
    """Measure one stack, clean and noisy."""
    (scaling,) = fit_scalings(truth, Axes.parse("ZYX", truth.shape), model.card.intensity)
    unit = scaling.to_unit(truth)
    own_noise = float(np.median([estimate_noise(plane) for plane in unit]))
    spreads = []
    for number in range(1 + NOISY_DRAWS * (degradation.clean < 1)):
        seed = zlib.crc32(os.fsencode(f"{path.name}, volume {number}"))
        low = _degraded(unit, factors, degradation, is_noisy=number > 0, seed=seed)
        settings = UpscaleSettings(scale=factors.setting, samples=SAMPLES)
        source = Source.of(low, "ZYX")
        job = UpscaleJob(source, settings, model=model, calibrations=[Calibration()], keep_samples=True)
        for _ in job:
            pass
        assert job.result.std is not None and job.result.samples is not None
        mean = job.result.mean.astype(np.float64)
        shares = shares_of(mean, unit, job.result.samples - mean, factors, "ZYX")
        std, error = job.result.std.ravel(), (job.result.mean - unit).ravel()
        chosen = np.random.default_rng(seed).choice(std.size, min(PIXELS, std.size), replace=False)
        gain = job.scalings[0].gain
        wrong, _ = without_truth_noise(std[chosen], error[chosen], own_noise)
        noise = noise_level("auto", job.scalings[0])
        spread = Spread(path.stem, path.parent.name, noise, number == 0, std[chosen] / gain, wrong / gain)
        spreads.append(replace(spread, shares=shares))
    return spreads


def _degraded(unit: Array, factors: Factors, degradation: Degradation, *, is_noisy: bool, seed: int) -> Array:
    """Return what a microscope with coarser steps and pixels would have seen."""
    generator = torch.Generator().manual_seed(seed)
    volume = torch.from_numpy(np.ascontiguousarray(unit, np.float32))
    rows = volume.permute(1, 0, 2)[None]  # the rows of these images are the planes
    is_thick = torch.rand(1, 1, 1, 1, generator=generator) < degradation.thick
    thin = rows if factors.whole("Z") == 1 else thinned(rows, factors.whole("Z"), is_thick)
    planes = thin[0].permute(1, 0, 2)[None]
    alone = {"blur": (0.0, 0.0), "own_blur": (0.0, 0.0), "gain": (1.0, 1.0), "offset": (0.0, 0.0)}
    way = degradation.model_copy(update={**alone, "clean": 0.0 if is_noisy else 1.0})
    low, _, _ = degrade(planes, factors.whole("Y"), way, generator)
    return np.asarray(low[0])

"""What was asked of `microscopy` beyond single pixels and planes; `quality.py` prints it with the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lines import Line, at_least, at_most, between, reported
from stacks import axial_gains, context_gains, stacks

from napari_vaesr import Source, UpscaleJob, load_model
from napari_vaesr.arrays import Array
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.imaging.sampling import evenly_spaced
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.pairs.sources import EvaluationImage, find_sources, made_pairs
from napari_vaesr.training.calibrate import is_noisy_truth
from napari_vaesr.trust.block_means import SIDES
from napari_vaesr.trust.consistency import low_res_psnr
from napari_vaesr.trust.rivals import RIVALS
from napari_vaesr.trust.summary import Summary
from napari_vaesr.zoo.registry import Model

OCTAVES = 4
"""Octaves below the finest frequency whose power is compared."""


class Clean(NamedTuple):
    """A clean image that is told to be clean."""

    model: str
    source: EvaluationImage
    scale: int


class CleanScores(NamedTuple):
    """PSNR of the mean and of interpolation, LR-PSNR, and power of one sample and the truth by octave."""

    domain: str
    scale: int
    psnr: float
    bicubic: float
    lanczos: float
    low_res: float
    powers: Array


def sharp_micrographs(folder: Path, limit: int | None) -> list[EvaluationImage]:
    """Return images that can tell an error from noise of their own, evenly spaced if limited."""
    sharp = [each for each in find_sources([folder]) if not is_noisy_truth(each.path)]
    if not sharp:
        raise SystemExit(f"No image of {folder} is sharp enough to tell an error from noise of its own.")
    return [sharp[place] for place in evenly_spaced(len(sharp), limit or len(sharp))]


def clean_scores(task: Clean) -> list[CleanScores]:
    """Upscale with ``noise=0``."""
    model = load_model(task.model)
    return [scores_told_clean(pair, model) for pair in made_pairs(task.source, task.scale, "clean")]


def scores_told_clean(pair: Pair, model: Model) -> CleanScores:
    """Upscale the clean image of a pair with ``noise=0``, and score a mean and a sample."""
    settings = UpscaleSettings(scale=pair.scale, samples=2, noise=0.0)
    source = Source.of(pair.low.astype(np.float32), "YXS" if pair.low.ndim == 3 else "YX")
    job = UpscaleJob(source, settings, model=model, keep_samples=True)
    for _ in job:
        pass
    assert job.result.samples is not None
    mean, sample, truth = (pair.luma(each) for each in (job.result.mean, job.result.samples[0], pair.truth))
    inside = (slice(pair.scale, -pair.scale),) * 2

    def psnr(estimate: Array) -> float:
        return float(-10 * np.log10(np.mean((estimate - truth)[inside] ** 2) + 1e-12))

    bicubic, lanczos = (
        psnr(pair.luma(RIVALS[name](pair.low, pair.scale))) for name in ("bicubic", "Lanczos")
    )
    powers = np.stack([octave_powers(sample[inside]), octave_powers(truth[inside])])
    low_res = low_res_psnr(mean, pair.luma(pair.low), pair.scale)
    return CleanScores(pair.domain, pair.scale, psnr(mean), bicubic, lanczos, low_res, powers)


def octave_powers(image: Array) -> Array:
    """Return the power in octaves of radial frequency, the finest, up to half a cycle a pixel, first."""
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
    power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(size) for size in image.shape), indexing="ij"))
    edges = 0.5 / 2.0 ** np.arange(OCTAVES + 1)
    return np.array([power[(radius <= top) & (radius > low)].sum() for top, low in pairwise(edges)])


def clean_lines(scores: Sequence[CleanScores]) -> Iterator[Line]:
    """Nothing is lost of clean images that are told to be clean, and samples look like images."""
    lead = np.array([each.psnr - max(each.bicubic, each.lanczos) for each in scores])
    yield at_most("clean, noise=0: % of images below bicubic or Lanczos", 100 * float((lead < 0).mean()), 2)
    yield at_least("clean, noise=0: worst image over bicubic and Lanczos in dB", float(lead.min()), -0.3)
    yield at_least("clean, noise=0: LR-PSNR of the worst image", min(each.low_res for each in scores), 50)
    for domain, scale in dict.fromkeys((each.domain, each.scale) for each in scores):
        own = [each for each in scores if (each.domain, each.scale) == (domain, scale)]
        where = f"{domain.rpartition('/')[2]} clean ×{scale}, noise=0"
        gain = float(np.mean([each.psnr - each.lanczos for each in own]))
        yield reported(f"{where}: PSNR over Lanczos in dB", gain)
        sample, truth = np.sum([each.powers for each in own], axis=0)
        for octave, ratio in enumerate(10 * np.log10(sample / truth)):
            name = f"1/{2 ** (octave + 1)} to 1/{2 ** (octave + 2)} cycles a pixel"
            yield between(f"{where}: power of a sample over the truth's in dB, {name}", ratio, -3, 3)


def spread_lines(where: str, summary: Summary) -> Iterator[Line]:
    """Errors add up, and the std tells more than brightness and edges do."""
    yield at_least(f"{where}: Spearman, brightness and gradient held fixed", summary.spread.partial, 0.1)
    if summary.scale == 3:
        return
    for side, ratio in zip(SIDES, summary.spread.blocks, strict=True):
        if ratio is not None:
            yield between(f"{where}: RMSE over std, means of {side} x {side}", ratio, 0.8, 1.25)


def stack_lines(data: Path, model: Model, planes: int) -> Iterator[Line]:
    """What neighbours bring, and planes along Z."""
    context, axial = [], []
    for name, axes, stack in stacks(data):
        context += context_gains(name, axes, stack, model, planes)
        axial += axial_gains(name, stack, model) if axes == "ZYX" else []
    for photons in (50, 100):
        gains = [each.gain for each in context if f" {photons} photons" in each.what]
        where = f"five planes over one, {photons} photons"
        yield at_least(f"{where}: average in dB", float(np.mean(gains)), 0.8)
    for each in context:
        yield at_least(f"five planes over one, {each.stack} {each.what}", each.gain, -0.05)
    told, untold = ([each for each in axial if each.told == is_told] for is_told in (True, False))
    where = "planes along Z over linear and cubic"
    yield at_least(f"{where}: average in dB", float(np.mean([each.gain for each in told])), 0.5)
    for each in told:
        yield at_least(f"{each.stack} {each.what}, over linear and cubic", each.gain, 0)
    if untold:
        yield reported(f"{where}: average in dB, not told", float(np.mean([each.gain for each in untold])))
    for each in untold:
        yield reported(f"{each.stack} {each.what}, over linear and cubic: not told", each.gain)


def before_lines(what: str, ours: Sequence[Summary], before: Sequence[Summary]) -> Iterator[Line]:
    """Not worse than an earlier version: the mean where images are noisy, and the std everywhere.

    What is compared is a domain and "clean" or "noisy".
    """
    for own, other in zip(ours, before, strict=True):
        where, now, then = f"{what} ×{own.scale}", own.spread, other.spread
        if what.endswith("noisy"):
            gain = own.scores["mean"].psnr - other.scores["mean"].psnr
            yield at_least(f"{where}: PSNR over the earlier version in dB", gain, -0.05)
        yield at_least(f"{where}: Spearman over the earlier version", now.spearman - then.spearman, -0.01)
        for name, score, former in (("AUSE", now.ause, then.ause), ("CRPS", now.crps, then.crps)):
            yield at_least(f"{where}: {name} below the earlier version by %", 100 * (1 - score / former), -1)

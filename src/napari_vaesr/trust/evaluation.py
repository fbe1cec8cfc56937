"""How good a model is on images whose truth is known: fidelity, consistency and honesty of its uncertainty.

Everything goes through the engine, so it is what users get that is scored. Errors and standard deviations are
in parts of the image's intensity range (255 for 8 bits), and of luma for colour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_vaesr.arrays import Array, Float64Array
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.imaging.intensity import fit_scalings
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.trust.block_means import SIDES, block_errors
from napari_vaesr.trust.consistency import low_res_psnr
from napari_vaesr.trust.metrics import (
    SMALLEST_MULTISCALE,
    affine_coefficients,
    affine_nrmse,
    affine_psnr,
    benchmark_scores,
    multiscale_ssim,
)
from napari_vaesr.trust.ring_correlation import ring_correlation
from napari_vaesr.trust.rivals import RIVALS, gradient_magnitude
from napari_vaesr.zoo.card import ANY
from napari_vaesr.zoo.registry import Model

PIXELS_PER_IMAGE = 20_000
"""Pixels of each image, drawn at random, that the uncertainty is scored on; memory stays bounded."""

OWN = "own"

MEAN, BASE, ONE = "mean", "base", "one sample"


@dataclass(frozen=True)
class ImageScores:
    """Scores of one estimate of one image, or their average.

    Attributes
    ----------
    psnr, ssim : float
        By the protocol of the super-resolution benchmarks, intensities as they are.
    affine_psnr, affine_nrmse : float
        After the best linear fit of intensities.
    low_res_psnr : float
        Between the estimate made small again and the input.
    ms_ssim : float or None
        Multi-scale SSIM; None for images under 176 pixels inside the border, or without torchmetrics.
    frc : float or None
        Fourier ring correlation with the truth, averaged over all frequencies.
    resolution : float or None
        Period of the finest detail that agrees with the truth, in high-res pixels; 2 at best.
    """

    psnr: float
    ssim: float
    affine_psnr: float
    affine_nrmse: float
    low_res_psnr: float
    ms_ssim: float | None = None
    frc: float | None = None
    resolution: float | None = None


@dataclass(frozen=True)
class ChosenPixels:
    """A random choice of one image's pixels: predicted std, error, gradient and value of the result.

    `interval` is the half width of the image's 90 % intervals in predicted std.
    """

    std: Float64Array
    error: Float64Array
    gradient: Float64Array
    value: Float64Array
    interval: float

    @property
    def coverage(self) -> float:
        """Share of the true pixels inside the intervals that a user gets."""
        return float(np.mean(np.abs(self.error) <= self.interval * self.std))


@dataclass(frozen=True)
class Evaluation:
    """All about one pair; scores by the name of the method, its `Pair.original` and its `block_errors`."""

    name: str
    domain: str
    scale: int
    scores: dict[str, ImageScores]
    pixels: ChosenPixels
    original: str = ""
    blocks: Float64Array = field(default_factory=lambda: np.full((len(SIDES), 2), np.nan))


def evaluate_pair(
    pair: Pair,
    model: Model,
    settings: UpscaleSettings,
    rivals: Iterable[str] = ("bicubic", "Lanczos", "Richardson-Lucy"),
    progress: Callable[[Progress], None] | None = None,
    thorough: bool = True,
) -> Evaluation:
    """Upscale one image by the model and by its rivals, and score them all.

    Parameters
    ----------
    pair : Pair
        The image.
    model : Model
        A loaded model.
    settings : UpscaleSettings
        With two samples or more; its scale gives way to the pair's. The domain ``own`` stands for that of the
        pair's folder, if the model knows it.
    rivals : iterable of str
        Keys of `napari_vaesr.trust.rivals.RIVALS`.
    progress : callable, optional
        Called several times per tile. What it raises stops the work.
    thorough : bool
        False leaves out the scores that take the longest, `ImageScores.ms_ssim`, `frc` and `resolution`.

    Returns
    -------
    Evaluation
        Its scores.

    Raises
    ------
    VaesrError
        When the shapes don't belong together, the image is too small to be scored, there is only one sample
        or the model can't make the scale.
    """
    _check(pair, settings)
    if settings.domain == OWN:
        settings = settings.model_copy(update={"domain": own_domain(pair.domain, model)})
    mean, std, interval, samples = _upscaled(pair, model, settings, progress)
    estimates = {
        MEAN: mean,
        BASE: _base(pair, model, settings),
        ONE: _one_sample(pair, model, settings, progress),
    }
    estimates |= {name: RIVALS[name](pair.low, pair.scale) for name in rivals}
    scores = {name: image_scores(estimate, pair, thorough) for name, estimate in estimates.items()}
    pixels = _pixels(pair, mean, std, interval)
    blocks = _blocks(pair, mean, samples)
    return Evaluation(pair.name, pair.domain, pair.scale, scores, pixels, pair.original, blocks)


def own_domain(folder: str, model: Model) -> str:
    """Return the model's domain of the name of a folder such as ``val/em``, or ``any``.

    Parameters
    ----------
    folder : str
        With slashes, if in others.
    model : Model
        Its card names the domains that are calibrated.
    """
    name = folder.rpartition("/")[2]
    return name if name in model.card.domains else ANY


def image_scores(estimate: Array, pair: Pair, thorough: bool = True) -> ImageScores:
    """Score one estimate of the truth.

    Parameters
    ----------
    estimate : array of shape (Y, X) or (Y, X, S)
        In the intensities of the pair's truth.
    pair : Pair
        The truth, and the low-res image that should come back.
    thorough : bool
        Add what takes longer: MS-SSIM and the resolution.
    """
    scale, border = pair.scale, pair.scale
    bits, truth_bits = 255 * pair.unit(estimate), 255 * pair.unit(pair.truth)
    benchmark = benchmark_scores(bits, truth_bits, scale)
    luma, truth = pair.luma(estimate), pair.luma(pair.truth)
    scores = ImageScores(
        psnr=benchmark.psnr,
        ssim=benchmark.ssim,
        affine_psnr=affine_psnr(luma, truth, border=border),
        affine_nrmse=affine_nrmse(luma, truth, border=border),
        low_res_psnr=low_res_psnr(luma, pair.luma(pair.low), scale),
    )
    if not thorough:
        return scores
    inside = (slice(border, -border),) * 2
    rings = ring_correlation(luma[inside], truth[inside])
    multiscale = _multiscale(luma, truth, border)
    return replace(scores, ms_ssim=multiscale, frc=rings.mean, resolution=rings.resolution())


def _check(pair: Pair, settings: UpscaleSettings) -> None:
    height, width = pair.low.shape[:2]
    if pair.truth.shape[:2] != (height * pair.scale, width * pair.scale):
        raise VaesrError(
            f"A truth of shape {pair.truth.shape} is not {pair.scale} times as large as an image of shape "
            f"{pair.low.shape}, give images of the same field of view."
        )
    if settings.samples < 2:
        raise VaesrError("One sample has no uncertainty to score, please draw 2 samples or more.")


def _upscaled(
    pair: Pair, model: Model, settings: UpscaleSettings, progress: Callable[[Progress], None] | None
) -> tuple[Array, Array, float, Array]:
    """Return mean without rounding, std, the interval in std, and samples, as intensities of the input."""
    job = job_of(pair, model, settings, keep_samples=True)
    result = job.run(progress)
    std = np.empty(0) if result.std is None else result.std
    assert result.samples is not None
    return result.mean, std, job.calibrations[-1].interval, result.samples  # of the last pass


def _one_sample(
    pair: Pair, model: Model, settings: UpscaleSettings, progress: Callable[[Progress], None] | None
) -> Array:
    """Return a sample as the model drew it; the mean is that of it and its partner, even of one."""
    job = job_of(pair, model, settings.model_copy(update={"samples": 1}), keep_samples=True)
    samples = job.run(progress).samples
    assert samples is not None
    sample: Array = samples[0]
    return sample


def job_of(pair: Pair, model: Model, settings: UpscaleSettings, **options: Any) -> UpscaleJob:
    """Prepare a job, as floats, for rounding is no error of the model's.

    Parameters
    ----------
    pair : Pair
        Gives the image and the scale.
    model : Model
        A loaded one.
    settings : UpscaleSettings
        Their scale and blur are replaced by those of the pair.
    **options
        As for `UpscaleJob`.
    """
    axes = "YXS" if pair.low.ndim == 3 else "YX"
    scalings = fit_scalings(pair.low, Axes.parse(axes, pair.low.shape), model.card.intensity)
    blur = pair.blur if model.card.network.conditioned else 0.0
    settings = settings.model_copy(update={"scale": pair.scale, "blur": blur})
    source = Source.of(pair.low.astype(np.float32), axes)
    return UpscaleJob(source, settings, model=model, scalings=scalings, **options)


def _base(pair: Pair, model: Model, settings: UpscaleSettings) -> Array:
    """Return the network's deterministic estimate: a sample without any noise."""
    return job_of(pair, model, settings.model_copy(update={"samples": 1, "temperature": 0.0})).run().mean


def _pixels(pair: Pair, mean: Array, std: Array, interval: float) -> ChosenPixels:
    """Draw pixels inside the border, the same ones every time."""
    border = pair.scale
    inside = (slice(border, -border),) * 2
    estimate, truth = pair.luma(mean)[inside], pair.luma(pair.truth)[inside]
    spread = (std.astype(np.float64) / pair.span)[inside]
    if pair.fitted:
        gain, offset = affine_coefficients(estimate, truth)
        estimate, spread = gain * estimate + offset, abs(gain) * spread
    gradient = gradient_magnitude(estimate)
    chosen = np.arange(estimate.size)
    if estimate.size > PIXELS_PER_IMAGE:
        chosen = np.random.default_rng(0).choice(estimate.size, PIXELS_PER_IMAGE, replace=False)
    error = (estimate - truth).ravel()[chosen]
    return ChosenPixels(
        spread.ravel()[chosen], error, gradient.ravel()[chosen], estimate.ravel()[chosen], interval
    )


def _blocks(pair: Pair, mean: Array, samples: Array) -> Float64Array:
    """Compare errors of block means inside the border with what the samples say of them."""
    inside = (..., *(slice(pair.scale, -pair.scale),) * 2)
    lumas = np.stack([pair.luma(sample) for sample in samples])[inside]
    estimate, truth = pair.luma(mean)[inside], pair.luma(pair.truth)[inside]
    if pair.fitted:
        gain, offset = affine_coefficients(estimate, truth)
        lumas, estimate = gain * lumas + offset, gain * estimate + offset
    return block_errors(lumas, estimate, truth)


def _multiscale(luma: Float64Array, truth: Float64Array, border: int) -> float | None:
    """Return MS-SSIM where it can be computed."""
    from importlib.util import find_spec

    large_enough = min(truth.shape) - 2 * border >= SMALLEST_MULTISCALE
    return multiscale_ssim(luma, truth, border=border) if large_enough and find_spec("torchmetrics") else None

"""How far a model is off, and how far it says that it may be, on images made small: what calibrates it."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from napari_vaesr.arrays import Array, Float64Array
from napari_vaesr.engine.acquisition import noise_level
from napari_vaesr.engine.moments import PairedMoments, broad_means, smoothed
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image_file import image_name
from napari_vaesr.imaging.colour import luma
from napari_vaesr.imaging.noise import estimate_noise
from napari_vaesr.imaging.region import Factors, Region
from napari_vaesr.imaging.sampling import middle_of
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.pairs.images import grey, grey_planes, read_planes
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.pairs.sources import always_noisy, low_res
from napari_vaesr.trust.block_means import block_means
from napari_vaesr.trust.evaluation import job_of
from napari_vaesr.trust.levels import Areas, Spread, without_truth_noise
from napari_vaesr.trust.rivals import gradient_magnitude
from napari_vaesr.trust.shared import shares_of
from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.registry import Model

SAMPLES = 16
"""Samples per image, the default of the upscaling itself."""

SIDE = 192
"""Side in high-res pixels of the middle of an image, of which pixels are taken."""

SMALLEST = 8
"""Side in low-res pixels of an image that is worth calibrating on."""

NOISY_IMAGES, NOISY_DRAWS = 360, (2, 40)
"""How many noisy low-res images are made of each domain, beside the clean ones, and of each of its images at
the least and at the most. Where there are few images, the chances of their noise would count as much as its
amount."""

LARGEST_AREA = 32
"""Side in high-res pixels of the largest blocks whose means are to be right."""

PIXELS = 1_000_000
"""Pixels of each domain, drawn at random, that calibrate; all domains count the same."""


def first_plane(path: Path) -> tuple[str, Array]:
    """Read the first plane of an image, also where its axes are not known: trainings take it, too."""
    try:
        return next(read_planes(path))
    except VaesrError:
        return image_name(path), grey_planes(path)[0]


def originals(files: Sequence[Path]) -> dict[Path, str]:
    """Name the original of every image: ``cells_0`` and ``cells_1`` are crops of ``cells``.

    Where that would make a whole folder one original, as of ``image_001`` to ``image_048``, each is its own.
    """
    names = {path: re.sub(r"_\d+$", "", image_name(path)) for path in files}
    folders: dict[str, set[str]] = {}
    for path, name in names.items():
        folders.setdefault(path.parent.name, set()).add(name)
    return {
        path: name if len(folders[path.parent.name]) > 1 else image_name(path) for path, name in names.items()
    }


def spreads_of_file(
    model: Model, path: Path, scale: int, degradation: Degradation, images: int, original: str
) -> list[Spread]:
    """Upscale the middle of an image's first plane, made small in several ways; see `calibrate`.

    Parameters
    ----------
    model, degradation
        As for `calibrate`.
    path : Path
        The image.
    scale : int
        How many times smaller it is made.
    images : int
        How many images there are of its domain; the fewer, the more is taken of each.
    original : str
        The name that all crops of its original share; see `originals`.

    Returns
    -------
    list of Spread
        None where the image is too small.
    """
    name, plane = first_plane(path)
    height, width = (size // scale * scale for size in plane.shape[:2])
    if min(height, width) < SMALLEST * scale:
        return []
    in_colour = model.network.sees_colours and plane.ndim == 3
    truth = (plane[..., :3] if in_colour else grey(plane))[:height, :width]
    draws = noisy_draws(images) if degradation.clean < 1 else 0
    ways: list[Degradation | None] = [None, *[always_noisy(degradation)] * draws]
    told: list[Literal["auto"] | float] = ["auto"] * len(ways)
    if model.card.network.conditioned:  # which may be told that a clean image is clean
        ways, told = [None, *ways], [0.0, *told]
    pixels = max(PIXELS // images // len(ways), 500)
    spreads = []
    for number, (way, noise_told) in enumerate(zip(ways, told, strict=True)):
        seed = zlib.crc32(os.fsencode(f"{name}, calibration {number}"))
        pair = low_res(name, path.parent.name, truth if way is None else grey(truth), scale, way, seed)
        spread = _upscaled_middle(model, pair, noise_told)
        chosen = np.random.default_rng(seed).choice(
            spread.std.size, min(pixels, spread.std.size), replace=False
        )
        spreads.append(_thinned(replace(spread, image=original, clean=way is None), chosen))
    return spreads


def noisy_draws(images: int) -> int:
    """Return how many noisy low-res images are made of each image of a domain that has so many."""
    return int(np.clip(NOISY_IMAGES // images, *NOISY_DRAWS))


def _thinned(spread: Spread, chosen: NDArray[np.int64]) -> Spread:
    """Keep some of the pixels."""
    areas, gradient = spread.areas, spread.gradient
    return replace(
        spread,
        std=spread.std[chosen],
        error=spread.error[chosen],
        gradient=None if gradient is None else gradient[chosen],
        areas=None if areas is None else replace(areas, parts=areas.parts[..., chosen]),
    )


def _upscaled_middle(model: Model, pair: Pair, noise: Literal["auto"] | float) -> Spread:
    """Upscale the middle of an image; in unit intensity."""
    rows, columns = (middle_of(range(size), SIDE // pair.scale) for size in pair.low.shape[:2])
    settings, part = UpscaleSettings(samples=SAMPLES, noise=noise), Region(Y=rows, X=columns)
    job = job_of(pair, model, settings, region=part, calibrations=[Calibration()], keep_samples=True)
    result = job.run()
    scaling, scale = job.scalings[0], pair.scale
    truth = pair.truth[scale * rows.start : scale * rows.stop, scale * columns.start : scale * columns.stop]
    assert result.std is not None
    mean, std = result.mean.astype(np.float64), result.std.astype(np.float64)
    samples = result.samples
    if pair.low.ndim == 3:
        mean, truth = (luma(colours.astype(np.float64)) for colours in (mean, truth))
        samples = None if samples is None else np.stack([luma(each) for each in samples])
    assert samples is not None
    drawn = (samples - mean).astype(np.float32)
    shares = shares_of(mean, truth, drawn, Factors.of(scale))
    std, error, gradient = (
        values.ravel() / scaling.gain for values in (std, mean - truth, gradient_magnitude(mean))
    )
    areas = None
    # A chain's last pass knows nothing of the areas of the first; and without antithetic pairs, areas would
    # move the mean.
    can_tell = model.network.is_odd and (scale, scale) in model.card.network.factors
    if can_tell:
        areas = areas_of(drawn / np.float32(scaling.gain), (mean - truth) / scaling.gain, scale)
    level = noise_level(noise, scaling)
    return Spread(pair.original or pair.name, pair.domain, level, False, std, error, gradient, areas, shares)


def areas_of(apart: Array, error: Float64Array, scale: int) -> Areas:
    """Take apart what samples differ by in means: of wide areas, low-res pixels and quarters, and within.

    Parameters
    ----------
    apart : float32 array of shape (samples, Y, X)
        Samples minus their mean, sizes divisible by `scale`.
    error : array of shape (Y, X)
        Their mean minus the truth.
    scale : int
        High-res pixels along a low-res one.
    """
    octaves = _octaves(apart, scale)
    products = [np.mean(one * other, axis=0) for one in octaves for other in octaves]
    parts = torch.from_numpy(np.stack(products))
    powers = [
        [np.mean(wrong**2), np.mean(said**2)]
        for wrong, said in zip(_octaves(error, scale), octaves, strict=True)
    ]
    sides = [scale * times for times in (1, 2, 4, 8, 16) if scale * times <= min(LARGEST_AREA, *error.shape)]
    errors = [np.mean(block_means(error, side) ** 2) for side in sides]
    blocks = []
    for side in sides:
        means = np.stack([block_means(octave, side).ravel() for octave in octaves[-2:]])
        blocks.append(means @ means.T / means.shape[1])
    seen = smoothed(parts[:, None]).double().numpy().reshape(len(octaves), len(octaves), -1)
    return Areas(seen, np.array(powers), np.array(errors), np.array(blocks))


def _octaves(values: Array, scale: int) -> list[Array]:
    """Split (..., Y, X) into what lies within the smallest areas, in their means, and so on."""

    def repeated(means: Array, side: int) -> Array:
        return means.astype(values.dtype).repeat(side, axis=-2).repeat(side, axis=-1)

    areas = block_means(values, scale)
    broad = broad_means(torch.from_numpy(areas.reshape(-1, 1, *areas.shape[-2:]))).numpy()
    sides = (2, scale) if scale == 4 else (scale,)
    means = [repeated(block_means(values, side), side) for side in sides]
    finer: list[Array] = [values, *means, repeated(broad.reshape(areas.shape), scale)]
    return [*(fine - coarse for fine, coarse in pairwise(finer)), finer[-1]]


def spread_of_pair(network: SuperResolutionVAE, pair: Batch, name: str) -> tuple[Spread, float]:
    """Upscale a pair in unit intensity as it is; also return which part of its squared error is noise.

    Parameters
    ----------
    network : SuperResolutionVAE
        In evaluation mode, on the CPU.
    pair : Batch
        Of one image, on the CPU.
    name : str
        Of its original.

    Returns
    -------
    spread : Spread
        Its error without the noise of the truth.
    share : float
        Of the noise in the squared error, 0 to 1.
    """
    spread = _sampled_pair(network, pair, name)
    wrong, share = without_truth_noise(spread.std, spread.error, estimate_noise(pair.high[0, 0].numpy()))
    return replace(spread, error=wrong), share


@torch.inference_mode()
def _sampled_pair(network: SuperResolutionVAE, pair: Batch, name: str) -> Spread:
    low, high, factor, conditions = pair
    generator = torch.Generator().manual_seed(zlib.crc32(os.fsencode(name)))
    moments = PairedMoments()
    encoded = network.encode(low, factor, conditions)
    drawn = network.decode(encoded, network.antithetic_noise(low, SAMPLES, generator))
    moments.add(drawn)
    assert moments.variance is not None
    std, error = smoothed(moments.variance).sqrt(), moments.mean - high
    noise = estimate_noise(pair.plane[0, 0].numpy())
    mean, truth = moments.mean.squeeze().numpy(), high.squeeze().numpy()
    shares = shares_of(mean, truth, drawn.squeeze(1).numpy() - mean, Factors(Y=factor[0], X=factor[1]))
    said, wrong = (values.flatten().double().numpy() for values in (std, error))
    return Spread(name, "", noise, False, said, wrong, shares=shares)

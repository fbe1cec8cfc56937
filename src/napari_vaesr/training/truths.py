"""What each scale of a model is measured on: images, their rows in the place of Z, or real stacks."""

from __future__ import annotations

import math
import os
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from napari_vaesr.arrays import Array
from napari_vaesr.engine.acquisition import noise_level
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.files.image import read_image
from napari_vaesr.files.image_file import ImageFile
from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.imaging.intensity import fit_scalings
from napari_vaesr.imaging.noise import estimate_noise
from napari_vaesr.imaging.region import Factors
from napari_vaesr.imaging.sampling import middle_part
from napari_vaesr.pairs.degradation import degrade, thinned
from napari_vaesr.pairs.images import find_images, grey
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.pairs.sources import always_noisy
from napari_vaesr.training.spreads import (
    PIXELS,
    SAMPLES,
    SIDE,
    SMALLEST,
    first_plane,
    noisy_draws,
    originals,
    spread_of_pair,
    spreads_of_file,
)
from napari_vaesr.trust.levels import Spread, without_truth_noise
from napari_vaesr.trust.shared import shares_of
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.registry import Model

VOLUME = {"Z": 32, "Y": 96, "X": 96}
"""Sides of the middle of a stack, in pixels of the truth."""

FEWEST = 4
"""Planes that are left at the least."""

NOISY_VOLUMES = 6
"""Noisy volumes made of each stack, beside a clean one."""

VOXELS = 20_000
"""Drawn at random of each volume."""


class Truths:
    """Sharp images, and stacks, on which the scales of a model are measured.

    Parameters
    ----------
    files : sequence of Path
        Images, the folder of each being its domain.
    stacks : sequence of Path
        Stacks, and folders of them.
    degradation : Degradation
        Of the model's training.
    fewest : int
        How many images each domain counts as at the least; the fewer, the more is taken of each.
    """

    def __init__(
        self, files: Sequence[Path], stacks: Sequence[Path], degradation: Degradation, fewest: int = 0
    ) -> None:
        self.files, self.stacks, self.degradation = files, stacks, degradation
        counts, self._originals = Counter(path.parent.name for path in files), originals(files)
        self._images = {domain: max(count, fewest) for domain, count in counts.items()}

    def steps(self, scale: str) -> int:
        """Return how often `spreads` tells that it has gone on with a scale, by its name on the card."""
        return 0 if _takes_stacks(scale) else len(self.files)

    def lacks_stacks(self, scale: str) -> bool:
        """Whether a scale takes stacks and none here is large enough; no pixel is read for that."""
        if not _takes_stacks(scale):
            return False
        found = find_images(self.stacks) if self.stacks else ()
        return all(_middle(read_image(path), Factors.parse(scale)) is None for path in found)

    def has_domains(self, scale: str) -> bool:
        """Whether each domain is measured enough to be calibrated by itself; stacks are too few."""
        return not _takes_stacks(scale)

    def spreads(self, model: Model, scale: str, tell: Callable[[], None]) -> list[Spread]:
        """Measure a scale; none where all truths are too small for it.

        Parameters
        ----------
        model : Model
            Its calibrations of the earlier passes are used as they are.
        scale : str
            Such as ``2``, ``3x1`` or ``Z=4,Y=2,X=2``.
        tell : callable
            Called after each image.
        """
        if _takes_stacks(scale):
            return spreads_of_stacks(model, self.stacks, Factors.parse(scale), self.degradation)
        factor, _, alone = scale.partition("x")
        measure = spreads_of_rows if alone else spreads_of_file
        found: list[Spread] = []
        for path in self.files:
            images, original = self._images[path.parent.name], self._originals[path]
            found += measure(model, path, int(factor), self.degradation, images, original)
            tell()
        return found


def _takes_stacks(scale: str) -> bool:
    """Whether a scale makes planes along Z and more pixels of each, which no single image can show."""
    return "Z" in scale


def spreads_of_rows(
    model: Model, path: Path, factor: int, degradation: Degradation, images: int, original: str
) -> list[Spread]:
    """Let the rows of an image play Z, blurred and left out or averaged, and make them again.

    Parameters and result are those of `spreads_of_file`; `factor` is how many times fewer rows there are.
    """
    name, plane = first_plane(path)
    unit = math.lcm(factor, *(level.stride for level in model.card.network.levels)) * factor
    height, width = (min(size, SIDE) // unit * unit for size in plane.shape[:2])
    if min(height, width) < SMALLEST * factor:
        return []
    image = grey(plane).astype(np.float64)
    (scaling,) = fit_scalings(image, Axes.parse("YX", image.shape), model.card.intensity)
    part = image[middle_part(image.shape[0], height), middle_part(image.shape[1], width)]
    high = torch.from_numpy(scaling.to_unit(part))[None, None]
    ways = [degradation.model_copy(update={"clean": 1.0, "gain": (1.0, 1.0), "offset": (0.0, 0.0)})]
    if degradation.clean < 1:
        ways += [always_noisy(degradation)] * noisy_draws(2 * images)
    pixels = max(PIXELS // images // len(ways), 500)
    spreads = []
    for number, way in enumerate(ways):
        seed = zlib.crc32(os.fsencode(f"{name}, rows {number}"))
        pair = degrade(high, (factor, 1), way, torch.Generator().manual_seed(seed))
        pair.conditions[:, 3] = 0  # as in use, what planes are is not known unless it is told
        spread, _ = spread_of_pair(model.network, pair, f"{name}, rows {number}")
        chosen = np.random.default_rng(seed).choice(
            spread.std.size, min(pixels, spread.std.size), replace=False
        )
        spreads.append(
            replace(
                spread,
                image=original,
                domain=path.parent.name,
                noise=0.0 if number == 0 else spread.noise,
                clean=number == 0,
                std=spread.std[chosen],
                error=spread.error[chosen],
            )
        )
    return spreads


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
        truth = middle_of_stack(path, factors)
        if truth is not None:
            found += _spreads(model, path, truth, factors, degradation)
    return found


def middle_of_stack(path: Path, factors: Factors) -> Array | None:
    """Return the middle of a stack, None where it is none or too thin.

    Parameters
    ----------
    path : Path
        An image file.
    factors : Factors
        By which it will be made smaller: its sides are multiples of them.

    Returns
    -------
    float64 array of shape (Z, Y, X), or None
        In the intensities of the file.
    """
    image = read_image(path)
    middle = _middle(image, factors)
    if middle is None:
        return None
    stack = np.asarray(image.data).transpose([image.axes.index(name) for name in "ZYX"])
    return stack[middle].astype(np.float64)


def _middle(image: ImageFile, factors: Factors) -> tuple[slice, ...] | None:
    """Return the part of a stack that `middle_of_stack` takes, along Z, Y and X."""
    if set(image.axes) != set("ZYX"):
        return None
    parts = []
    for name in "ZYX":
        size, factor = image.data.shape[image.axes.index(name)], factors.whole(name)
        length = min(size, VOLUME[name]) // factor * factor
        parts.append(middle_part(size, length))
        if length < FEWEST * factor:
            return None
    return tuple(parts)


def _spreads(
    model: Model, path: Path, truth: Array, factors: Factors, degradation: Degradation
) -> list[Spread]:
    """Measure one stack, clean and noisy."""
    (scaling,) = fit_scalings(truth, Axes.parse("ZYX", truth.shape), model.card.intensity)
    unit = scaling.to_unit(truth)
    own_noise = float(np.median([estimate_noise(plane) for plane in unit]))
    spreads = []
    for number in range(1 + NOISY_VOLUMES * (degradation.clean < 1)):
        seed = zlib.crc32(os.fsencode(f"{path.name}, volume {number}"))
        low = degraded(unit, factors, degradation, is_noisy=number > 0, seed=seed)
        settings = UpscaleSettings(scale=factors.setting, samples=SAMPLES)
        source = Source.of(low, "ZYX")
        job = UpscaleJob(source, settings, model=model, calibrations=[Calibration()], keep_samples=True)
        result = job.run()
        assert result.std is not None and result.samples is not None
        mean = result.mean.astype(np.float64)
        shares = shares_of(mean, unit, result.samples - mean, factors, "ZYX")
        std, error = result.std.ravel(), (result.mean - unit).ravel()
        chosen = np.random.default_rng(seed).choice(std.size, min(VOXELS, std.size), replace=False)
        gain = job.scalings[0].gain
        wrong, _ = without_truth_noise(std[chosen], error[chosen], own_noise)
        noise = noise_level("auto", job.scalings[0])
        spread = Spread(path.stem, path.parent.name, noise, number == 0, std[chosen] / gain, wrong / gain)
        spreads.append(replace(spread, shares=shares))
    return spreads


def degraded(unit: Array, factors: Factors, degradation: Degradation, *, is_noisy: bool, seed: int) -> Array:
    """Return what a microscope with coarser steps and pixels would have seen.

    Parameters
    ----------
    unit : array of shape (Z, Y, X)
        In unit intensity.
    factors : Factors
        How many times fewer planes, rows and columns.
    degradation : Degradation
        Its noise and its thickness of planes; blur, gain and offset are left out.
    is_noisy : bool
        Whether there is noise at all.
    seed : int
        Of all that is drawn.
    """
    generator = torch.Generator().manual_seed(seed)
    volume = torch.from_numpy(np.ascontiguousarray(unit, np.float32))
    rows = volume.permute(1, 0, 2)[None]  # the rows of these images are the planes
    is_thick = torch.rand(1, 1, 1, 1, generator=generator) < degradation.thick
    thin = rows if factors.whole("Z") == 1 else thinned(rows, factors.whole("Z"), is_thick)
    planes = thin[0].permute(1, 0, 2)[None]
    alone = {"blur": (0.0, 0.0), "own_blur": (0.0, 0.0), "gain": (1.0, 1.0), "offset": (0.0, 0.0)}
    way = degradation.model_copy(update={**alone, "clean": 0.0 if is_noisy else 1.0})
    return np.asarray(degrade(planes, factors.whole("Y"), way, generator).low[0])

"""What a pass says of a region before it is calibrated: of each view of its planes, and of them together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_vaesr.arrays import Float32Array
from napari_vaesr.centres import to_larger
from napari_vaesr.engine.assembly import allocate
from napari_vaesr.engine.passes import Pass
from napari_vaesr.engine.planes import spread_out
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.engine.upscaler import TileMoments
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.colour import luma
from napari_vaesr.imaging.region import Region
from napari_vaesr.imaging.resample import CUBIC, LINEAR, Kernel, enlarged, resampled


class Answer:
    """What the planes of one view say of a region, in unit intensity; axes as the image's less ``S``.

    Parameters
    ----------
    step : Pass
        What is done.
    settings : UpscaleSettings
        How many samples there are, and whether they differ.
    region : Region
        What the network enlarges.
    keep_samples : bool
        Whether there is room for every sample, too.
    in_colour : bool
        Whether the network makes the chroma, too.

    Attributes
    ----------
    mean : ndarray
        Float32.
    variance : ndarray of the same shape, or None
        As samples have it; None where they do not differ.
    samples : ndarray of one axis more, the first, or None
        As they were drawn.
    chroma : ndarray of one axis more, the last, or None
        Blue and red difference.
    """

    def __init__(
        self, step: Pass, settings: UpscaleSettings, region: Region, keep_samples: bool, in_colour: bool
    ) -> None:
        self._step, self._region = step, region
        shape = step.axes.without_samples().of_enlarged(region, step.made).shape
        self.mean: Float32Array = allocate(shape, np.float32)
        self.variance = allocate(shape, np.float32) if settings.has_spread else None
        self.samples = allocate((settings.samples, *shape), np.float32) if keep_samples else None
        self.chroma = allocate((*shape, 2), np.float32) if in_colour else None

    def put(self, axes: Axes, where: Region, found: TileMoments) -> None:
        """Put what was found of a part of one plane of `axes` in its place."""
        outline, made = axes.without_samples(), self._step.made
        inside = where.enlarged(made).within(self._region.enlarged(made))
        index = tuple(inside[name] if name in outline.plane else inside[name].start for name in outline.names)
        self.mean[index] = outline.arrange_plane(found.mean)
        if self.variance is not None and found.std is not None:
            self.variance[index] = outline.arrange_plane(found.std) ** 2
        if self.samples is not None and found.samples is not None:
            for kept, sample in zip(self.samples, found.samples, strict=True):
                kept[index] = outline.arrange_plane(sample)
        if self.chroma is not None and found.chroma is not None:
            for number in range(2):
                self.chroma[(*index, number)] = outline.arrange_plane(found.chroma[..., number])

    def add_earlier(self, earlier: Float32Array, held: Region) -> None:
        """Add to each sample what the pass before drew of a region around it, enlarged."""
        assert self.samples is not None
        axes = self._step.axes.without_samples()
        for sample, before in zip(self.samples, earlier, strict=True):
            grey = before
            if self._step.axes.is_rgb:
                colours = np.moveaxis(before, self._step.axes.names.index("S"), -1)
                grey = luma(colours[..., :3])
            sample += enlarged(grey, held, self._region, self._step.made, axes, LINEAR)

    def bring_to(self, region: Region, std: Float32Array | None) -> Float32Array | None:
        """Bring mean and samples to what was asked for, where the network made more; returns their std.

        The truth between two planes is as uncertain as they are, so variances are interpolated. A sample
        there is an average, which varies less: its distance from the mean is brought to that std.
        """
        if self._step.network is None:
            return std
        self.mean = self.brought_to(region, self.mean)
        if std is not None:
            std = np.sqrt(self.brought_to(region, std**2, LINEAR))
        if self.samples is not None:
            samples = np.stack([self.brought_to(region, sample) for sample in self.samples])
            if std is not None:
                drawn = np.sqrt(np.mean((samples - self.mean) ** 2, axis=0))
                for sample in samples:
                    sample[...] = spread_out(sample, self.mean, drawn, std)
            self.samples = samples
        return std

    def brought_to(self, region: Region, part: Float32Array, kernel: Kernel = CUBIC) -> Float32Array:
        """Interpolate along axes of which the network made more pixels than were asked for."""
        step, axes = self._step, self._step.axes.without_samples()
        for name in step.resampled:
            whole, wanted = step.axes.upscaled(step.made), step.factors.made_of(name, region[name])
            times = step.made.along(name) / step.factors.along(name)
            positions = to_larger(np.asarray(wanted), times)
            start = self._region[name].start * step.made.whole(name)
            part = resampled(part, axes.names.index(name), positions, start, whole.lengths[name], kernel)
        return part


def averaged(answers: Sequence[Answer]) -> Answer:
    """Average the answers of one view or two; where they differ, neither is to be trusted as much."""
    if len(answers) == 1:
        return answers[0]
    one, other = answers
    half = (one.mean - other.mean) / 2
    if one.samples is not None and other.samples is not None:
        # The two drew apart from each other: their sum over the root of two varies as much as either.
        for sample, its in zip(one.samples, other.samples, strict=True):
            sample += (its - other.mean) * np.float32(0.5**0.5) + (sample - one.mean) * np.float32(
                0.5**0.5 - 1
            )
            sample -= half
    one.mean -= half
    if one.variance is not None and other.variance is not None:
        one.variance += other.variance
        one.variance /= 2
        one.variance += half**2
    return one

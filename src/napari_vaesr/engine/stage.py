"""One pass over the pixels that it reads: any part of its result, computed alone."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np

from napari_vaesr.engine.assembly import allocate
from napari_vaesr.engine.conditions import Conditions
from napari_vaesr.engine.passes import Pass
from napari_vaesr.engine.pixels import Pixels
from napari_vaesr.engine.planes import Box, Piece, SourcePlane, spread_out
from napari_vaesr.engine.result import Array, FloatArray, maps_shape, uncertainty_map
from napari_vaesr.engine.settings import UncertaintyKind
from napari_vaesr.engine.surroundings import Surroundings
from napari_vaesr.engine.upscaler import Step, TileMoments, Upscaler
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.colour import luma_chroma_to_rgb, rgb_to_luma_chroma, straight
from napari_vaesr.imaging.intensity import IntensityScaling
from napari_vaesr.imaging.region import Region
from napari_vaesr.imaging.resample import CUBIC, LINEAR, Kernel, around, enlarged, resampled
from napari_vaesr.zoo.card import Calibration

AS_IT_IS = IntensityScaling(offset=0, gain=1)


@dataclass(frozen=True)
class Stage:
    """A pass with all that it needs.

    Attributes
    ----------
    step : Pass
        What it does.
    pixels : Pixels
        What it reads.
    upscaler : Upscaler
        Runs the network.
    reading, writing : tuple of IntensityScaling
        Of each channel: from what is read to unit intensity, and from there to what is written.
    calibrations : tuple of Calibration
        Of each channel.
    conditions : tuple of Conditions
        Of each channel.
    surroundings : Surroundings
        What is seen around planes.
    kind : {"std", "variance", "relative", "interval"}
        Uncertainty to give.
    dtype, source_dtype : dtype
        Of the mean, and of the image itself.
    messages : list of str
        What the user should know is added to it.
    """

    step: Pass
    pixels: Pixels
    upscaler: Upscaler
    reading: tuple[IntensityScaling, ...]
    writing: tuple[IntensityScaling, ...]
    calibrations: tuple[Calibration, ...]
    conditions: tuple[Conditions, ...]
    surroundings: Surroundings
    kind: UncertaintyKind
    dtype: np.dtype[np.generic]
    source_dtype: np.dtype[np.generic]
    messages: list[str]

    @property
    def work(self) -> int:
        """Sum of the work of all steps of the whole pass."""
        return self.upscaler.work(self.step.work)

    def work_of(self, region: Region) -> int:
        """Return the sum of the work of all steps of a part."""
        return self.upscaler.work(self.step.work_of(region.size))

    def needs(self, region: Region) -> Region:
        """Return what is read for a region: it and what is looked at around it."""
        halo, alignment = self.upscaler.halo, self.upscaler.network.alignment
        return self.surroundings.needed(self.step, region, halo, alignment)

    def compute(self, region: Region, keep_samples: bool = False) -> Generator[Step, None, Piece]:
        """Compute a part; yields as the work goes on, and returns the result. Closing cancels.

        Parameters
        ----------
        region : Region
            Of the pass's region, every axis named, a single channel.
        keep_samples : bool
            Give every sample, too.
        """
        held = self.needs(region)
        yield from self.pixels.prepare(held)
        box = Box(self.pixels.read(held), held, self.step.axes)
        answers: list[_Answer] = []
        seen, counted = self.step.looked_at(region), 0
        for number in range(len(self.step.views)):
            answer = _Answer(self, seen, keep_samples)
            for step in self._look(number, box, seen, answer):
                # Planes looked at for the sake of others count as work on those.
                before = counted * region.size // seen.size
                counted += step.work
                yield replace(step, work=counted * region.size // seen.size - before)
            answers.append(answer)
        answer = answers[0] if len(answers) == 1 else _averaged(*answers)
        del answers
        with np.errstate(all="ignore"):  # what the caller has set is about his numbers; ours are looked at
            piece = self._finished(region, box, answer)
        for numbers in (piece.mean, piece.std, piece.uncertainty, piece.samples):
            if numbers is not None and not np.isfinite(numbers).all():
                raise VaesrError(
                    "The result holds numbers beyond float32, please choose a lower temperature, another "
                    "uncertainty or a model whose calibration is sound."
                )
        return piece

    def _look(self, number: int, box: Box, region: Region, answer: _Answer) -> Iterator[Step]:
        """Look at all planes of a view."""
        view, channel = self.step.views[number], _channel(region)
        axes = replace(self.step.axes, plane=view)
        rows, columns = (region[name] for name in view)
        # The views of a pass draw noise of their own.
        first = sum(replace(axes, plane=each).plane_count for each in self.step.views[:number])
        for index in axes.planes_of(region):
            place = axes.plane_coordinates(index)
            plane = SourcePlane(
                box,
                view,
                place,
                self.reading[channel],
                self.conditions[channel],
                self.surroundings.around(axes, place, first),
                self.calibrations[channel].factors,
            )
            keep = answer.samples is not None
            for step in self.upscaler.moments(plane, rows, columns, keep_samples=keep):
                if step.message:
                    self.messages.append(step.message)
                if step.finished is not None:
                    tile = step.finished.tile
                    where = Region({**region, **axes.region(index, tile.rows, tile.columns)})
                    answer.put(axes, where, step.finished)
                yield step

    def _finished(self, region: Region, box: Box, answer: _Answer) -> Piece:
        """Add what is known of the pass before, calibrate, and bring all to the intensities to write."""
        outline, channel = self.step.axes.without_samples(), _channel(region)
        calibration, scaling = self.calibrations[channel], self.writing[channel]
        seen, made = self.step.looked_at(region), self.step.made
        close = around(seen, made, outline)
        if answer.samples is not None and (earlier := self.pixels.residuals(close)) is not None:
            _add_earlier(answer.samples, earlier, self, close, seen)
        expected: FloatArray | None = None
        if answer.variance is not None:
            variance, before = answer.variance, self.pixels.variance(close)
            if before is not None:  # law of total variance, as if this pass were linear
                variance += enlarged(before, close, seen, made, outline, LINEAR)
            drawn_std = np.sqrt(variance, out=variance)
            expected = calibration.apply(drawn_std)
            if answer.samples is not None:
                for number, sample in enumerate(answer.samples):
                    answer.samples[number] = spread_out(sample, answer.mean, drawn_std, expected)
        others = self._others(seen, box, close) if self.step.axes.is_rgb else None
        if others is not None and answer.chroma is not None:
            others[..., :2] = answer.chroma  # the network saw the colours, too
        if self.step.network is not None:
            expected = self._resample(region, seen, answer, expected)
            others = None if others is None else self._resampled(others, region, seen)
        std = shown = None
        if expected is not None:
            std = scaling.std_from_unit(expected)
            shown = std
            if self.kind != "std":
                shown = np.empty(maps_shape(self.kind, std.shape), np.float32)
                for index in np.ndindex(std.shape[:-2]):  # what is in between takes room
                    centre = scaling.from_unit(answer.mean[index], np.float32)
                    maps = uncertainty_map(self.kind, centre, std[index], scaling.gain, calibration.interval)
                    shown[(..., *index, slice(None), slice(None))] = maps
        mean = self._in_source(answer.mean, others, scaling)
        drawn = None
        if answer.samples is not None:
            drawn = np.stack([self._in_source(sample, others, scaling) for sample in answer.samples])
        return Piece(region, mean, std, shown, drawn)

    def _resample(
        self, region: Region, seen: Region, answer: _Answer, std: FloatArray | None
    ) -> FloatArray | None:
        """Bring what the network made of more planes to those asked for; returns their std.

        The truth between two planes is as uncertain as they are, so variances are interpolated. A sample
        there is an average, which varies less: its distance from the mean is brought to that std.
        """
        answer.mean = self._resampled(answer.mean, region, seen)
        if std is not None:
            std = np.sqrt(self._resampled(std**2, region, seen, LINEAR))
        if answer.samples is not None:
            samples = np.stack([self._resampled(sample, region, seen) for sample in answer.samples])
            if std is not None:
                drawn = np.sqrt(np.mean((samples - answer.mean) ** 2, axis=0))
                for sample in samples:
                    sample[...] = spread_out(sample, answer.mean, drawn, std)
            answer.samples = samples
        return std

    def _resampled(
        self, part: FloatArray, region: Region, seen: Region, kernel: Kernel = CUBIC
    ) -> FloatArray:
        """Interpolate along ``Z`` from planes that the network made to those asked for."""
        step, axes = self.step, self.step.axes.without_samples()
        whole, wanted = step.axes.upscaled(step.made), step.factors.made_of("Z", region["Z"])
        times = step.made.along("Z") / step.factors.along("Z")
        positions = (np.asarray(wanted) + 0.5) * times - 0.5
        start = seen["Z"].start * step.made.whole("Z")
        return resampled(part, axes.names.index("Z"), positions, start, whole.lengths["Z"], kernel)

    def _others(self, region: Region, box: Box, close: Region) -> FloatArray:
        """Return bicubic chroma and alpha, axes as the image's less ``S``, and (2 or 3) last."""
        axes = self.step.axes
        where = tuple(
            slice(close[name].start - box.region[name].start, close[name].stop - box.region[name].start)
            if name != "S"
            else slice(None)
            for name in axes.names
        )
        colours = np.moveaxis(box.pixels[where], axes.names.index("S"), -1)
        unit = self.reading[_channel(region)].to_unit(colours)
        others = np.concatenate([rgb_to_luma_chroma(unit[..., :3])[1], unit[..., 3:]], axis=-1)
        return enlarged(others, close, region, self.step.made, axes.without_samples(), CUBIC)

    def _in_source(self, luma: FloatArray, others: FloatArray | None, scaling: IntensityScaling) -> Array:
        """Bring unit intensities, with chroma and alpha if there are any, to those to write."""
        colours = () if others is None else (others.shape[-1] + 1,)
        whole: Array = np.empty(luma.shape + colours, self.dtype)
        for index in np.ndindex(luma.shape[:-2]):
            pixels = luma[index]
            if others is not None:
                rest = others[index]
                pixels = np.concatenate([luma_chroma_to_rgb(pixels, rest[..., :2]), rest[..., 2:]], axis=-1)
            if self.step.is_last and others is not None and others.shape[-1] == 3:  # there is alpha
                weighted = scaling.from_unit(pixels, np.float64)
                whole[index] = AS_IT_IS.from_unit(straight(weighted, self.source_dtype), self.dtype)
            else:
                whole[index] = scaling.from_unit(pixels, self.dtype)
        return whole if others is None else np.moveaxis(whole, -1, self.step.axes.names.index("S"))


class _Answer:
    """What the planes of one view say of a region, in unit intensity; axes as the image's less ``S``."""

    def __init__(self, stage: Stage, region: Region, keep_samples: bool) -> None:
        settings = stage.upscaler.settings
        self._factors, self._region = stage.step.made, region
        outline = stage.step.axes.without_samples().of_enlarged(region, self._factors)
        self.mean: FloatArray = allocate(outline.shape, np.float32)
        self.variance = allocate(outline.shape, np.float32) if settings.has_spread else None
        self.samples = allocate((settings.samples, *outline.shape), np.float32) if keep_samples else None
        in_colour = stage.step.axes.is_rgb and stage.upscaler.network.sees_colours
        self.chroma = allocate((*outline.shape, 2), np.float32) if in_colour else None

    def put(self, axes: Axes, where: Region, found: TileMoments) -> None:
        """Put what was found of a part of one plane in its place."""
        outline = axes.without_samples()
        inside = where.enlarged(self._factors).within(self._region.enlarged(self._factors))
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


def _averaged(one: _Answer, other: _Answer) -> _Answer:
    """Average two answers; where they differ, neither is to be trusted as much."""
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


def _add_earlier(
    samples: FloatArray, earlier: FloatArray, stage: Stage, close: Region, region: Region
) -> None:
    """Add to each sample what the pass before drew, enlarged."""
    axes = stage.step.axes.without_samples()
    for sample, before in zip(samples, earlier, strict=True):
        luma = before
        if stage.step.axes.is_rgb:
            luma = rgb_to_luma_chroma(np.moveaxis(before, stage.step.axes.names.index("S"), -1)[..., :3])[0]
        sample += enlarged(luma, close, region, stage.step.made, axes, LINEAR)


def _channel(region: Region) -> int:
    return region["C"].start if "C" in region else 0

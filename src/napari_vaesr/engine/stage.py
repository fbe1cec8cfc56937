"""One pass over the pixels that it reads: any part of its result, computed alone."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import numpy as np

from napari_vaesr.arrays import Array, Float32Array
from napari_vaesr.engine.answer import Answer, averaged
from napari_vaesr.engine.passes import Pass
from napari_vaesr.engine.pixels import Pixels
from napari_vaesr.engine.planes import Box, SourcePlane, spread_out
from napari_vaesr.engine.result import Piece, maps_shape, uncertainty_map
from napari_vaesr.engine.settings import UncertaintyKind
from napari_vaesr.engine.surroundings import Surroundings
from napari_vaesr.engine.upscaler import Step, Upscaler
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.colour import luma_chroma_to_rgb, rgb_to_luma_chroma, straight
from napari_vaesr.imaging.intensity import IntensityScaling
from napari_vaesr.imaging.region import Region
from napari_vaesr.imaging.resample import CUBIC, LINEAR, around, enlarged
from napari_vaesr.vae.config import Conditions
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
        settings = self.upscaler.settings
        in_colour = self.step.axes.is_rgb and self.upscaler.network.sees_colours
        answers: list[Answer] = []
        seen, counted = self.step.looked_at(region), 0
        for number in range(len(self.step.views)):
            answer = Answer(self.step, settings, seen, keep_samples, in_colour)
            for step in self._look(number, box, seen, answer):
                # Planes looked at for the sake of others count as work on those.
                before = counted * region.size // seen.size
                counted += step.work
                yield replace(step, work=counted * region.size // seen.size - before)
            answers.append(answer)
        answer = averaged(answers)
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

    def _look(self, number: int, box: Box, region: Region, answer: Answer) -> Iterator[Step]:
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

    def _finished(self, region: Region, box: Box, answer: Answer) -> Piece:
        """Add what is known of the pass before, calibrate, and bring all to the intensities to write."""
        outline, channel = self.step.axes.without_samples(), _channel(region)
        calibration, scaling = self.calibrations[channel], self.writing[channel]
        seen, made = self.step.looked_at(region), self.step.made
        close = around(seen, made, outline)
        if answer.samples is not None and (earlier := self.pixels.residuals(close)) is not None:
            answer.add_earlier(earlier, close)
        expected: Float32Array | None = None
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
        expected = answer.bring_to(region, expected)
        others = None if others is None else answer.brought_to(region, others)
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

    def _others(self, region: Region, box: Box, close: Region) -> Float32Array:
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

    def _in_source(self, luma: Float32Array, others: Float32Array | None, scaling: IntensityScaling) -> Array:
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


def _channel(region: Region) -> int:
    return region["C"].start if "C" in region else 0

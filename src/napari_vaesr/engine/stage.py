"""One pass over the pixels that it reads: any part of its result, computed alone."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from napari_vaesr.arrays import Array, Float32Array
from napari_vaesr.engine.answer import Answer, answered
from napari_vaesr.engine.passes import Pass
from napari_vaesr.engine.pixels import Pixels, index_of
from napari_vaesr.engine.planes import Box, SourcePlane, spread_out
from napari_vaesr.engine.result import Piece, maps_shape, uncertainty_map
from napari_vaesr.engine.settings import UncertaintyKind
from napari_vaesr.engine.surroundings import Surroundings
from napari_vaesr.engine.upscaler import Step, Upscaler
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes, Place
from napari_vaesr.imaging.colour import luma_chroma_to_rgb, rgb_to_luma_chroma, straight
from napari_vaesr.imaging.intensity import UNIT, IntensityScaling
from napari_vaesr.imaging.region import Region
from napari_vaesr.imaging.resample import CUBIC, LINEAR
from napari_vaesr.vae.config import Conditions
from napari_vaesr.zoo.calibration import Calibration


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

    def compute(self, region: Region, keep_samples: bool = False) -> Generator[Step, None, Piece]:
        """Compute a part; yields as the work goes on, and returns the result. Closing cancels.

        Parameters
        ----------
        region : Region
            Of the pass's region, every axis named, a single channel.
        keep_samples : bool
            Give every sample, too.

        Raises
        ------
        VaesrError
            When a number of the result is not finite, or as `Upscaler.moments`.
        """
        held = self.surroundings.needed(self.step, region, self.upscaler)
        yield from self.pixels.prepare(held)
        box = Box(self.pixels.read(held), held)
        in_colour = self.step.axes.is_rgb and self.upscaler.network.sees_colours
        answer = yield from answered(
            self.step,
            region,
            partial(Answer, self.step, self.upscaler.settings, keep_samples, in_colour),
            partial(self._look, box, keep_samples),
            partial(self._complete, box, _channel(region)),
        )
        with np.errstate(all="ignore"):  # what the caller has set is about his numbers; ours are looked at
            piece = self._written(region, answer)
        for numbers in (piece.mean, piece.std, piece.uncertainty, piece.samples):
            if numbers is not None and not np.isfinite(numbers).all():
                raise VaesrError(
                    "The result holds numbers beyond float32, please choose a lower temperature, another "
                    "uncertainty or a model whose calibration is sound."
                )
        return piece

    def _look(
        self, box: Box, keep_samples: bool, axes: Axes, place: Place, region: Region, first: int
    ) -> Iterator[Step]:
        """Look at the part of a plane that lies in a region; its noise has keys from `first`."""
        channel = _channel(region)
        plane = SourcePlane(
            box,
            axes,
            place,
            self.reading[channel],
            self.conditions[channel],
            self.surroundings.around(axes, place, first),
            self.calibrations[channel].factors,
        )
        rows, columns = (region[name] for name in axes.plane)
        for step in self.upscaler.moments(plane, rows, columns, keep_samples=keep_samples):
            if step.message:
                self.messages.append(step.message)
            yield step

    def _complete(self, box: Box, channel: int, answer: Answer) -> None:
        """Add what is known of the pass before and of colours, and calibrate."""
        if answer.samples is not None and (earlier := self.pixels.residuals(answer.close)) is not None:
            answer.add_earlier(earlier)
        if answer.variance is not None:
            variance, before = answer.variance, self.pixels.variance(answer.close)
            if before is not None:  # law of total variance, as if this pass were linear
                variance += answer.enlarged(before, LINEAR)
            drawn_std = np.sqrt(variance, out=variance)
            answer.std = self.calibrations[channel].apply(drawn_std)
            if answer.samples is not None:
                for number, sample in enumerate(answer.samples):
                    answer.samples[number] = spread_out(sample, answer.mean, drawn_std, answer.std)
        if self.step.axes.is_rgb:
            answer.others = answer.enlarged(self._others(box, channel, answer.close), CUBIC)
            if answer.chroma is not None:
                answer.others[..., :2] = answer.chroma  # the network saw the colours, too

    def _written(self, region: Region, answer: Answer) -> Piece:
        """Bring an answer to the intensities to write."""
        scaling, calibration = self.writing[_channel(region)], self.calibrations[_channel(region)]
        std = shown = None
        if answer.std is not None:
            std = scaling.std_from_unit(answer.std)
            shown = std
            if self.kind != "std":
                shown = np.empty(maps_shape(self.kind, std.shape), np.float32)
                for index in np.ndindex(std.shape[:-2]):  # what is in between takes room
                    centre = scaling.from_unit(answer.mean[index], np.float32)
                    maps = uncertainty_map(self.kind, centre, std[index], scaling.gain, calibration.interval)
                    shown[(..., *index, slice(None), slice(None))] = maps
        mean = self._in_source(answer.mean, answer.others, scaling)
        drawn = None
        if answer.samples is not None:
            drawn = np.stack([self._in_source(sample, answer.others, scaling) for sample in answer.samples])
        return Piece(region, mean, std, shown, drawn)

    def _others(self, box: Box, channel: int, region: Region) -> Float32Array:
        """Return chroma and alpha of a region as it is, axes as the image's less ``S``, and (2 or 3) last."""
        axes = self.step.axes
        colours = np.moveaxis(box.pixels[index_of(region, box.region, axes)], axes.names.index("S"), -1)
        unit = self.reading[channel].to_unit(colours)
        return np.concatenate([rgb_to_luma_chroma(unit[..., :3])[1], unit[..., 3:]], axis=-1)

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
                whole[index] = UNIT.from_unit(straight(weighted, self.source_dtype), self.dtype)
            else:
                whole[index] = scaling.from_unit(pixels, self.dtype)
        return whole if others is None else np.moveaxis(whole, -1, self.step.axes.names.index("S"))


def _channel(region: Region) -> int:
    return region["C"].start if "C" in region else 0

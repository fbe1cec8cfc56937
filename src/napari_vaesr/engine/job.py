"""An upscaling as a job that can be described, watched, cancelled and made again."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from napari_vaesr.engine.acquisition import noise_found, noise_level
from napari_vaesr.engine.assembly import Assembly
from napari_vaesr.engine.blocks import BlockGrid
from napari_vaesr.engine.calibrations import chosen_calibrations
from napari_vaesr.engine.conditions import check_conditions, conditions_in_pass, conditions_of
from napari_vaesr.engine.description import Description, PassDescription
from napari_vaesr.engine.device import memory_released
from napari_vaesr.engine.passes import Chain, Pass, seeded
from napari_vaesr.engine.pixels import Held, Original, Pixels
from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.record import ModelVersion, Record, RecordedInput, network_hash
from napari_vaesr.engine.result import Piece, Result, map_names, result_dtype
from napari_vaesr.engine.settings import UpscaleSettings, without_spread
from napari_vaesr.engine.stage import Stage
from napari_vaesr.engine.surroundings import Surroundings, unheeded
from napari_vaesr.engine.upscaler import Upscaler
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes, Source, SourceArray
from napari_vaesr.imaging.intensity import UNIT, IntensityScaling, check_array, fit_scalings
from napari_vaesr.imaging.region import Region
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.registry import Model, load_model

WHOLE = Region()


class UpscaleJob:
    """Upscaling of an image: everything is checked at once, nothing is computed before it is iterated.

    Iterating does the work and yields `Progress` several times per tile; afterwards `result` is there.
    Closing the iterator cancels the job and gives its memory back.

    Parameters
    ----------
    source : Source
        The whole image and its axes; read plane by plane.
    settings : UpscaleSettings
        What to do.
    region : mapping of str to range, optional
        The part to upscale, in low-res pixels by axis letter; the whole image by default.
    model : Model, optional
        The model, if it is loaded already; else ``settings.model`` is loaded.
    scalings : sequence of IntensityScaling, optional
        One per channel; fitted to the image by default.
    calibrations : sequence of Calibration, optional
        One per channel, of the last pass, which corrects all of them, or of every pass; from the model's card
        by default.
    keep_samples : bool
        Keep every sample in `Result.samples`; they take as many times the memory of the mean.

    Attributes
    ----------
    partial : Result or None
        While the last pass is iterated, its arrays as they fill, 0 where nothing is done yet, without
        samples.

    Raises
    ------
    VaesrError
        When the image, a setting or the region is not right.
    """

    def __init__(
        self,
        source: Source,
        settings: UpscaleSettings,
        region: Mapping[str, range] = WHOLE,
        *,
        model: Model | None = None,
        scalings: Sequence[IntensityScaling] | None = None,
        calibrations: Sequence[Calibration] | None = None,
        keep_samples: bool = False,
    ) -> None:
        self.source, self.array, self.axes = source, source.array, source.axes
        check_array(self.array, self.axes)
        self.region = Region(region).of(self.axes.lengths)
        self.model = load_model(settings.model if model is None else model)
        card = self.model.card
        chain = Chain.of(settings, source, card)
        self.settings = settings = chain.settings
        self.factors = settings.factors
        self.upscalers = tuple(
            Upscaler(self.model, seeded(settings, number), factor)
            for number, factor in enumerate(chain.network_factors)
        )
        if scalings is None:
            scalings = fit_scalings(self.array, self.axes, card.intensity)
        self.scalings = tuple(scalings)
        self.surroundings = Surroundings.of(source, self.scalings, settings, card)
        self.passes = chain.passes(self.axes, self.region, self._needed)
        self.messages = without_spread(settings)
        self.messages += check_conditions(settings, card)
        self.messages += unheeded(self.axes, settings, card)
        self.messages += chain.messages
        self.conditions = tuple(conditions_of(settings, scaling) for scaling in self.scalings)
        noises = [noise_level(settings.noise, scaling) for scaling in self.scalings]
        self.calibrations, missing_ones = chosen_calibrations(
            card, self.factors, noises, settings, calibrations
        )
        self.messages += missing_ones
        self.keep_samples = keep_samples
        self._result: Result | None = None
        self.partial: Result | None = None

    def _needed(self, step: Pass, region: Region) -> Region:
        """Return what a pass reads for a region."""
        return self.surroundings.needed(step, region, self.upscalers[step.number])

    @classmethod
    def from_record(
        cls, array: SourceArray, record: Record | Mapping[str, Any], *, model: Model | None = None
    ) -> UpscaleJob:
        """Return the job that makes a result again.

        Parameters
        ----------
        array : array
            The same image.
        record : Record or mapping
            `Result.record`, perhaps by way of JSON.
        model : Model, optional
            As for `UpscaleJob`.

        Raises
        ------
        VaesrError
            When the image has another shape or the model is another version than recorded.
        """
        made = record if isinstance(record, Record) else Record.read(record)
        if tuple(array.shape) != made.input.shape:
            raise VaesrError(
                f"The record was made from shape {made.input.shape}, "
                f"please give that image instead of one of shape {tuple(array.shape)}."
            )
        model = load_model(made.settings.model if model is None else model)
        if made.alike_planes is not None:  # the model may have been calibrated anew
            alike = {"alike_planes": made.alike_planes}
            model = replace(model, card=model.card.model_copy(update=alike))
        job = cls(
            Source.of(array, made.axes),
            made.settings,
            made.region,
            model=model,
            scalings=made.intensity,
            calibrations=made.calibration or None,
            keep_samples=made.keep_samples,
        )
        card = job.model.card
        if card.sha256 != made.model.sha256 or made.network not in ("", network_hash(card)):
            raise VaesrError(
                f"The record was made with version {made.model.version} of the model "
                f"{made.model.name} and other weights, please install that version."
            )
        return job

    @property
    def result_axes(self) -> Axes:
        """Axes of the result's mean."""
        return self.axes.of_enlarged(self.region, self.factors)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width of a plane of the result."""
        return self.result_axes.height, self.result_axes.width

    @property
    def upscaler(self) -> Upscaler:
        """What runs the network in the last pass."""
        return self.upscalers[-1]

    @property
    def total(self) -> int:
        """The `Progress.total` of the job, over all passes."""
        return sum(self.work(number, step.region.size) for number, step in enumerate(self.passes))

    def work(self, number: int, pixels: int) -> int:
        """Return the work, in the unit of `Progress`, that so many pixels of the region of a pass are.

        A pass that looks at two kinds of planes sees each pixel twice.
        """
        return self.upscalers[number].work(pixels * len(self.passes[number].planes))

    def original(self) -> Pixels:
        """Return what the first pass reads."""
        return self.surroundings.read_once(Original(self.source), self.passes[0])

    def stage(self, number: int, pixels: Pixels) -> Stage:
        """Return a pass with what it reads: `original`, or what the pass before it made.

        Parameters
        ----------
        number : int
            Which pass, from 0.
        pixels : Pixels
            What it reads.
        """
        step, count = self.passes[number], len(self.scalings)
        units = (UNIT,) * count
        conditions = tuple(conditions_in_pass(told, step, self.passes) for told in self.conditions)
        return Stage(
            step=step,
            pixels=pixels,
            upscaler=self.upscalers[number],
            reading=self.scalings if step.is_first else units,
            writing=self.scalings if step.is_last else units,
            calibrations=self.calibrations[number * count : (number + 1) * count],
            conditions=conditions,
            surroundings=self.surroundings,
            kind=self.settings.uncertainty if step.is_last else "std",
            dtype=result_dtype(self.array.dtype) if step.is_last else np.dtype(np.float32),
            source_dtype=self.source.dtype,
            messages=self.messages,
        )

    def grid(self, number: int) -> BlockGrid:
        """Return the blocks of a pass.

        Parameters
        ----------
        number : int
            Which pass, from 0.
        """
        step = self.passes[number]
        return replace(BlockGrid.of(step), order=self.surroundings.order(step))

    @property
    def result(self) -> Result:
        """The finished result; raises `RuntimeError` before the job was iterated to its end."""
        if self._result is None:
            raise RuntimeError("The job has no result yet: iterate it to its end first.")
        return self._result

    @property
    def result_bytes(self) -> int:
        """Bytes of the whole result, for those who hold it in memory."""
        mean, spread = self.result_axes.shape, self.result_axes.without_samples().shape
        kind = self.settings.uncertainty
        maps = 0 if not self.settings.has_spread else 1 if kind == "std" else 1 + len(map_names(kind))
        images = 1 + self.settings.samples * self.keep_samples
        return (
            images * math.prod(mean) * result_dtype(self.array.dtype).itemsize + maps * math.prod(spread) * 4
        )

    def describe(self) -> Description:
        """Estimate what the job needs; takes a second or more where its model's speed is not known yet."""
        original = self.original()  # of which nothing is read
        passes = (
            PassDescription.of(self.stage(step.number, original), self.grid(step.number))
            for step in self.passes
        )
        planes, shape = self.axes.of_region(self.region).plane_count, self.result_axes.shape
        return Description.of(tuple(passes), self.upscaler.choice, planes, shape, self.result_bytes)

    def __iter__(self) -> Generator[Progress, None, None]:
        """Do the work; see the class."""
        with closing(self._made(self.keep_samples)) as made:
            for progress, _ in made:
                yield progress

    def run(self, progress: Callable[[Progress], None] | None = None) -> Result:
        """Do all of the work, and return the result.

        Parameters
        ----------
        progress : callable, optional
            Called with every `Progress`; what it raises cancels the job.

        Raises
        ------
        VaesrError
            When pixels are not finite, memory runs out at the smallest tile, or numbers go beyond float32.
        """
        with closing(iter(self)) as steps:
            for step in steps:
                if progress is not None:
                    progress(step)
        return self.result

    def pieces(self, progress: Callable[[Progress], None] | None = None) -> Generator[Piece, None, None]:
        """Do the work one piece after the other, for writers that never hold the result.

        Parameters
        ----------
        progress : callable, optional
            Called with every `Progress`; what it raises cancels the job.

        Yields
        ------
        Piece
            A plane, a part of a large one, or a box of a volume; see `BlockGrid`. What an earlier pass makes
            is held in memory; the command line leaves it on disk.
        """
        with closing(self._made(keep_samples=False, is_held=False)) as made:
            for told, piece in made:
                if progress is not None:
                    progress(told)
                if piece is not None:
                    yield piece

    def _made(
        self, keep_samples: bool, is_held: bool = True
    ) -> Generator[tuple[Progress, Piece | None], None, None]:
        """Make all passes; yields progress and the pieces of the last one, which is put together if held."""
        with memory_released():
            done = [0]
            pixels: Pixels = self.original()
            for step in self.passes:
                stage = self.stage(step.number, pixels)
                whole: Assembly | None = None
                if is_held or not step.is_last:
                    settings = self.settings.model_copy(update={"uncertainty": stage.kind})
                    whole = Assembly(step.result_axes, settings, stage.dtype, keep_samples)
                    if step.is_last:
                        self.partial = self._result_of(whole)
                for progress, piece in self._computed(stage, done, keep_samples):
                    if piece is not None and whole is not None:
                        whole.put(piece.inside(step.region, step.factors), piece)
                    yield progress, piece if step.is_last else None
                if whole is not None and step.is_last:
                    self._result = replace(self._result_of(whole), samples=whole.samples)
                elif whole is not None:
                    pixels = Held(whole, step.result_region, step.axes.upscaled(step.factors))

    def _result_of(self, whole: Assembly) -> Result:
        """Return what is put together so far, without samples."""
        return Result(whole.mean, whole.std, whole.uncertainty, self.record().plain(), self.axes.names)

    def _computed(
        self, stage: Stage, done: list[int], keep_samples: bool
    ) -> Iterator[tuple[Progress, Piece | None]]:
        """Compute all blocks of a pass; yields progress, and each piece with the last progress of it."""
        grid, step, total = self.grid(stage.step.number), stage.step, self.total
        what = "plane" if len(grid) == step.axes.of_region(step.region).plane_count else "part"
        prefix = f"pass {step.number + 1} of {step.count}, " if step.count > 1 else ""
        for number in range(len(grid)):
            block = grid[number]
            usual = f"{prefix}{what} {number + 1} of {len(grid)}"
            steps, last = stage.compute(block, keep_samples), None
            while True:
                try:
                    told = next(steps)
                except StopIteration as finished:
                    assert last is not None
                    yield last, finished.value
                    break
                if last is not None:
                    yield last, None
                done[0] += told.work
                last = Progress(done[0], total, told.message or usual)

    def record(self) -> Record:
        """Return all that is needed to make the result again."""
        choice, card = self.upscaler.choice, self.model.card
        used = {"device": choice.device, "precision": choice.precision, "tile": self.upscaler.tile}
        return Record(
            version=version("napari-vaesr"),
            torch=torch.__version__,
            model=ModelVersion(name=card.name, version=card.version, sha256=card.sha256),
            network=network_hash(card),
            settings=self.settings.model_copy(update=used),
            device_reason=choice.reason,
            halo=self.upscaler.halo,
            axes=self.axes.names,
            input=RecordedInput(shape=self.axes.shape, dtype=str(self.source.dtype)),
            intensity=self.scalings,
            noise=tuple(
                noise_found(told, scaling)
                for told, scaling in zip(self.conditions, self.scalings, strict=True)
            )
            if card.network.conditioned
            else (),
            calibration=self.calibrations,
            alike_planes=self.surroundings.alike,
            extent=self.region,
            keep_samples=self.keep_samples,
            messages=tuple(self.messages),
        )

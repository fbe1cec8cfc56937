"""An upscaling as a job that can be described, watched, cancelled and made again."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from napari_vaesr.engine.assembly import Assembly, allocate
from napari_vaesr.engine.conditions import conditions_of, learnt_blur, noise_found, noise_level
from napari_vaesr.engine.device import memory_released
from napari_vaesr.engine.planes import Piece, SourcePlane
from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.record import ModelVersion, Record, RecordedInput, network_hash
from napari_vaesr.engine.result import Array, FloatArray, Result, map_names, maps_shape, result_dtype
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.engine.upscaler import Upscaler
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes, Source, SourceArray
from napari_vaesr.imaging.intensity import IntensityScaling, check_array, fit_scalings
from napari_vaesr.imaging.region import Region
from napari_vaesr.imaging.tiling import Tile
from napari_vaesr.zoo.card import Calibration
from napari_vaesr.zoo.registry import Model, load_model

ONE_SAMPLE = "One sample has no spread, so there is no uncertainty: draw 2 samples or more to get one."
NO_TEMPERATURE = "At temperature 0 all samples agree, so there is no uncertainty: raise it to 1 to get one."
WHOLE = Region()

UNCALIBRATED = (
    "The model {} is not calibrated for scale {}, so the uncertainty is only how much its samples differ: "
    "calibrate it with napari-vaesr calibrate."
)


@dataclass(frozen=True)
class Description:
    """What a job would do.

    Attributes
    ----------
    planes, tiles : int
        How much there is to compute, in all.
    shape : tuple of int
        Shape of the result's mean.
    memory : int
        Estimated bytes for computing and for one plane of the result.
    result_bytes : int
        Bytes of the whole result, for those who hold it in memory.
    seconds : float
        Estimated time.
    device, precision, reason : str
        Where it would run, in which number format, and why there.
    """

    planes: int
    tiles: int
    shape: tuple[int, ...]
    memory: int
    result_bytes: int
    seconds: float
    device: str
    precision: str
    reason: str


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
        One per channel; from the model's card by default.
    keep_samples : bool
        Keep every sample in `Result.samples`; they take as many times the memory of the mean.

    Attributes
    ----------
    partial : Result or None
        While the job is iterated, its arrays as they fill, 0 where nothing is done yet, without samples.

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
        self.settings, self.factors = settings, settings.factors
        self.region = Region(region).of(self.axes)
        self.planes = self.axes.planes_of(self.region)
        self.rows, self.columns = self.region["Y"], self.region["X"]
        self.model = load_model(settings.model if model is None else model)
        self.upscaler = Upscaler(self.model, settings)
        if scalings is None:
            scalings = fit_scalings(self.array, self.axes, self.model.card.intensity)
        self.scalings = tuple(scalings)
        self.messages = _without_spread(settings)
        self._check_conditions()
        self.conditions = tuple(
            conditions_of(settings.noise, settings.blur, scaling) for scaling in self.scalings
        )
        if calibrations is None:
            card, scale, domain = self.model.card, self.upscaler.factor, settings.domain
            calibrations = [
                card.calibration_at(scale, noise_level(settings.noise, scaling), domain)
                for scaling in self.scalings
            ]
            if settings.has_spread and not card.levels(scale, domain):
                self.messages.append(UNCALIBRATED.format(card.name, self.factors))
        self.calibrations = tuple(calibrations)
        self.keep_samples = keep_samples
        self._result: Result | None = None
        self.partial: Result | None = None

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
        return self.axes.of_region(self.region).upscaled(self.factors)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width of a plane of the result."""
        return self.result_axes.height, self.result_axes.width

    @property
    def total(self) -> int:
        """The `Progress.total` of the job."""
        return self.upscaler.work(self.region.size)

    @property
    def result(self) -> Result:
        """The finished result; raises `RuntimeError` before the job was iterated to its end."""
        if self._result is None:
            raise RuntimeError("The job has no result yet: iterate it to its end first.")
        return self._result

    @property
    def result_bytes(self) -> int:
        """Bytes of the whole result, for those who hold it in memory."""
        mean, spread = self._result_shapes()
        kind = self.settings.uncertainty
        maps = 0 if not self.settings.has_spread else 1 if kind == "std" else 1 + len(map_names(kind))
        images = 1 + self.settings.samples * self.keep_samples
        return (
            images * math.prod(mean) * result_dtype(self.array.dtype).itemsize + maps * math.prod(spread) * 4
        )

    def describe(self) -> Description:
        """Estimate what the job needs; takes well under a second."""
        upscaler = self.upscaler
        tiles = self.tiles(self.rows, self.columns)
        computed = len(self.planes) * sum(math.prod(tile.padded_shape) for tile in tiles)
        result_bytes = self.result_bytes
        return Description(
            planes=len(self.planes),
            tiles=len(self.planes) * len(tiles),
            shape=self._result_shapes()[0],
            memory=max(upscaler.memory(tile) for tile in tiles) + result_bytes // len(self.planes),
            result_bytes=result_bytes,
            seconds=computed * upscaler.seconds_per_pixel(),
            device=upscaler.choice.device,
            precision=upscaler.choice.precision,
            reason=upscaler.choice.reason,
        )

    def __iter__(self) -> Generator[Progress, None, None]:
        """Do the work; see the class."""
        with memory_released():
            whole = Assembly(self.result_axes, self.settings, self.array.dtype, self.keep_samples)
            self.partial = Result(
                whole.mean, whole.std, whole.uncertainty, self.record().plain(), self.axes.names
            )
            for progress, _, piece in self._pieces():
                if piece is not None:
                    whole.put(piece.inside(self.region, self.factors), piece)
                yield progress
            record = self.record().plain()
            self._result = Result(
                whole.mean, whole.std, whole.uncertainty, record, self.axes.names, whole.samples
            )

    def planes_stream(
        self, progress: Callable[[Progress], None] | None = None
    ) -> Generator[tuple[int, Array, FloatArray | None], None, None]:
        """Do the work one plane after the other, for writers that never hold the stack.

        Parameters
        ----------
        progress : callable, optional
            Called with every `Progress`; what it raises cancels the job.

        Yields
        ------
        number : int
            The plane's number in the source.
        mean : ndarray of shape (Y, X) or (Y, X, S)
            In the dtype of the result.
        uncertainty : ndarray of shape (Y, X) or None
            Of the kind asked for, the standard deviation by default; float32. Of shape (2, Y, X) for an
            interval, None for a single sample.
        """
        samples = (self.axes.shape[self.axes.names.index("S")],) if self.axes.is_rgb else ()
        has_spread = self.settings.has_spread
        spread_shape = maps_shape(self.settings.uncertainty, self.plane_shape)
        with memory_released():
            mean = np.empty(0)
            uncertainty: FloatArray | None = None
            missing = 0
            for step, position, piece in self._pieces():
                if progress is not None:
                    progress(step)
                if piece is None:
                    continue
                if not missing:
                    missing = len(self.rows) * len(self.columns)
                    mean = allocate(self.plane_shape + samples, result_dtype(self.array.dtype))
                    uncertainty = allocate(spread_shape, np.float32) if has_spread else None
                inside = piece.inside(self.region, self.factors)
                where = inside["Y"], inside["X"]
                mean[where] = piece.mean
                if uncertainty is not None and piece.uncertainty is not None:
                    uncertainty[..., *where] = piece.uncertainty
                missing -= piece.region.size
                if not missing:
                    yield self.planes[position], mean, uncertainty

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
            extent=self.region,
            keep_samples=self.keep_samples,
            messages=tuple(self.messages),
        )

    def tiles(self, rows: range, columns: range) -> list[Tile]:
        """Return the tiles of a region of any plane."""
        return self.upscaler.plan(rows, columns, (self.axes.height, self.axes.width))

    def source_plane(self, number: int) -> SourcePlane:
        """Return a plane of the image, by its number."""
        channel = self.axes.channel_of(number)
        return SourcePlane(
            self.array,
            self.axes,
            number,
            self.scalings[channel],
            self.calibrations[channel],
            self.conditions[channel],
        )

    def _pieces(self) -> Iterator[tuple[Progress, int, Piece | None]]:
        """Compute all planes; yields progress, the plane's position in `planes`, and what was finished."""
        done, total, count = 0, self.total, len(self.planes)
        for position, number in enumerate(self.planes):
            plane = self.source_plane(number)
            plane.hold(self.tiles(self.rows, self.columns))
            usual = f"plane {position + 1} of {count}"
            steps = self.upscaler.moments(plane, self.rows, self.columns, keep_samples=self.keep_samples)
            for step in steps:
                done += step.work
                if step.message:
                    self.messages.append(step.message)
                piece = None
                if step.finished is not None:
                    piece = plane.finish(
                        step.finished.tile,
                        self.upscaler.factor,
                        step.finished.mean,
                        step.finished.std,
                        self.settings.uncertainty,
                        step.finished.samples,
                    )
                yield Progress(done, total, step.message or usual), position, piece

    def _check_conditions(self) -> None:
        """Refuse to tell a network what it does not listen to, and warn of a blur that it has not learnt."""
        settings, card = self.settings, self.model.card
        blur = conditions_of(0.0, settings.blur, self.scalings[0])[2]
        if not card.network.conditioned:
            if settings.noise != "auto" or blur > 0:
                raise VaesrError(
                    f"The model {card.name} can't be told the noise or the blur of an image, please leave "
                    "these settings alone or choose another model."
                )
            return
        learnt = learnt_blur(card)
        if learnt is not None and blur > learnt * 1.01:
            self.messages.append(
                f"The blur of {blur:.2f} pixels is beyond what the model {card.name} has learnt to undo, "
                f"{learnt:g} pixels: expect some blur to stay, or make the image smaller first."
            )

    def _result_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.result_axes.shape, self.result_axes.without_samples().shape


def _without_spread(settings: UpscaleSettings) -> list[str]:
    """Say why there is no uncertainty, if there is none."""
    if settings.samples == 1:
        return [ONE_SAMPLE]
    return [] if settings.has_spread else [NO_TEMPERATURE]

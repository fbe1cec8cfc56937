"""An upscaling as a task for a worker, without a window: read a layer, run the engine, make layers.

Nothing here needs Qt, and torch is imported only inside `UpscaleTask.steps`, which runs in a worker thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from psutil import virtual_memory

from napari_vaesr.engine.progress import Progress
from napari_vaesr.errors import VaesrError, first_sentence
from napari_vaesr.imaging.region import Region
from napari_vaesr.plugin.viewer.layers import RELATIVE_KEY, LayerTuple, layer_tuples, lazy_uncertainty_limits
from napari_vaesr.plugin.viewer.sources import calibrate_alike, layer_as_source

if TYPE_CHECKING:
    from napari_vaesr.engine.description import Description
    from napari_vaesr.engine.device import DeviceChoice
    from napari_vaesr.engine.job import UpscaleJob
    from napari_vaesr.engine.record import Record
    from napari_vaesr.engine.result import Result
    from napari_vaesr.engine.settings import UpscaleSettings
    from napari_vaesr.imaging.intensity import IntensityScaling
    from napari_vaesr.zoo.calibration import Calibration

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """Why a run ended without a result: one sentence for the user."""

    message: str


@dataclass(eq=False, repr=False)
class UpscaleTask:
    """One run on one layer, set up on the main thread and carried out in a worker.

    Parameters
    ----------
    layer : napari.layers.Image
        The source. Its pixels are taken now; its place and look when the result is shown.
    axes : str
        Names of the axes of its pixels; the ``S`` of a colour image may be left out.
    settings : UpscaleSettings
        Model, scale, samples and the rest.
    extent : mapping of str to range, optional
        The part to upscale, in pixels of the layer, by axis letter. Nothing else is computed; all by default.
    keep_samples : bool
        Keep every sample, for a layer of its own.
    lazy : bool, optional
        Whether planes are computed when they are looked at, instead of now. By default they are where the
        result would take more than half of the free memory.
    assess : bool
        Find out how sure the result is, too, where it is computed now.
    scalings : sequence of IntensityScaling, optional
        Those of an earlier run on the same pixels, which saves the time of finding them.
    calibrations : sequence of Calibration, optional
        One for each channel, from a check on the image; those of the model's card by default.
    made : Record, optional
        Of the result that this draws samples of, whose calibrations hold.

    Raises
    ------
    VaesrError
        If the axes or the extent do not fit the layer.
    """

    layer: Any
    axes: str
    settings: UpscaleSettings
    extent: Mapping[str, range] = field(default_factory=Region)
    keep_samples: bool = False
    lazy: bool | None = False
    assess: bool = False
    scalings: Sequence[IntensityScaling] | None = None
    calibrations: Sequence[Calibration] | None = None
    made: Record | None = None
    name: str = field(init=False)
    pixels: Any = field(init=False)
    _source: Any = field(init=False)
    seconds: float = field(init=False, default=0.0)
    partial: Any = field(init=False, default=None)
    relative: Any = field(init=False, default=None)
    _work: Generator[Progress, None, Result | Failure] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.name = self.layer.name
        self._source = layer_as_source(self.layer, self.axes)
        self.pixels, self.axes = self._source.array, self._source.axes.names
        Region(self.extent).of(self._source.axes.lengths)

    def __repr__(self) -> str:  # napari names running work by it when its window is closed
        return f"the upscaling of '{self.name}'"

    def steps(self) -> Generator[Progress, None, Result | Failure]:
        """Upscale, yielding at least once per tile; errors come back as a `Failure`, never as a traceback."""
        self._work = told_failures(self._upscale(), f"Upscaling '{self.name}'")
        return (yield from self._work)

    def plan(self) -> Description:
        """Return what this would take; torch is needed for it, so it is for a worker too.

        Raises
        ------
        VaesrError
            As the run would.
        """
        return self._job().describe()

    def _job(self) -> UpscaleJob:
        from napari_vaesr.engine.job import UpscaleJob

        job = UpscaleJob(
            self._source,
            self.settings,
            self.extent,
            scalings=self.scalings,
            calibrations=self.calibrations,
            keep_samples=self.keep_samples,
        )
        if self.made is not None:
            calibrate_alike(job, self.made, self.axes)
        if self.calibrations is not None:
            job.messages.append("The uncertainty was corrected by a check on this image.")
        return job

    def _upscale(self) -> Generator[Progress, None, Result]:
        yield Progress(0, 0, f"Loading the model '{self.settings.model}' ...")
        job = self._job()
        from napari_vaesr.trust.certainty import relative_uncertainty
        from napari_vaesr.trust.departures import with_departures
        from napari_vaesr.trust.familiar import note_unlike

        if strange := note_unlike(job):
            yield Progress(0, 0, strange)
        self.scalings = job.scalings
        if self.lazy is None:
            self.lazy = job.result_bytes > virtual_memory().available / 2
        if self.lazy:
            return _looked_at(job)
        place = _place(job.upscaler.choice)
        yield Progress(0, job.total, f"Starting {place}")
        start = time.perf_counter()
        for step in job:
            self.partial = job.partial
            message = step.message[:1].upper() + step.message[1:]
            yield Progress(step.done, step.total, f"{message}, {place}")
        self.seconds = time.perf_counter() - start
        if self.assess and job.result.std is not None:
            yield Progress(job.total, job.total, "Looking where it is sure ...")
            axes = self.axes.replace("S", "")
            self.relative = relative_uncertainty(job.result.mean, job.result.std, axes)
        return with_departures(job)

    def close(self) -> None:
        """Stop where it stands, release the engine's memory and let go of the source.

        To be called in the end, when the worker no longer runs: napari keeps every worker, and so this task,
        for as long as its window is open.
        """
        if self._work is not None:
            self._work.close()
        self._work = self.pixels = self.layer = self._source = self.partial = None

    def placed(self, outcome: Any) -> Any:
        """Return what came of it; where the layer has other axes by now, there is no place for it."""
        if outcome is None or isinstance(outcome, Failure) or self.has_place:
            return outcome
        return Failure(f"'{self.name}' got other axes while it was upscaled: upscale it again.")

    @property
    def has_place(self) -> bool:
        """Whether the layer still has the axes that a result has."""
        return int(self.layer.ndim) == len(self.axes.replace("S", ""))

    def layers(self, result: Result, taken_names: Sequence[str]) -> list[LayerTuple]:
        """Return layers for `result`, in place over the source; to be called on the main thread."""
        tuples = layer_tuples(
            result,
            self.layer,
            self.axes,
            result.made.settings.factors,
            self.settings.uncertainty,
            origin={name: part.start for name, part in self.extent.items()},
            taken_names=taken_names,
            uncertainty_range=self._lazy_limits(),
        )
        if self.relative is not None:
            tuples[0][1]["metadata"][RELATIVE_KEY] = self.relative
        return tuples

    def _lazy_limits(self) -> tuple[float, float] | None:
        """Contrast limits of an uncertainty that nobody has seen yet."""
        if not self.lazy:
            return None
        return lazy_uncertainty_limits(self.layer.contrast_limits, self.settings.uncertainty)


def _looked_at(job: UpscaleJob) -> Result:
    """Return a result whose planes are computed when they are looked at."""
    from napari.utils.notifications import show_info

    from napari_vaesr.trust.upscale import lazily

    if job.keep_samples:
        raise VaesrError(
            "Samples cannot be kept where planes are computed as one scrolls: choose all at once."
        )
    return lazily(job, look_ahead=True, tell=show_info)


def _place(choice: DeviceChoice) -> str:
    """Say where a job runs and why there, such as ``on cpu in float32 (asked for)``."""
    return f"on {choice.device} in {choice.precision} ({choice.reason})"


def told_failures(work: Generator[Progress, None, T], what: str) -> Generator[Progress, None, T | Failure]:
    """Do some work of a task; errors come back as a `Failure`, and those that nobody expects are logged.

    Parameters
    ----------
    work : generator
        Yields its progress and returns what comes of it.
    what : str
        The beginning of a sentence, such as ``Upscaling 'cells'``.
    """
    try:
        return (yield from work)
    except VaesrError as error:
        return Failure(str(error))
    except Exception as error:
        logger.exception("%s failed", what)
        return Failure(f"{what} failed: {first_sentence(error)}")

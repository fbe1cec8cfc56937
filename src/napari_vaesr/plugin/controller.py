"""What the widget does, without a window: read a layer, run the engine step by step, tell the time left.

Nothing here needs Qt, and torch is imported only inside `UpscaleTask.steps`, which runs in a worker thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.plugin.layers import LayerTuple, checked_axes, layer_tuples, source_array

if TYPE_CHECKING:
    import napari.layers

    from napari_vaesr.engine.device import DeviceChoice
    from napari_vaesr.engine.result import Result
    from napari_vaesr.engine.settings import UpscaleSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """One sign of life: `done` of `total` of the work (0 of 0 while not known yet) and what is going on."""

    done: int
    total: int
    message: str


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
    point : sequence of float, optional
        World position of the current plane; only that plane is upscaled. Left out, the whole stack is.

    Raises
    ------
    VaesrError
        If the axes do not fit the layer.
    """

    layer: Any
    axes: str
    settings: UpscaleSettings
    point: Sequence[float] | None = None
    name: str = field(init=False)
    pixels: Any = field(init=False)
    plane: int | None = field(init=False, default=None)
    _work: Generator[Step, None, Result | Failure] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.name = self.layer.name
        self.axes = checked_axes(self.layer, self.axes)
        self.pixels = source_array(self.layer)
        named = Axes.parse(self.axes, self.pixels.shape)
        if self.point is not None:
            self.plane = named.plane_number(plane_at(self.layer, self.axes, self.point))

    def __repr__(self) -> str:  # napari names running work by it when its window is closed
        return f"the upscaling of '{self.name}'"

    def steps(self) -> Generator[Step, None, Result | Failure]:
        """Upscale, yielding at least once per tile; errors come back as a `Failure`, never as a traceback."""
        self._work = self._upscale()
        return (yield from self._work)

    def _upscale(self) -> Generator[Step, None, Result | Failure]:
        yield Step(0, 0, f"Loading the model '{self.settings.model}' ...")
        try:
            from napari_vaesr.engine.job import UpscaleJob

            job = UpscaleJob(
                self.pixels, self.axes, self.settings, planes=None if self.plane is None else [self.plane]
            )
            place = _place(job.upscaler.choice)
            yield Step(0, job.total, f"Starting {place}")
            for progress in job:
                message = progress.message[:1].upper() + progress.message[1:]
                yield Step(progress.done, progress.total, f"{message}, {place}")
            return job.result
        except VaesrError as error:
            return Failure(str(error))
        except Exception as error:
            logger.exception("Upscaling '%s' failed", self.name)
            return Failure(f"Upscaling '{self.name}' failed: {first_sentence(error)}")

    def close(self) -> None:
        """Stop where it stands, release the engine's memory and let go of the source.

        To be called in the end, when the worker no longer runs: napari keeps every worker, and so this task,
        for as long as its window is open.
        """
        if self._work is not None:
            self._work.close()
        self._work = self.pixels = self.layer = None

    def layers(self, result: Result, taken_names: Sequence[str]) -> list[LayerTuple]:
        """Return layers for `result`, in place over the source; to be called on the main thread."""
        named = Axes.parse(self.axes, self.pixels.shape)
        origin = None if self.plane is None else named.plane_coordinates(self.plane)
        return layer_tuples(
            result,
            self.layer,
            self.axes,
            self.settings.scale,
            self.settings.uncertainty,
            origin=origin,
            taken_names=taken_names,
        )


def plane_at(layer: napari.layers.Image, axes: str, point: Sequence[float]) -> dict[str, int]:
    """Find the plane of the layer at a world position, kept inside the layer.

    Parameters
    ----------
    layer : napari.layers.Image
        The source.
    axes : str
        Names of the axes of its pixels.
    point : sequence of float
        World coordinates along the viewer's axes, of which the last belong to the layer.

    Returns
    -------
    dict of str to int
        Pixel index along every looped axis.
    """
    indices = layer.world_to_data(point)
    return {
        name: int(min(max(round(float(index)), 0), length - 1))
        for name, index, length in zip(axes, indices, source_array(layer).shape, strict=False)
        if name not in "YXS"
    }


def _place(choice: DeviceChoice) -> str:
    """Say where a job runs and why there, such as ``on cpu in float32 (asked for)``."""
    return f"on {choice.device} in {choice.precision} ({choice.reason})"


def first_sentence(error: BaseException) -> str:
    """Put an unexpected error in one line: its kind and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class TimeLeft:
    """An honest guess at the time left: the time spent on what is done, extended to what is not.

    Parameters
    ----------
    clock : callable
        Seconds from any fixed moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._began = clock()
        self._start: float | None = None
        self._first_done = 0

    @property
    def elapsed(self) -> str:
        """How long it took so far, in words."""
        return duration(self._clock() - self._began)

    def update(self, done: int, total: int) -> str:
        """Take note of `done` of `total` and say how long the rest takes, or nothing if not known yet.

        The first step only starts the clock: it carries the compiling of kernels.
        """
        if self._start is None:
            if done > 0:
                self._start, self._first_done = self._clock(), done
            return ""
        if done <= self._first_done or done >= total:
            return ""
        return f"{duration((self._clock() - self._start) / (done - self._first_done) * (total - done))} left"


def duration(seconds: float) -> str:
    """Put seconds in words that are as exact as a guess can be: ``8 s``, ``3 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"

"""Widths and distances along a line, with error bars from samples of its surroundings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import Container, PushButton
from qtpy.compat import isalive

from napari_vaesr.centres import to_larger
from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.colour import visible_luma
from napari_vaesr.plugin.inspect.line_profile import Profile, first_in_source, in_source
from napari_vaesr.plugin.viewer.extents import within
from napari_vaesr.plugin.viewer.results import ShownResult
from napari_vaesr.plugin.viewer.runner import Runner
from napari_vaesr.plugin.viewer.sources import needed_source, source_array, source_axes
from napari_vaesr.plugin.viewer.task import Failure, UpscaleTask
from napari_vaesr.plugin.widgets.panel import errors_shown, show_failure, status_line

if TYPE_CHECKING:
    import napari

    from napari_vaesr.engine.result import Result
    from napari_vaesr.trust.estimate import Estimate

SAMPLES = 32
"""Enough for a 90 % range that holds what it says."""

AROUND = 2
"""Pixels of the source around a line that are drawn with it."""


class LineMeasureSection(Container):
    """Draws samples around a line and tells widths and distances along it, with their 90 % ranges.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer with the source.
    say : callable
        Called with what the user should read.
    """

    def __init__(self, viewer: napari.viewer.Viewer, say: Callable[[str], None]):
        self._viewer, self._say = viewer, say
        self._profile: Profile | None = None
        self._places: Any = None
        self.button = PushButton(
            text="Measure along the line",
            enabled=False,
            tooltip=f"Draw {SAMPLES} samples around the line and tell the width of its highest peak at half\n"
            "maximum, the distance of its two highest peaks, and its mean, with their 90 % ranges.",
        )
        self.words = status_line()
        super().__init__(widgets=[self.button, self.words], labels=False)
        self.margins = (0, 0, 0, 0)
        self.runner = Runner(self._on_step, self._on_end)
        self._result: ShownResult | None = None
        self._measured: Profile | None = None
        self.button.changed.connect(self.measure)

    def show_profile(self, result: ShownResult | None, profile: Profile | None) -> None:
        """Measure this profile of a result from now on; what was measured of another is forgotten."""
        if result is not self._result or not _is_same(profile, self._profile):
            self.words.value = ""
        self._result, self._profile = result, profile
        self.button.enabled = profile is not None

    def measure(self) -> None:
        """Start drawing, or cancel if that is going on."""
        if self.runner.is_running:
            self.runner.cancel()
            return
        if self._result is None or self._profile is None:
            return
        with errors_shown(self._say):
            task, self._places = line_task(self._result, self._profile, self._viewer.layers)
            self._measured = self._profile
            self.button.text = "Cancel"
            self.runner.submit(task)

    def stop(self) -> None:
        """Measure nothing more."""
        self.runner.cancel()

    def _on_step(self, task: UpscaleTask, step: Progress) -> None:
        self._say(step.message)

    def _on_end(self, task: UpscaleTask, outcome: Any) -> None:
        if not isalive(self.native):
            return
        self.button.text = "Measure along the line"
        if isinstance(outcome, Failure):
            show_failure(self._say, outcome.message)
        elif outcome is None:
            self._say("Cancelled; nothing was measured.")
        elif self._measured is not None and _is_same(self._measured, self._profile):  # else it has moved
            try:
                self.words.value = in_words(
                    measure_line(outcome, self._places, self._measured), self._measured.unit
                )
            except VaesrError as error:
                self._say(str(error))
                return
            self._say(f"Measured on {SAMPLES} samples.")


def _is_same(one: Profile | None, other: Profile | None) -> bool:
    """Whether two profiles are along the same points."""
    return one is not None and other is not None and np.array_equal(one.points, other.points)


def line_task(
    result: ShownResult, profile: Profile, layers: Iterable[Any]
) -> tuple[UpscaleTask, np.ndarray[Any, Any]]:
    """Return the task that draws samples around a line, and where its points are in what it makes.

    Raises
    ------
    VaesrError
        When the source is no longer there.
    """
    told, made = result.record, result.made
    source = needed_source(told, layers, "measure")
    axes = source_axes(told)
    names = axes.replace("S", "")
    lengths = dict(zip(axes, source_array(source).shape, strict=True))
    points = in_source(result, profile.points)
    extent = {}
    for axis, name in enumerate(names):
        around = AROUND if name in "YX" else 0
        low, high = np.floor(points[:, axis].min()), np.ceil(points[:, axis].max())
        extent[name] = range(max(0, int(low) - around), min(lengths[name], int(high) + around + 1))
    extent = within(extent, result, axes)
    given = {**made.settings.model_dump(), "samples": SAMPLES, "uncertainty": "std"}
    task = UpscaleTask(source, axes, make_settings(**given), extent, keep_samples=True, made=made)
    factors = made.settings.factors
    by_axis = np.array([factors.along(name) for name in names])
    return task, to_larger(points - first_in_source(extent, factors, names), by_axis)


def measure_line(result: Result, points: np.ndarray[Any, Any], profile: Profile) -> dict[str, Estimate]:
    """Measure along points of a result that kept its samples, colours as their luma."""
    from scipy.ndimage import map_coordinates

    from napari_vaesr.trust.profile import measure_profile
    from napari_vaesr.trust.shared import SharedErrors

    def grey(image: Any) -> Any:
        if image.ndim > points.shape[1]:
            image = visible_luma(image)
        return image

    def read(image: Any) -> Any:
        return map_coordinates(np.asarray(image, np.float64), points.T, order=1, mode="nearest")

    assert result.samples is not None
    drawn: Sequence[Any]
    mean, drawn = grey(result.mean), [grey(sample) for sample in result.samples]
    if (shared := SharedErrors.of(result)) is not None:
        channel = result.made.channels[0]
        drawn = shared.added(mean, drawn, result.axes.replace("S", ""), channel)
    return measure_profile(read(mean), np.array([read(sample) for sample in drawn]), profile.distance)


def in_words(found: dict[str, Estimate], unit: str) -> str:
    """Write what was measured, one quantity a line."""
    lines = [
        f"Width at half maximum: {found['fwhm'].in_words(unit)}",
        f"Distance of the two highest peaks: {found['distance'].in_words(unit)}",
        f"Mean intensity: {found['mean'].in_words()}",
    ]
    return "\n".join(lines)

"""Samples of what is on show, as a layer that can be played like a movie."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container, PushButton, SpinBox
from napari.layers import Layer
from qtpy.compat import isalive
from qtpy.QtCore import QTimer

from napari_vaesr.engine.progress import Progress
from napari_vaesr.plugin.viewer.extents import chosen_extent, within
from napari_vaesr.plugin.viewer.results import ShownResult, newest_samples
from napari_vaesr.plugin.viewer.runner import Runner
from napari_vaesr.plugin.viewer.shortcuts import NEXT_SAMPLE
from napari_vaesr.plugin.viewer.sources import needed_source, source_axes
from napari_vaesr.plugin.viewer.task import Failure, UpscaleTask
from napari_vaesr.plugin.widgets.panel import errors_shown, show_failure

if TYPE_CHECKING:
    import napari

FRAMES_PER_SECOND = 5


class SamplesSection(Container):
    """Draws samples of the visible region of the current plane, as the result drew them, and plays them.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer with the result and its source.
    say : callable
        Called with what the user should read.
    """

    def __init__(self, viewer: napari.viewer.Viewer, say: Callable[[str], None]):
        self._viewer, self._say = viewer, say
        self._result: ShownResult | None = None
        self.number = SpinBox(
            value=16,
            min=2,
            max=1024,
            tooltip="How many samples to keep; they take as many times the memory of the region's mean.",
        )
        self.draw_button = PushButton(
            text="Draw",
            tooltip="Draw samples of the visible region of the current plane, with the settings of the\n"
            "result, as a layer with an axis 'sample'.",
        )
        self.play_button = PushButton(
            text="Play",
            tooltip=f"Play the newest samples as a movie, {FRAMES_PER_SECOND} images per second;\n"
            f"{NEXT_SAMPLE} shows the next.",
        )
        super().__init__(
            widgets=[self.number, self.draw_button, self.play_button], layout="horizontal", labels=False
        )
        self.margins = (0, 0, 0, 0)
        self.runner = Runner(self._on_step, self._on_end)
        self._timer = QTimer(self.native)
        self._timer.setInterval(1000 // FRAMES_PER_SECOND)
        self._timer.timeout.connect(self.next_sample)
        self.draw_button.changed.connect(self.draw_samples)
        self.play_button.changed.connect(self.play)
        viewer.layers.events.removed.connect(self._on_layer_removed)

    @property
    def is_playing(self) -> bool:
        """Whether the samples are being played."""
        return bool(self._timer.isActive())

    def show_result(self, result: ShownResult | None) -> None:
        """Draw samples of this result from now on."""
        if result is not None and result is not self._result:
            self._result = result
        self.play_button.enabled = self._samples() is not None

    def draw_samples(self) -> None:
        """Start drawing, or cancel if that is going on."""
        if self.runner.is_running:
            self.runner.cancel()
            return
        if self._result is None:
            return
        record = self._result.record
        with errors_shown(self._say):
            source = needed_source(record, self._viewer.layers, "draw samples")
            settings = self._result.made.settings.model_copy(update={"samples": self.number.value})
            axes = source_axes(record)
            extent = within(chosen_extent(self._viewer, source, axes, "plane", "visible"), self._result, axes)
            task = UpscaleTask(source, axes, settings, extent, keep_samples=True, made=self._result.made)
            self.draw_button.text = "Cancel"
            self.runner.submit(task)

    def play(self) -> None:
        """Start or stop the movie."""
        if self.is_playing or self._samples() is None:
            self.stop_playing()
        else:
            self.play_button.text = "Stop"
            self._timer.start()

    def stop_playing(self) -> None:
        """Stop the movie where it is."""
        self._timer.stop()
        if isalive(self.native):
            self.play_button.text = "Play"

    def next_sample(self) -> None:
        """Show the next sample, after the last the first."""
        samples = self._samples()
        if samples is None:
            self.stop_playing()
            return
        dims = self._viewer.dims
        axis = dims.ndim - samples.ndim
        dims.set_current_step(axis, (dims.current_step[axis] + 1) % samples.data.shape[0])

    def stop(self) -> None:
        """Stop whatever is going on."""
        self.stop_playing()
        self.runner.cancel()

    def _samples(self) -> Layer | None:
        found: Layer | None = newest_samples(self._viewer.layers)
        return found

    def _on_step(self, task: UpscaleTask, step: Progress) -> None:
        percent = f", {step.done / step.total:.0%}" if step.total else ""
        self._say(f"{step.message}{percent}")

    def _on_end(self, task: UpscaleTask, outcome: Any) -> None:
        if not isalive(self.native):
            return
        self.draw_button.text = "Draw"
        outcome = task.placed(outcome)
        if outcome is None:
            self._say("Cancelled; no samples were added.")
        elif isinstance(outcome, Failure):
            show_failure(self._say, outcome.message)
        elif task.layer in self._viewer.layers:
            taken = [layer.name for layer in self._viewer.layers]
            layer = Layer.create(*task.layers(outcome, taken)[-1])
            layer.visible = True
            camera = self._viewer.scene.camera
            center, zoom = camera.center, camera.zoom
            self._viewer.layers.append(layer)
            camera.center, camera.zoom = center, zoom  # napari resets the view when an axis is added
            self._say(f"Added '{layer.name}', {len(layer.data)} images: scroll or play its axis 'sample'.")
            self.play_button.enabled = True

    def _on_layer_removed(self, event: Any) -> None:
        task = self.runner.task
        if task is not None and event.value is task.layer:
            self.runner.cancel()
            self._say(f"'{task.name}' was removed, so no more samples are drawn.")

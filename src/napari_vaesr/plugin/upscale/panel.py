"""The panel *Upscale with uncertainty*: choose a layer and a model, preview, run, watch, cancel."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ProgressBar, PushButton
from napari.layers import Layer
from napari.utils.notifications import show_error, show_info, show_warning

from napari_vaesr.engine.progress import Progress
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.upscale.check_controls import CheckControls
from napari_vaesr.plugin.upscale.estimate import Estimator
from napari_vaesr.plugin.upscale.form import UpscaleForm
from napari_vaesr.plugin.upscale.preview_controls import PreviewControls
from napari_vaesr.plugin.upscale.together import Turns
from napari_vaesr.plugin.viewer.layers import LayerTuple
from napari_vaesr.plugin.viewer.preferences import remember
from napari_vaesr.plugin.viewer.runner import Runner, Task
from napari_vaesr.plugin.viewer.shortcuts import LIVE, PREVIEW, RUN, Shortcuts
from napari_vaesr.plugin.viewer.sources import remember_source
from napari_vaesr.plugin.viewer.status import show_std_in_status
from napari_vaesr.plugin.viewer.task import Failure, UpscaleTask
from napari_vaesr.plugin.widgets.look_controls import KEYS, LookControls
from napari_vaesr.plugin.widgets.panel import Panel, errors_shown, row, status_line
from napari_vaesr.plugin.widgets.timing import TimeLeft

if TYPE_CHECKING:
    import napari

EVERY_SECONDS = 1.0
"""How often the planes that are done are shown while others are still to come."""

MOSTLY_DONE = 0.8
"""Part of the work after which it is no longer worth showing a part."""

logger = logging.getLogger(__name__)


class UpscalePanel(Panel):
    """Dock widget that upscales an image layer into a mean and an uncertainty layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose layers it offers and adds to.
    """

    def __init__(self, viewer: napari.viewer.Viewer):
        self._viewer = viewer
        self._time_left = TimeLeft()
        self._turns: Turns | None = None
        self._growing: list[Layer] = []
        self._refreshed = 0.0
        self.runner = Runner(self._on_step, self._on_end)

        self.form = UpscaleForm(viewer)
        self.status = status_line()
        self.preview = PreviewControls(viewer, self.form, self._say)
        self.check = CheckControls(viewer, self.form, self._say)
        self.run_button = PushButton(
            text="Run", tooltip=f"Upscale into new layers; napari stays usable meanwhile ({RUN})."
        )
        self.cancel_button = PushButton(
            text="Cancel",
            enabled=False,
            tooltip="Stop after the step being worked on; no layer is added. Of several layers at once, "
            "the results that are done are kept.",
        )
        self.progress = ProgressBar(min=0, max=1, value=0, visible=False)
        buttons = row([self.run_button, self.cancel_button])
        self.look = LookControls(viewer, self._say)
        super().__init__(
            [self.form, self.preview, self.check, self.look],
            footer=[buttons, self.progress, self.status],
            title="Upscale",
        )

        self.estimator = Estimator(self.native, self._make_tasks, self._tell_estimate)
        self.form.changed.connect(self._show_outlook)
        self.run_button.changed.connect(self.run)
        self.cancel_button.changed.connect(self.cancel)
        for button in self.look.buttons.values():
            button.changed.connect(lambda _on: self.reveal(self.look))  # with the legend, it is taller
        viewer.layers.events.removed.connect(self._on_layer_removed)
        viewer.layers.selection.events.active.connect(self._on_selected)
        viewer.layers.selection.events.changed.connect(self._on_selection)
        show_std_in_status(viewer)
        self._shortcuts = Shortcuts(
            viewer,
            {PREVIEW: self.preview.make, LIVE: self.preview.toggle_live, RUN: self.run}
            | {key: partial(self.look.show_look, name) for name, key in KEYS.items()},
        )
        self.native_parent_changed.connect(self._on_parent_changed)
        self._show_outlook()

    def run(self) -> None:
        """Start upscaling in a worker thread; one run at a time."""
        if self.runner.is_running or self.form.layer.value is None:
            return
        with errors_shown(partial(setattr, self.status, "value")):
            tasks = self._make_tasks()
            remember(tasks[0].settings)
            self.estimator.stop()
            self.preview.stop()
            self._time_left = TimeLeft()
            self._turns = Turns(tasks)
            self._show_running(True)
            self._start_next(self._turns)

    def _make_tasks(self) -> list[UpscaleTask]:
        form = self.form
        return [
            UpscaleTask(
                layer,
                form.axes.value,
                form.settings(layer),
                form.chosen_extent(layer),
                keep_samples=form.keep_samples.value,
                lazy=form.lazy.value,
                assess=True,
                calibrations=self.check.calibrations() if layer is form.layer.value else None,
            )
            for layer in form.together.layers()
        ]

    def _start_next(self, turns: Turns) -> bool:
        """Start the task whose turn it is; one whose layer is gone is passed over."""
        while (task := turns.next()) is not None:
            if task.layer in self._viewer.layers:
                self._refreshed = time.monotonic()
                self.runner.submit(task)
                return True
            turns.failed.append(_removed_sentence(task))
            task.close()
        return False

    def cancel(self) -> None:
        """Ask the run to stop after the step being worked on; no layer is added."""
        if self._turns is None:
            return
        self._turns.cancel()
        self.runner.cancel()
        if self.is_alive:
            self.cancel_button.enabled = False
            self.status.value = "Stopping ..."

    def _say(self, text: str) -> None:
        if self.is_alive and not self.runner.is_running:
            self.estimator.stop()  # an answer to an earlier question is not to take the place of this one
            self.status.value = text

    def _tell_estimate(self, sentence: str) -> None:
        if self.is_alive and not self.runner.is_running and self.run_button.enabled:
            self.status.value = f"{self.form.outlook()} {sentence}"

    def _on_step(self, task: UpscaleTask, step: Progress) -> None:
        if not self.is_alive or self._turns is None:
            return
        self.status.value = self._turns.title(task) + step.message
        if step.total:
            done, total = self._turns.of_all(step.done, step.total)
            left = self._time_left.update(done, total)
            self.progress.max = total
            self.progress.value = done
            self.progress.native.setFormat(f"%p%, {left}" if left else "%p%")
        self._grow(task, step)

    def _on_end(self, task: UpscaleTask, outcome: Any) -> None:
        turns = self._turns
        if turns is None:
            return
        if not self.is_alive:
            turns.cancel()
            logger.info("The window was closed, so upscaling '%s' was stopped.", task.name)
            return
        outcome = task.placed(outcome)
        if outcome is None or isinstance(outcome, Failure):
            self._drop_growing()
        if task.layer not in self._viewer.layers:
            turns.failed.append(_removed_sentence(task))
        if isinstance(outcome, Failure):
            told = turns.title(task) + outcome.message
            turns.failed.append(outcome.message if turns.total == 1 else f"'{task.name}': {outcome.message}")
            show_error(told)
        elif outcome is not None and task.layer in self._viewer.layers:
            self._add_layers(task, outcome, turns)
        if self._start_next(turns):
            return
        self._show_running(False)
        if turns.total > 1 and turns.pairs:
            self._viewer.layers.selection = {mean for mean, _ in turns.pairs}
        self._turns = None
        self.estimator.stop()  # asked for as the new layers were selected
        self.status.value = turns.sentence(self._time_left.elapsed)

    def _grow(self, task: UpscaleTask, step: Progress) -> None:
        """Show the planes that are done, from time to time, of a result that takes longer."""
        if task.partial is None or not task.has_place or time.monotonic() - self._refreshed < EVERY_SECONDS:
            return
        self._refreshed = time.monotonic()
        if not self._growing and step.done < MOSTLY_DONE * step.total and task.layer in self._viewer.layers:
            self._growing = self._insert(task, task.layers(task.partial, self._names()))
        for layer in self._growing:
            if layer.visible and layer in self._viewer.layers:
                layer.refresh()

    def _names(self) -> list[str]:
        return [layer.name for layer in self._viewer.layers]

    def _insert(self, task: UpscaleTask, made: Sequence[LayerTuple]) -> list[Layer]:
        """Add layers of a result above its source, the mean active."""
        self.preview.layers.remove()
        self.look.leave()
        added = [Layer.create(*layer_tuple) for layer_tuple in made]
        above = place_above(self._viewer.layers, task.layer)
        for number, layer in enumerate(added):
            self._viewer.layers.insert(above + number, layer)
            if not layer.visible and not task.lazy:
                layer.visible = True  # for its thumbnail, which would stay black
                layer.visible = False
        self._viewer.layers.selection.active = added[0]
        if task.layer.blending == "additive":
            # Otherwise the mean would be added to its own source, twice as bright.
            task.layer.visible = False
        return added

    def _add_layers(self, task: UpscaleTask, result: Any, turns: Turns) -> None:
        growing, self._growing = self._growing, []
        if not all(layer in self._viewer.layers for layer in growing):
            self._remove(growing)  # what the user has left of them
            growing = []
        own = [layer.name for layer in growing]
        made = task.layers(result, [name for name in self._names() if name not in own])
        if growing:
            keep_identity(growing[0], made)
            complete(growing, made)
            added = [*growing, *self._insert_above(growing[-1], made[len(growing) :])]
        else:
            added = self._insert(task, made)
        remember_source(added[0].metadata[KEY], task.layer, task.pixels)
        turns.add(task.layer, added)
        self.look.take(added[0], task.layer, turns.pairs)
        self.reveal(self.look)
        for message in result.record["messages"]:
            show_info(turns.title(task) + message)

    def _insert_above(self, below: Layer, made: Sequence[LayerTuple]) -> list[Layer]:
        added = [Layer.create(*layer_tuple) for layer_tuple in made]
        for layer in added:
            self._viewer.layers.insert(self._viewer.layers.index(below) + 1, layer)
        return added

    def _drop_growing(self) -> None:
        self._remove(self._growing)
        self._growing = []

    def _remove(self, layers: Sequence[Layer]) -> None:
        for layer in layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def _show_running(self, running: bool) -> None:
        self.run_button.enabled = not running
        self.cancel_button.enabled = running
        self.preview.enabled = not running
        self.progress.native.setFormat("")
        self.progress.max = 0 if running else 1  # a range from 0 to 0 is Qt's "busy"
        self.progress.value = 0
        self.progress.visible = running

    def reset_choices(self, *_: Any) -> None:
        """Offer the layers that there are now, and say so where there is none any more."""
        super().reset_choices()
        if hasattr(self, "estimator") and self.form.layer.value is None:
            self._show_outlook()

    def _show_outlook(self) -> None:
        """Say in the status line what Run would make, or why it cannot."""
        if self.runner.is_running or not self.is_alive:
            return
        try:
            self.status.value = self.form.outlook()
            self.estimator.ask()
            self.run_button.enabled = self.preview.enabled = True
        except VaesrError as error:
            self.estimator.stop()
            self.status.value = str(error)
            self.run_button.enabled = False
            self.preview.enabled = self.form.layer.value is not None  # it has an extent of its own

    def _on_selected(self, event: Any) -> None:
        """Take the selected layer: as the source, or as the result that is looked at."""
        if not self.is_alive or self.runner.is_running:
            return
        layer = event.value
        if layer in self.form.layer.choices:
            self.form.layer.value = layer
        if layer not in self.preview.layers:
            self.look.follow(layer)

    def _on_selection(self, *_: Any) -> None:
        if self.is_alive and not self.runner.is_running:
            self.form.follow_selection()

    def _on_layer_removed(self, event: Any) -> None:
        task = self.runner.task
        if task is not None and event.value is task.layer:
            show_warning(_removed_sentence(task))
            self.runner.cancel()

    def _on_parent_changed(self, parent: Any) -> None:
        if parent is not None:
            return
        self._shortcuts.release()
        self.look.let_go()
        self.estimator.stop()
        self.preview.stop()
        if self.runner.is_running:
            show_warning("The panel was closed, so its upscaling was stopped and no layer was added.")
            self.cancel()


def complete(layers: Sequence[Layer], made: Sequence[LayerTuple]) -> None:
    """Give layers that grew plane by plane what is known in the end: records, limits and thumbnails."""
    for layer, (data, attributes, _) in reversed(list(zip(layers, made, strict=False))):
        role = attributes["metadata"][KEY]["layer"]["role"]
        if role != "mean":
            layer.contrast_limits = attributes["contrast_limits"]
        if role != layer.metadata[KEY]["layer"]["role"]:  # another kind was chosen meanwhile
            layer.name = attributes["name"]
        visible, layer.visible = layer.visible, True
        layer.data = data
        layer.visible = visible
        layer.metadata = attributes["metadata"]  # of the mean in the end: it says that all is there


def keep_identity(shown: Layer, made: Sequence[LayerTuple]) -> None:
    """Let a result be the one that is on show already, for those who have chosen it."""
    for _, attributes, _ in made:
        attributes["metadata"][KEY]["layer"]["result"] = shown.metadata[KEY]["layer"]["result"]


def place_above(layers: Any, source: Layer) -> int:
    """Return where a new result of a layer goes: above it and its earlier ones, below the other channels."""
    place = layers.index(source) + 1
    while (
        place < len(layers)
        and layers[place].metadata.get(KEY, {}).get("source", {}).get("name") == source.name
    ):
        place += 1
    return int(place)


def _removed_sentence(task: Task) -> str:
    return f"'{task.name}' was removed while it was upscaled, so the work was stopped."

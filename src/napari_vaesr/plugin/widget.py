"""The panel *Upscale with uncertainty*: choose a layer and a model, run, watch, cancel."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container, Label, ProgressBar, PushButton
from napari.layers import Layer
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy

from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.controller import Failure, Step, TimeLeft, UpscaleTask
from napari_vaesr.plugin.form import UpscaleForm

if TYPE_CHECKING:
    import napari

logger = logging.getLogger(__name__)


class UpscaleWidget(Container):
    """Dock widget that upscales an image layer into a mean and an uncertainty layer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose layers it offers and adds to.
    """

    def __init__(self, viewer: napari.viewer.Viewer):
        self._viewer = viewer
        self._worker: Any = None
        self._task: UpscaleTask | None = None
        self._time_left = TimeLeft()

        self.form = UpscaleForm(viewer)
        self.run_button = PushButton(
            text="Run", tooltip="Upscale into new layers; napari stays usable meanwhile."
        )
        self.cancel_button = PushButton(
            text="Cancel", enabled=False, tooltip="Stop after the step being worked on; no layer is added."
        )
        buttons = Container(widgets=[self.run_button, self.cancel_button], layout="horizontal", labels=False)
        buttons.margins = (0, 0, 0, 0)
        self.progress = ProgressBar(min=0, max=1, value=0, visible=False)
        self.status = Label(value="")
        self.status.native.setWordWrap(True)
        self.status.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.status.native.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        super().__init__(widgets=[self.form, buttons, self.progress, self.status], labels=False)

        self.form.changed.connect(self._show_outlook)
        self.run_button.changed.connect(self.run)
        self.cancel_button.changed.connect(self.cancel)
        viewer.layers.events.removed.connect(self._on_layer_removed)
        self.native_parent_changed.connect(self._on_parent_changed)
        self._show_outlook()

    def run(self) -> None:
        """Start upscaling in a worker thread; one run at a time."""
        if self._worker is not None or self.form.layer.value is None:
            return
        try:
            point = self._viewer.dims.point if self.form.extent.value == "plane" else None
            task = UpscaleTask(self.form.layer.value, self.form.axes.value, self.form.settings(), point)
        except VaesrError as error:
            self.status.value = str(error)
            show_error(str(error))
            return
        self._task, self._time_left = task, TimeLeft()
        self._worker = create_worker(task.steps)
        self._worker.yielded.connect(self._on_step)
        self._worker.returned.connect(self._on_returned)
        self._worker.aborted.connect(self._on_aborted)
        self._show_running(True)
        self._worker.start()

    def cancel(self) -> None:
        """Ask the run to stop after the step being worked on; no layer is added."""
        if self._worker is None:
            return
        self._worker.quit()
        if isalive(self.native):
            self.cancel_button.enabled = False
            self.status.value = "Stopping ..."

    def _on_step(self, step: Step) -> None:
        if self._worker is None or self._worker.abort_requested or not isalive(self.native):
            return
        self.status.value = step.message
        if step.total:
            left = self._time_left.update(step.done, step.total)
            self.progress.max = step.total
            self.progress.value = step.done
            self.progress.native.setFormat(f"%p%, {left}" if left else "%p%")

    def _on_returned(self, result: Any) -> None:
        task = self._end_run()
        if not isalive(self.native):
            logger.info("The window was closed, so the result for '%s' was dropped.", task.name)
        elif isinstance(result, Failure):
            self.status.value = result.message
            show_error(result.message)
        elif task.layer not in self._viewer.layers:
            show_warning(_removed_sentence(task))
        else:
            self._add_layers(task, result)
        task.close()

    def _add_layers(self, task: UpscaleTask, result: Any) -> None:
        taken = [layer.name for layer in self._viewer.layers]
        added = [Layer.create(*layer_tuple) for layer_tuple in task.layers(result, taken)]
        self._viewer.layers.extend(added)
        self._viewer.layers.selection.active = added[0]
        if task.layer.blending == "additive":
            # Otherwise the mean would be added to its own source, twice as bright.
            task.layer.visible = False
        for message in result.record["messages"]:
            show_info(message)
        names = " and ".join(f"'{layer}'" for layer in added)
        self.status.value = f"Added {names} in {self._time_left.elapsed}."

    def _on_aborted(self) -> None:
        task = self._end_run()
        if isalive(self.native):
            self.status.value = "Cancelled; no layer was added."
        else:
            logger.info("The window was closed, so upscaling '%s' was stopped.", task.name)
        task.close()

    def _end_run(self) -> UpscaleTask:
        task = self._task
        assert task is not None
        self._worker = self._task = None
        if isalive(self.native):
            self._show_running(False)
        return task

    def _show_running(self, running: bool) -> None:
        self.run_button.enabled = not running
        self.cancel_button.enabled = running
        self.progress.native.setFormat("")
        self.progress.max = 0 if running else 1  # a range from 0 to 0 is Qt's "busy"
        self.progress.value = 0
        self.progress.visible = running

    def _show_outlook(self) -> None:
        """Say in the status line what Run would make, or why it cannot."""
        if self._worker is not None:
            return
        try:
            self.status.value = self.form.outlook()
            self.run_button.enabled = True
        except VaesrError as error:
            self.status.value = str(error)
            self.run_button.enabled = False

    def _on_layer_removed(self, event: Any) -> None:
        if self._task is not None and event.value is self._task.layer:
            show_warning(_removed_sentence(self._task))
            self.cancel()

    def _on_parent_changed(self, parent: Any) -> None:
        if parent is None and self._worker is not None:
            show_warning("The panel was closed, so its upscaling was stopped and no layer was added.")
            self.cancel()


def _removed_sentence(task: UpscaleTask) -> str:
    return f"'{task.name}' was removed while it was upscaled, so the work was stopped."

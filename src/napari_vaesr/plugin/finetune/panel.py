"""The panel *Fine-tune a model*: learn from one's own images, watch, pause, go on, save."""

from __future__ import annotations

import logging
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container, ProgressBar, PushButton
from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import QTimer

from napari_vaesr.engine.progress import Progress
from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.finetune.exchange import ExchangeButtons
from napari_vaesr.plugin.finetune.form import FineTuneForm
from napari_vaesr.plugin.finetune.plot import TilePictures, TrainingPlot
from napari_vaesr.plugin.finetune.task import FineTuneTask, Outcome, discard, unfinished
from napari_vaesr.plugin.viewer.task import Failure
from napari_vaesr.plugin.viewer.workers import create_worker
from napari_vaesr.plugin.widgets.inputs import Fold
from napari_vaesr.plugin.widgets.model_list import model_list
from napari_vaesr.plugin.widgets.panel import Panel, row, status_line
from napari_vaesr.plugin.widgets.timing import TimeLeft
from napari_vaesr.training.events import PATIENCE, Pictures, Verdict

if TYPE_CHECKING:
    import napari

logger = logging.getLogger(__name__)

EVERY = 150
"""Milliseconds between looks at what the worker tells."""


class FineTunePanel(Panel):
    """Dock widget that fine-tunes a model on the viewer's images or a folder.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose image layers it offers.
    """

    def __init__(self, viewer: napari.viewer.Viewer):
        self._viewer = viewer
        self._task: FineTuneTask | None = None
        self._worker: Any = None
        self._time_left = TimeLeft()

        self.form = FineTuneForm(viewer)
        self.start_button = PushButton(
            text="Start", tooltip="Train in the background; napari stays usable meanwhile."
        )
        self.pause_button = PushButton(
            text="Pause", tooltip="Stop after this step and keep everything; Resume goes on from there."
        )
        self.cancel_button = PushButton(text="Cancel", tooltip="Stop after this step and keep nothing.")
        self.unfinished = ComboBox(
            label="Unfinished",
            choices=self._unfinished_runs,
            tooltip="Trainings that were paused, or whose napari was closed.",
        )
        self.resume_button = PushButton(text="Resume", tooltip="Go on with the unfinished training.")
        self.save_button = PushButton(
            text="Save", tooltip="Make a model of its best weights so far, and end this training."
        )
        self.discard_button = PushButton(text="Discard", tooltip="Remove the unfinished training.")
        self.progress = ProgressBar(min=0, max=1, value=0)
        self.advice = status_line()
        self.status = status_line()
        self.plot = TrainingPlot(viewer.theme)
        self.pictures = TilePictures()
        self.exchange = ExchangeButtons(self.form, self._say)

        self._later = Container(
            widgets=[self.unfinished, row([self.resume_button, self.save_button, self.discard_button])],
            labels=False,
        )
        self._later.margins = (0, 0, 0, 0)
        super().__init__(
            [self.form],
            footer=[
                row([self.start_button, self.pause_button, self.cancel_button]),
                self._later,
                self.progress,
                self.status,
                self.advice,
            ],
            title="Fine-tune",
        )
        layout = self.body.native.layout()
        for part in (self.plot, self.pictures, Fold("Models in files", self.exchange)):
            layout.insertWidget(layout.count() - 1, part)  # the room that is left stays below

        self._timer = QTimer(self.native)
        self._timer.setInterval(EVERY)
        self._timer.timeout.connect(self._take_events)
        self._connect(viewer)
        self._show_running(False)
        self._show_outlook()

    def _connect(self, viewer: napari.viewer.Viewer) -> None:
        self.form.changed.connect(self._show_outlook)
        self.start_button.changed.connect(self.start)
        self.pause_button.changed.connect(self.pause)
        self.cancel_button.changed.connect(self.cancel)
        self.resume_button.changed.connect(self.resume)
        self.save_button.changed.connect(self.save)
        self.discard_button.changed.connect(self.discard)
        self.native_parent_changed.connect(self._on_parent_changed)
        viewer.events.theme.connect(self._on_theme)
        viewer.layers.events.removed.connect(self._on_removed)
        model_list.changed.connect(self._on_models_changed)

    @property
    def is_running(self) -> bool:
        """Whether a worker is at work."""
        return self._worker is not None

    def start(self) -> None:
        """Start a new training; one at a time."""
        if self.is_running:
            return
        try:
            task = FineTuneTask(self.form.request())
        except VaesrError as error:
            self._fail(str(error))
            return
        self._forget()
        self._run(task, task.run)

    def resume(self) -> None:
        """Go on with the unfinished training that is chosen."""
        if not self.is_running and self.unfinished.value is not None:
            task = FineTuneTask(folder=Path(self.unfinished.value))
            self._forget()
            self._run(task, task.run)

    def save(self) -> None:
        """Make a model of the best weights of the unfinished training that is chosen."""
        if not self.is_running and self.unfinished.value is not None:
            task = FineTuneTask(folder=Path(self.unfinished.value))
            self._run(task, task.save)

    def discard(self) -> None:
        """Remove the unfinished training that is chosen."""
        if not self.is_running and self.unfinished.value is not None:
            discard(Path(self.unfinished.value))
            self._forget()
            self._show_running(False)
            self._show_outlook()

    def pause(self) -> None:
        """Ask the training to stop after this step; it can go on later."""
        if self._task is not None:
            self._task.pause()
            self._show_stopping("Pausing after this step, with a last check ...")

    def cancel(self) -> None:
        """Ask the training to stop after this step; nothing of it is kept."""
        if self._task is not None:
            self._task.cancel()
            self._show_stopping("Stopping after this step ...")

    def _forget(self) -> None:
        """Show nothing more of the training before."""
        self.plot.clear()
        self.pictures.setVisible(False)
        self.advice.value = ""

    def _run(self, task: FineTuneTask, work: Any) -> None:
        self._task = task
        worker: Any = create_worker(work, _start_thread=False)
        self._worker = worker
        task.is_aborted = lambda: worker.abort_requested  # napari asks its workers to quit when it closes
        outcome: list[Outcome | Failure] = []
        worker.returned.connect(outcome.append)
        # When napari closes, a worker finishes without returning: the training was paused then.
        worker.finished.connect(lambda: self._on_finished(outcome[0] if outcome else Outcome("paused")))
        self._show_running(True)
        self._worker.start()
        self._timer.start()

    def _take_events(self) -> None:
        """Show what the worker has told since the last look."""
        if self._task is None or not self.is_alive:
            return
        news = False
        while True:
            try:
                event = self._task.events.get_nowait()
            except Empty:
                break
            if isinstance(event, Progress):
                self._show_progress(event)
            elif isinstance(event, Pictures):
                self.pictures.show_pictures(event)
            else:
                self.plot.add(event)
                news = True
                if isinstance(event, Verdict):
                    self.advice.value = advice(event)
        if news:
            self.plot.redraw()

    def _show_progress(self, step: Progress) -> None:
        self.progress.max, self.progress.value = step.total, step.done  # from 0 to 0 is Qt's "busy"
        left = self._time_left.update(step.done, step.total)
        self.progress.native.setFormat(f"%p%, {left}" if left else "%p%")
        if self._task is not None and not self._task.stops:
            self._say(step.message)

    def _on_finished(self, outcome: Outcome | Failure) -> None:
        if self.is_alive:
            self._take_events()
            self._timer.stop()
        self._task = self._worker = None
        if not self.is_alive:
            logger.info("The window was closed, so the fine-tuning was paused.")
            return
        self._show_running(False)
        if isinstance(outcome, Failure):
            self._fail(outcome.message)
            return
        if outcome.verdict is not None:
            self.plot.add(outcome.verdict)
            self.plot.redraw()
            self.advice.value = advice(outcome.verdict)
        if outcome.kind == "no gain":
            show_warning(ended(outcome))
        elif outcome.kind == "saved":
            show_info(ended(outcome))
            model_list.changed.emit()
        elif outcome.kind == "cancelled":
            self.advice.value = ""
        self._say(ended(outcome))

    def _show_running(self, running: bool) -> None:
        self.start_button.enabled = not running and self._can_start()
        self.pause_button.enabled = self.cancel_button.enabled = running
        self.form.enabled = not running
        self.progress.visible = running
        self.progress.native.setFormat("")
        self.progress.max = 0
        self.unfinished.reset_choices()
        self._later.visible = not running and bool(self.unfinished.choices)

    def _show_stopping(self, message: str) -> None:
        if self.is_alive:
            self.pause_button.enabled = self.cancel_button.enabled = False
            self._say(message)

    def _show_outlook(self, *_: Any) -> None:
        """Say in the status line what Start would do, or why it cannot."""
        if self.is_running:
            return
        try:
            self._say(self.form.outlook())
            self.start_button.enabled = True
        except VaesrError as error:
            self._say(str(error))
            self.start_button.enabled = False

    def _can_start(self) -> bool:
        try:
            self.form.request()
        except VaesrError:
            return False
        return True

    def _on_removed(self) -> None:
        """Look again when a layer has gone: the choices that it was among say nothing of it."""
        if self.is_alive:
            self.form.reset_choices()
            self._show_outlook()

    def _unfinished_runs(self, *_: Any) -> list[tuple[str, str]]:
        return [(each.title, str(each.folder)) for each in unfinished()]

    def _on_models_changed(self) -> None:
        if self.is_alive:
            self.form.refresh_models()

    def _on_theme(self, event: Any) -> None:
        if self.is_alive:
            self.plot.use_theme(event.value)

    def _on_parent_changed(self, parent: Any) -> None:
        if parent is None and self._task is not None:
            self.pause()
            show_warning("The panel was closed, so the fine-tuning was paused: open it again to resume.")


def advice(found: Verdict) -> str:
    """Say what the checks mean, in one line."""
    start, best, latest = found.start.score, found.best.score, found.latest.score
    if len(found.checks) == 1:
        return f"On the held-out part the start has {start:.2f} dB."
    if found.is_worse:
        return (
            f"⚠ Worse than the start on the held-out part: {latest:.2f} dB, not {start:.2f} dB. If it stays "
            "so, use more images or a lower learning rate."
        )
    told = f"On the held-out part: start {start:.2f} dB, best {best:.2f} dB ({found.gain:+.2f} dB)."
    if found.has_stalled:
        told += f" No gain over the last {PATIENCE} checks: it has stopped helping."
    return told


def ended(outcome: Outcome) -> str:
    """Say how a training ended, in one or two lines."""
    found = outcome.verdict
    if outcome.kind == "cancelled":
        return "Cancelled; nothing was kept."
    if outcome.kind == "paused":
        return "Paused. Resume goes on from here; Save makes a model of the best weights so far."
    gain = "" if found is None else f" ({found.gain:+.2f} dB against the start)"
    if outcome.kind == "no gain":
        return f"It never became better than the start{gain}, so nothing was saved; Save would do it anyway."
    assert outcome.card is not None
    worse = found is not None and found.gain <= 0
    warning = " It is no better than the start on the held-out part." if worse else ""
    return f"Saved '{outcome.card.name}'{gain}: it is in the list of models now.{warning}"

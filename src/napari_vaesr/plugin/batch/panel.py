"""The panel *Upscale files*: folders of images upscaled into files, as the command line does it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from queue import Empty, SimpleQueue
from textwrap import fill
from threading import Event
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, Container, LineEdit, ProgressBar, PushButton, SpinBox
from napari.utils.notifications import show_warning
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog

from napari_vaesr.batch.queue import Line, Queue
from napari_vaesr.engine.acquisition import typed_condition
from napari_vaesr.engine.progress import Progress, readable_bytes
from napari_vaesr.engine.record import UNDECIDING
from napari_vaesr.engine.settings import UpscaleSettings, about, label, make_settings
from napari_vaesr.errors import Cancelled, VaesrError, first_sentence
from napari_vaesr.plugin.batch.table import BatchTable
from napari_vaesr.plugin.io.opening import open_upscaled
from napari_vaesr.plugin.viewer.preferences import or_defaults, starting_settings
from napari_vaesr.plugin.viewer.task import Failure
from napari_vaesr.plugin.viewer.workers import create_worker
from napari_vaesr.plugin.widgets.factor_inputs import SETTINGS as FACTOR_SETTINGS
from napari_vaesr.plugin.widgets.factor_inputs import FactorInputs
from napari_vaesr.plugin.widgets.inputs import with_tooltips
from napari_vaesr.plugin.widgets.model_list import known_cards, model_list
from napari_vaesr.plugin.widgets.panel import Panel, align_labels, errors_shown, row, status_line
from napari_vaesr.plugin.widgets.setting_inputs import input_of
from napari_vaesr.plugin.widgets.timing import duration

if TYPE_CHECKING:
    import napari

logger = logging.getLogger(__name__)

EVERY = 100
"""Milliseconds after which the table is brought up to date."""

BETWEEN = ";"
"""Between several files or folders."""

HINT = "Choose images and a folder for their results, then List to see what it takes."

SHOWN = {"model", "samples", "uncertainty", *FACTOR_SETTINGS, *UNDECIDING}
"""Settings that have an input here, or that change no pixel."""

TOOLTIPS = {
    "inputs": "Images, folders of images or patterns such as plates/*.tif, with ; between them.\n"
    "Results among them are passed over; masks and labels belong in another folder.",
    "output": "The folder of the results: OME-TIFFs with mean and uncertainty, and their records.",
    "axes": "One letter per axis, such as ZYX, for files that do not say; empty for those that do.",
    "samples": fill(about("samples"), 95),
    "uncertainty": "What is written beside the mean.",
    "again": "Write over results that exist. Otherwise what was made just so is passed over, a run that\n"
    "was stopped goes on, and other files are left as they are.",
}


class BatchPanel(Panel):
    """Dock widget that upscales files into files.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where results are opened.
    """

    def __init__(self, viewer: napari.viewer.Viewer):
        self._viewer = viewer
        start = or_defaults(starting_settings)
        self._cards = known_cards(start.model)
        self._batch: Queue | None = None
        self._shown: Queue | None = None
        self._listed: Any = None
        self._looking: Progress | None = None
        self._worker: Any = None
        self._stop = Event()
        self._updates: SimpleQueue[tuple[int, Line]] = SimpleQueue()
        form = self._make_form(start)
        self.list_button = PushButton(
            text="List", tooltip="Show what would be done, with time, memory and disk; nothing is written."
        )
        self.run_button = PushButton(text="Run", tooltip="Upscale all that is not done yet.")
        self.cancel_button = PushButton(
            text="Cancel",
            enabled=False,
            tooltip="Stop after this step; Run goes on from there.",
        )
        self.progress = ProgressBar(min=0, max=1000, value=0, visible=False)
        self.table = BatchTable(self.open_result)
        self.status = status_line(HINT)
        shown: Container = Container(labels=False)
        shown.margins = (0, 0, 0, 0)
        shown.native.layout().addWidget(self.table)
        super().__init__(
            [form, shown],
            footer=[
                row([self.list_button, self.run_button, self.cancel_button]),
                self.progress,
                self.status,
            ],
            title="Batch",
        )
        self._timer = QTimer(self.native)
        self._timer.timeout.connect(self._update)
        self.list_button.changed.connect(self.list_files)
        self.run_button.changed.connect(self.run)
        self.cancel_button.changed.connect(self.cancel)
        model_list.changed.connect(self._refresh_models)
        self.native_parent_changed.connect(self._on_parent_changed)

    def _make_form(self, start: UpscaleSettings) -> Container:
        self.inputs = LineEdit(label="Images")
        self.output = LineEdit(label="Into")
        folder, files, into = (PushButton(text=text) for text in ("Folder ...", "Files ...", "Folder ..."))
        folder.changed.connect(self._choose_folder)
        files.changed.connect(self._choose_files)
        into.changed.connect(self._choose_output)
        beside, below = row([folder, files]), row([into])
        beside.label = below.label = ""
        self.axes = LineEdit(label="Axes")
        self.model = ComboBox(label="Model", choices=self._model_names)
        if start.model in self._cards:
            self.model.value = start.model
        self.factors = FactorInputs(start, lambda: self._cards.get(self.model.value))
        self.samples = SpinBox(label="Samples", value=start.samples, min=1, max=max(1024, start.samples))
        self.uncertainty = input_of("uncertainty", start)
        self.again = CheckBox(text="Replace", value=False)
        with_tooltips(
            TOOLTIPS,
            inputs=self.inputs,
            output=self.output,
            axes=self.axes,
            samples=self.samples,
            uncertainty=self.uncertainty,
            again=self.again,
        )
        self.model.changed.connect(self.factors.offer)
        form = Container(
            widgets=[
                self.inputs,
                beside,
                self.output,
                below,
                self.axes,
                self.model,
                *self.factors.widgets,
                self.samples,
                self.uncertainty,
                self.again,
            ],
            labels=True,
        )
        form.margins = (0, 0, 0, 0)
        align_labels(form)
        return form

    @property
    def is_running(self) -> bool:
        """Whether files are looked at or upscaled."""
        return self._worker is not None

    def settings(self) -> UpscaleSettings:
        """Return what the panel is set to; the rest is as in the last run of *Upscale*.

        Raises
        ------
        VaesrError
            If a value is out of range.
        """
        changes = {
            "model": self.model.value,
            **self.factors.settings(),
            "samples": self.samples.value,
            "uncertainty": self.uncertainty.value,
        }
        start = or_defaults(starting_settings).model_dump()  # Upscale may have run since the panel was opened
        if changes["model"] != start["model"]:  # it may not know the kind of image, or be told the noise
            start = {name: start[name] for name in ("seed", "device", "precision", "memory")}
        return make_settings(**{**start, **changes})

    def list_files(self) -> None:
        """Show what would be done."""
        self._begin(self._look, make_anew=True)

    def run(self) -> None:
        """Upscale what is not done yet."""
        self._begin(self._upscale, make_anew=not self._is_same())

    def cancel(self) -> None:
        """Stop after the step being worked on."""
        if self.is_running:
            self._stop.set()
            self.cancel_button.enabled = False
            self.status.value = "Stopping ..."

    def open_result(self, number: int) -> None:
        """Open the result of a line that is done."""
        line = None if self._shown is None else self._shown.lines[number]
        if line is None or line.status not in ("done", "done before"):
            return
        with errors_shown(self._say):
            open_upscaled(line.target.output, self._viewer)

    def _asked(self) -> tuple[Any, ...]:
        inputs = tuple(part.strip() for part in self.inputs.value.split(BETWEEN) if part.strip())
        return inputs, self.output.value.strip(), self.settings(), self.axes.value.strip(), self.again.value

    def _is_same(self) -> bool:
        """Whether what is listed is what is asked for, and not over, so that a run may go on with it."""
        batch = self._batch
        is_open = batch is not None and not batch.is_over
        return is_open and self._listed == self._asked()

    def _begin(self, work: Any, make_anew: bool) -> None:
        if self.is_running:
            return
        try:
            asked = self._asked()
            inputs, output, *_ = asked
            if not inputs or not output:
                raise VaesrError(HINT)
        except VaesrError as error:
            self._fail(str(error))
            return
        self._stop.clear()
        self._looking = None
        self._show_running(True)
        self._worker = create_worker(_outcome, self._work, asked, make_anew, work, _start_thread=False)
        outcome: list[Failure | None] = []
        self._worker.returned.connect(outcome.append)
        # One that is asked to quit finishes without returning.
        self._worker.finished.connect(lambda: self._on_end(work == self._upscale, *outcome))
        self._timer.start(EVERY)
        self._worker.start()

    def _work(self, asked: tuple[Any, ...], make_anew: bool, work: Callable[[Queue], None]) -> None:
        """For a worker: look through the files, thousands of which take seconds, and work on them."""
        if make_anew:
            inputs, output, settings, axes, again = asked
            try:
                self._batch = Queue(inputs, output, settings, axes or None, again, self._follow)
            except Cancelled:
                return
            self._listed, self._looking = asked, None
        assert self._batch is not None
        work(self._batch)

    def _follow(self, step: Progress) -> None:
        self._looking = step
        if self._is_stopped():
            raise Cancelled("Stopped.")

    def _look(self, batch: Queue) -> None:
        for number in batch.look():
            self._updates.put((number, batch.lines[number]))
            if self._is_stopped():
                return

    def _upscale(self, batch: Queue) -> None:
        if any(line.outlook is None for line in batch.lines):
            self._look(batch)
        batch.run(lambda number, line: self._updates.put((number, line)), self._is_stopped)

    def _is_stopped(self) -> bool:
        """Whether to stop; napari asks its workers to quit when it closes, and waits until they have."""
        return self._stop.is_set() or self._worker.abort_requested

    def _update(self) -> None:
        """Show what has become known since the last time."""
        if not self.is_alive:
            return
        if (looking := self._looking) is not None:
            self.progress.value = round(1000 * looking.done / looking.total)
            if self.is_running and not self._stop.is_set():
                self.status.value = f"{looking.message}, {looking.done} of {looking.total} ..."
            return
        if self._batch is None:
            return
        is_new = self._batch is not self._shown
        if is_new:
            self._shown = self._batch
            self.table.show_lines(self._shown.lines)
        latest: dict[int, Line] = {}
        while True:
            try:
                number, line = self._updates.get_nowait()
            except Empty:
                break
            latest[number] = line
        if latest:
            self.table.update_lines(latest)
        lines = self._batch.lines
        self.progress.value = round(1000 * sum(line.share for line in lines) / max(len(lines), 1))
        if (latest or is_new) and self.is_running and not self._stop.is_set():
            self.status.value = _summary(self._batch)

    def _on_end(self, was_run: bool, failure: Failure | None = None) -> None:
        if not self.is_alive:
            return
        is_stopped = self._is_stopped()
        self._worker = None
        self._update()
        self._timer.stop()
        self._show_running(False)
        if failure is not None:
            self._fail(failure.message)
            return
        if self._batch is None or self._looking is not None:
            self.status.value = "Stopped; nothing was listed."
            return
        stopped = "Stopped; Run goes on from there. " if is_stopped and was_run else ""
        told = [f"{stopped}{_summary(self._batch)}", *self._batch.notes, _taken_over(self._batch.settings)]
        self.status.value = " ".join(filter(None, told))

    def _show_running(self, running: bool) -> None:
        self.list_button.enabled = self.run_button.enabled = not running
        self.cancel_button.enabled = self.progress.visible = running

    def _model_names(self, *_: Any) -> list[tuple[str, str]]:
        return [(card.name, reference) for reference, card in self._cards.items()]

    def _refresh_models(self) -> None:
        if self.is_alive:
            chosen = self.model.value
            self._cards = known_cards(chosen)
            self.model.reset_choices()
            self.model.value = chosen

    def _choose_folder(self) -> None:
        self._take(self.inputs, QFileDialog.getExistingDirectory(self.native, "Images"))

    def _choose_files(self) -> None:
        chosen, _ = QFileDialog.getOpenFileNames(self.native, "Images")
        self._take(self.inputs, f"{BETWEEN} ".join(chosen))

    def _choose_output(self) -> None:
        self._take(self.output, QFileDialog.getExistingDirectory(self.native, "Results into"))

    def _take(self, line: LineEdit, chosen: str) -> None:
        if chosen:
            line.value = chosen

    def _on_parent_changed(self, parent: Any) -> None:
        if parent is None and self.is_running:
            self._stop.set()
            show_warning("The panel was closed, so its files were stopped; the next run goes on from there.")


def _outcome(work: Callable[..., None], *args: Any) -> Failure | None:
    """For a worker: what is wrong comes back in a sentence."""
    try:
        work(*args)
        return None
    except VaesrError as error:
        return Failure(str(error))
    except Exception as error:
        logger.exception("The batch failed")
        return Failure(f"The batch failed: {first_sentence(error)}")


def _summary(batch: Queue) -> str:
    """Say how far a batch is."""
    count = {
        status: sum(line.status == status for line in batch.lines)
        for status in ("done", "done before", "failed")
    }
    words = [f"{len(batch.lines)} file{'s' if len(batch.lines) > 1 else ''}"]
    words += [f"{number} {status}" for status, number in count.items() if number]
    left = f"; about {duration(batch.seconds)} left" if batch.seconds else ""
    disk = f", {readable_bytes(batch.disk)} in all" if batch.disk else ""
    return f"{', '.join(words)}{left}{disk}."


def _taken_over(settings: UpscaleSettings) -> str:
    """Say what of the last run of *Upscale* holds here, too, and is not the default: no input shows it."""
    defaults = make_settings()
    told = [
        f"{label(name).lower()} {typed_condition(getattr(settings, name))}"
        for name in UpscaleSettings.model_fields
        if name not in SHOWN and getattr(settings, name) != getattr(defaults, name)
    ]
    return f"As in the last run of Upscale: {', '.join(told)}." if told else ""

"""The panel *Measure with error bars*: what to measure, a table, the objects, and a histogram."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import ComboBox, Container, FloatSpinBox, LineEdit, ProgressBar, PushButton, SpinBox
from napari.layers import Labels
from qtpy.QtWidgets import QApplication

from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.record import Record
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.measure.table import MeasurementTable, TotalPlot
from napari_vaesr.plugin.measure.task import Measurement, MeasureTask
from napari_vaesr.plugin.viewer.extents import chosen_extent, within
from napari_vaesr.plugin.viewer.results import ShownResult
from napari_vaesr.plugin.viewer.runner import Runner
from napari_vaesr.plugin.viewer.sources import needed_source, source_array, source_axes
from napari_vaesr.plugin.viewer.task import Failure
from napari_vaesr.plugin.viewer.world import to_world
from napari_vaesr.plugin.widgets.dialogs import path_to_save
from napari_vaesr.plugin.widgets.inputs import with_tooltips
from napari_vaesr.plugin.widgets.panel import Panel, align_labels, errors_shown, heading, row, status_line
from napari_vaesr.plugin.widgets.result_choice import ResultChoice
from napari_vaesr.trust.regions import ALL, COUNT
from napari_vaesr.trust.segment import METHODS, Threshold

if TYPE_CHECKING:
    import napari

NOTHING = "Upscale an image to get a result that can be measured."

VALUE, LABELS = "value", "labels"
OBJECTS = [
    *((f"{method.capitalize()} threshold", method) for method in METHODS),
    ("Threshold at", VALUE),
    ("Labels layer", LABELS),
]
PARTS = [
    ("What is visible of this plane", ("plane", "visible")),
    ("This plane", ("plane", "whole")),
    ("This time point", ("time", "whole")),
    ("Everything", ("all", "whole")),
]
TOOLTIPS = {
    "choice": "The result to measure, by the name of its mean. It is drawn again as it is measured.",
    "part": "Which part is measured. All planes along Z make one volume, whose objects reach through them;\n"
    "so do those that were made of the plane on show, where planes became more.",
    "objects": "How objects are found, in the mean and, in the same way, in every sample; or the labels of\n"
    "a layer made on the mean: then objects are fixed and only intensities vary.",
    "level": "Intensity above which there are objects.",
    "marked": "A Labels layer of the same size as what is measured.",
    "smoothing": "Gaussian before the threshold, in pixels of the result.",
    "smallest": "Objects of fewer pixels of the result are left out.",
    "split": "Touching objects whose middles are so many pixels apart are split; 0 splits none.",
    "properties": "As scikit-image's regionprops names them, with commas between, and intensity_sum.",
    "samples": "How many samples are drawn and measured; 32 give a range that holds what it says.",
}


LEAST_DIGITS = 2
"""Of an intensity behind its point."""


class MeasurePanel(Panel):
    """Dock widget that measures a result with error bars.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer with the result and its source.
    """

    def __init__(self, viewer: napari.viewer.Viewer):
        self._viewer = viewer
        self._found: Measurement | None = None
        self._layer: Labels | None = None
        self._field = 0
        self.runner = Runner(self._on_step, self._on_end)
        form = self._make_form()
        self.measure_button = PushButton(text="Measure", tooltip="Draw samples and measure each of them.")
        self.cancel_button = PushButton(text="Cancel", enabled=False, tooltip="Stop; nothing is shown.")
        self.progress = ProgressBar(min=0, max=1, value=0, visible=False)
        self.table = MeasurementTable(self._on_chosen)
        self.copy_button = PushButton(text="Copy table", tooltip="Copy the table to paste it elsewhere.")
        self.save_button = PushButton(text="Save CSV ...", tooltip="Save the table as a CSV file.")
        self.total = ComboBox(label="Total", choices=self._totals, tooltip="What the histogram shows.")
        self.plot = TotalPlot()
        self.status = status_line()
        shown: Container = Container(labels=False)
        shown.margins = (0, 0, 0, 0)
        shown.native.layout().addWidget(self.table)
        plotted = Container(widgets=[self.total], labels=True)
        plotted.margins = (0, 0, 0, 0)
        histogram: Container = Container(labels=False)
        histogram.margins = (0, 0, 0, 0)
        histogram.native.layout().addWidget(self.plot)
        contents: list[Any] = [
            form,
            row([self.measure_button, self.cancel_button]),
            self.progress,
            heading("Objects"),
            shown,
            row([self.copy_button, self.save_button]),
            heading("Over samples"),
            plotted,
            histogram,
        ]
        super().__init__(contents, footer=[self.status], title="Measure")
        self._connect()
        self._take_active()
        self._show()

    def _make_form(self) -> Container:
        self.choice = ResultChoice(self._viewer)
        self.part = ComboBox(label="Part", choices=PARTS, value=PARTS[1][1])
        self.objects = ComboBox(label="Objects", choices=OBJECTS, value="otsu")
        self.level = FloatSpinBox(label="Intensity", value=0, min=-1e9, max=1e9, visible=False)
        self.marked = ComboBox(label="Labels", choices=self._labels_layers, nullable=True, visible=False)
        self.smoothing = FloatSpinBox(label="Smoothing", value=1.0, min=0, max=100, step=0.5)
        self.smallest = SpinBox(label="Smallest", value=16, min=0, max=10**7)
        self.split = FloatSpinBox(label="Split at", value=0, min=0, max=1000, step=1)
        self.properties = LineEdit(label="Properties", value="area, intensity_mean")
        self.samples = SpinBox(label="Samples", value=32, min=2, max=1024)
        inputs = with_tooltips(
            TOOLTIPS,
            choice=self.choice,
            part=self.part,
            objects=self.objects,
            level=self.level,
            marked=self.marked,
            smoothing=self.smoothing,
            smallest=self.smallest,
            split=self.split,
            properties=self.properties,
            samples=self.samples,
        )
        form = Container(widgets=inputs, labels=True)
        form.margins = (0, 0, 0, 0)
        align_labels(form)
        return form

    def _connect(self) -> None:
        self.measure_button.changed.connect(self.measure)
        self.cancel_button.changed.connect(self.cancel)
        self.copy_button.changed.connect(self.copy)
        self.save_button.changed.connect(lambda: self.save())
        self.objects.changed.connect(self._on_objects)
        self.choice.changed.connect(self._on_result)
        self.total.changed.connect(self._draw_total)
        layers = self._viewer.layers.events
        layers.inserted.connect(self.reset_choices)
        layers.removed.connect(self.reset_choices)
        layers.removed.connect(self._on_layer_removed)
        self._viewer.events.theme.connect(self._draw_total)
        self.native_parent_changed.connect(self._on_parent_changed)

    @property
    def result(self) -> ShownResult | None:
        """The result that is measured."""
        return self.choice.result

    def measure(self) -> None:
        """Start measuring in a worker thread; one at a time."""
        result = self.result
        if self.runner.is_running or result is None:
            return
        with errors_shown(self._say):
            task = self._task(result)
            self._show_running(True)
            self.runner.submit(task)

    def _task(self, result: ShownResult) -> MeasureTask:
        told = result.record
        source = needed_source(told, self._viewer.layers, "measure")
        axes = source_axes(told)
        planes, region = self.part.value
        made = Record.read(told)
        given = {**made.settings.model_dump(), "samples": self.samples.value, "uncertainty": "std"}
        names = tuple(name.strip() for name in self.properties.value.split(",") if name.strip())
        extent = chosen_extent(self._viewer, source, axes, planes, region)
        inside = within(extent, result, axes)
        task = MeasureTask(source, axes, make_settings(**given), inside, self._segment(), names, made)
        if self.objects.value == LABELS:
            task.check_place(self.marked.value, self._viewer.dims.units)
        return task

    def _segment(self) -> Any:
        if self.objects.value == LABELS:
            if self.marked.value is None:
                raise VaesrError("Choose a Labels layer, or make one on the mean.")
            labels = source_array(self.marked.value)
            # They may be painted on while samples are measured by them.
            return labels.copy() if isinstance(labels, np.ndarray) else labels
        method = self.level.value if self.objects.value == VALUE else self.objects.value
        return Threshold(method, self.smoothing.value, self.smallest.value, self.split.value)

    def cancel(self) -> None:
        """Ask the measurement to stop."""
        if self.runner.is_running:
            self.runner.cancel()
            if self.is_alive:
                self.cancel_button.enabled = False
                self._say("Stopping ...")

    def frame(self) -> Any:
        """Return the whole table, as `napari_vaesr.measure` does; None before anything was measured."""
        from napari_vaesr.trust.measure import as_table

        return None if self._found is None else as_table(self._found.fields)

    def copy(self) -> None:
        """Put the whole table on the clipboard."""
        clipboard = QApplication.clipboard()
        if self._found is not None and clipboard is not None:
            clipboard.setText(self.frame().to_csv(sep="\t", index=False))
            self._say("Copied the table to the clipboard.")

    def save(self, path: str | None = None) -> None:
        """Save the whole table; asks for a place if none is given."""
        if self._found is None:
            return
        target = Path(path) if path else path_to_save(self.native, "Save table", "table", {"CSV": ".csv"})
        if target is None:
            return
        from napari_vaesr.files.atomic import atomic_path

        with errors_shown(self._say):
            with atomic_path(target) as temporary:
                self.frame().to_csv(temporary, index=False)
            self._say(f"Saved {target}.")

    def reset_choices(self, *_: Any) -> None:
        """Offer the results and labels that there are now; what was chosen stays chosen."""
        if not hasattr(self, "body") or not self.is_alive:
            return
        marked = self.marked.value
        self.choice.refresh()
        self.marked.reset_choices()
        if marked in self.marked.choices:
            self.marked.value = marked
        self._on_result()

    def _take_active(self) -> None:
        self.reset_choices()
        self.choice.take_active()

    def _labels_layers(self, *_: Any) -> list[Labels]:
        return [layer for layer in self._viewer.layers if isinstance(layer, Labels)]

    def _totals(self, *_: Any) -> list[str]:
        if self._found is None or not self._found.fields:
            return [COUNT]
        return [quantity for number, quantity in self._found.fields[0].value if number == ALL]

    def _on_result(self, *_: Any) -> None:
        there = self.result is not None
        if self.result is not None:
            span = max(high - low for low, high in self.result.made.bright)
            step = 10.0 ** np.floor(np.log10(span / 1000))
            self.level.step = step if step < 0.01 else None
            needed = -int(np.floor(np.log10(step)))
            self.level.native.setDecimals(max(LEAST_DIGITS, needed, _digits(self.level.value)))
        self.measure_button.enabled = there and not self.runner.is_running
        if not there:
            self._say(NOTHING)
        elif self.status.value == NOTHING:
            self._say("")

    def _on_objects(self, kind: str) -> None:
        self.level.visible = kind == VALUE
        self.marked.visible = kind == LABELS
        for each in (self.smoothing, self.smallest, self.split):
            each.visible = kind != LABELS

    def _on_step(self, task: Any, step: Progress) -> None:
        if self.is_alive:
            self._say(step.message)
            self.progress.max = step.total
            self.progress.value = step.done

    def _on_end(self, task: Any, outcome: Any) -> None:
        if not self.is_alive:
            return
        self._show_running(False)
        if outcome is None:
            self._say("Cancelled; nothing was measured.")
        elif isinstance(outcome, Failure):
            self._fail(outcome.message)
        elif not task.has_place:
            self._fail(f"'{task.name}' got other axes while it was measured: measure it again.")
        elif task.layer in self._viewer.layers:
            self._found, self._field = outcome, 0
            layer = task.labels_layer(
                outcome, task.settings.factors, [each.name for each in self._viewer.layers]
            )
            self._layer = layer
            self._viewer.add_layer(layer)
            self._show()
            count = sum(len(field.presence) - 1 for field in outcome.fields)
            said = f"{count} objects in the mean, measured on {task.settings.samples} samples."
            if outcome.colours is not None:
                said += " Blue objects are in all samples, orange ones in few."
            self._say(said)

    def _show(self) -> None:
        self.table.show_measurement(self._found)
        there = self._found is not None
        self.copy_button.enabled = self.save_button.enabled = there
        self.total.reset_choices()
        self._draw_total()

    def _draw_total(self, *_: Any) -> None:
        if not self.is_alive:
            return
        theme, name = self._viewer.theme, self.total.value
        fields = [] if self._found is None else self._found.fields
        field = fields[self._field] if fields else None
        if field is None or (ALL, name) not in field.value:
            self.plot.show_total("", "", [], np.nan, theme)
            return
        values, value = field.samples[ALL, name], field.value[ALL, name]
        self.plot.show_total(name, field.units.get(name, ""), values, value, theme)

    def _on_chosen(self, number: int, label: int) -> None:
        """Select an object in its layer and bring it into the middle of the view."""
        if self._found is None:
            return
        if number != self._field:
            self._field = number
            self._draw_total()
        layer = self._layer
        if label == ALL or layer is None or layer not in self._viewer.layers:
            return
        layer.selected_label = label
        where, there = self._found.places[number], np.zeros(layer.data.shape, bool)
        there[where] = np.asarray(layer.data[where]) == label
        places = np.argwhere(there)
        if not len(places):
            return
        world = to_world(layer, np.median(places, axis=0), self._viewer.dims.units)
        dims = self._viewer.dims
        missing = dims.ndim - len(world)
        for axis, position in enumerate(world, missing):
            if axis not in dims.displayed:
                dims.set_point(axis, position)
        self._viewer.scene.camera.center = tuple(
            world[axis - missing] if axis >= missing else 0.0 for axis in dims.displayed
        )

    def _show_running(self, running: bool) -> None:
        self.measure_button.enabled = not running
        self.cancel_button.enabled = running
        self.progress.max = 0 if running else 1
        self.progress.value = 0
        self.progress.visible = running

    def _on_layer_removed(self, event: Any) -> None:
        task = self.runner.task
        if task is not None and event.value is task.layer:
            self.cancel()

    def _on_parent_changed(self, parent: Any) -> None:
        if parent is None:
            self.runner.cancel()


def _digits(value: float) -> int:
    """Return how many digits a number has behind its point."""
    return len(np.format_float_positional(value).partition(".")[2])

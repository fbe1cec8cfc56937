"""The table of a measurement, one line for each object, and the histogram of a total over samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_vaesr.plugin.measure.task import Measurement
from napari_vaesr.plugin.widgets.plot import Plot
from napari_vaesr.trust.estimate import Estimate
from napari_vaesr.trust.regions import COUNT

LONGEST = 5000
"""Lines that are shown at most; the saved table has all."""

ROWS, HEIGHT = 190, 171
"""Pixels of the table, at least, and of the plot."""

HINT = "Measure to see how a total\ndiffers from sample to sample."


class Cell(QTableWidgetItem):
    """A text that is sorted by a number."""

    def __init__(self, text: str, number: float) -> None:
        super().__init__(text)
        self.number = number
        self.setFlags(Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled)
        self.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def __lt__(self, other: Any) -> bool:
        return bool(self.number < other.number)


class MeasurementTable(QTableWidget):
    """Objects with their quantities as ``value ± error``.

    Parameters
    ----------
    on_chosen : callable
        Called with the number of the field and the label of an object when its line is clicked.
    """

    def __init__(self, on_chosen: Callable[[int, int], None]) -> None:
        super().__init__()
        self._on_chosen = on_chosen
        self.setMinimumHeight(ROWS)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        header = self.verticalHeader()
        assert header is not None
        header.hide()
        self.itemSelectionChanged.connect(self._choose)

    def show_measurement(self, found: Measurement | None) -> None:
        """Fill in the lines of a measurement."""
        self.setSortingEnabled(False)
        self.clear()
        self.setRowCount(0)
        if found is None or not found.fields:
            self.setColumnCount(0)
            return
        places = list(found.fields[0].place) if len(found.fields) > 1 else []
        quantities = list(
            dict.fromkeys(name for field in found.fields for _, name in field.value if name != COUNT)
        )
        units = found.fields[0].units
        names = [f"{name} ({units[name]})" if units.get(name) else name for name in quantities]
        self.setColumnCount(len(places) + 2 + len(names))
        self.setHorizontalHeaderLabels([*places, "object", "present", *names])
        lines = [(number, label) for number, field in enumerate(found.fields) for label in field.presence]
        self.setRowCount(min(len(lines), LONGEST))
        for row, (number, label) in enumerate(lines[:LONGEST]):
            field = found.fields[number]
            share = field.presence[label]
            cells = [Cell(str(field.place[name]), field.place[name]) for name in places]
            cells += [
                Cell(str(label or "all"), label),
                Cell(f"{share:.0%}" if label else "", share),
            ]
            for name in quantities:
                if (label, name) not in field.value:
                    cells.append(Cell("", -np.inf))
                    continue
                estimate = Estimate.of(field.value[label, name], field.samples[label, name])
                cell = Cell(short(estimate), estimate.value)
                cell.setToolTip(f"90 % range: {estimate.low:.6g} to {estimate.high:.6g}")
                cells.append(cell)
            cells[0].setData(Qt.ItemDataRole.UserRole, (number, label))
            for column, cell in enumerate(cells):
                self.setItem(row, column, cell)
        self.setSortingEnabled(True)
        header = self.horizontalHeader()
        assert header is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.sortItems(len(places), Qt.SortOrder.AscendingOrder)

    def _choose(self) -> None:
        chosen_items = self.selectedItems()
        item = self.item(chosen_items[0].row(), 0) if chosen_items else None
        chosen = None if item is None else item.data(Qt.ItemDataRole.UserRole)
        if chosen is not None:
            self._on_chosen(*chosen)


def short(estimate: Estimate) -> str:
    """Write a value with its error, to as many digits as the error has."""
    value, error = estimate.value, estimate.error
    if not np.isfinite(value):
        return "–"
    if not np.isfinite(error) or error == 0:
        return f"{value:.6g}"
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{value:.{digits}f} ± {error:.{digits}f}" if digits < 7 else f"{value:.4g} ± {error:.2g}"


class TotalPlot(Plot):
    """The histogram of a total over samples, with the value of the mean image and the 90 % range."""

    def __init__(self) -> None:
        super().__init__(HEIGHT)

    def show_total(self, name: str, unit: str, values: Any, value: float, theme: str) -> None:
        """Draw the values of all samples; none draws a hint."""
        self.clear(theme)
        axes = self.axes
        there = np.asarray(values, float)
        there = there[np.isfinite(there)]
        if not there.size:
            self.hint(HINT)
        else:
            estimate = Estimate.of(value, there)
            bins = np.arange(there.min() - 0.5, there.max() + 1.5) if name == COUNT else 12
            axes.hist(there, bins=bins, color="#4f8fcf")
            axes.axvspan(estimate.low, estimate.high, color="#4f8fcf", alpha=0.2, lw=0, label="90 % range")
            axes.axvline(value, color="#ff8220", lw=1.5, label="on the mean")
            self.name_axes(f"{name} ({unit})" if unit else name, "samples")
        self.draw_idle()

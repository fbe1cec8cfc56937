"""The table of a batch: a line for each input, with what it takes and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qtpy.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem

from napari_vaesr.batch.queue import Line
from napari_vaesr.engine.progress import readable_bytes
from napari_vaesr.plugin.widgets.timing import duration

COLUMNS = ("file", "status", "size", "scale", "result", "time", "memory", "disk")

HEIGHT = 240
"""Pixels of the table, at least."""

LOOKED_AT = 100
"""Lines, from those in sight on, by which the columns get their widths: all of very many would take long."""


class BatchTable(QTableWidget):
    """Inputs with their status.

    Parameters
    ----------
    on_opened : callable
        Called with the number of a line that was clicked twice.
    """

    def __init__(self, on_opened: Callable[[int], None]) -> None:
        super().__init__(0, len(COLUMNS))
        self.setMinimumHeight(HEIGHT)
        self.setHorizontalHeaderLabels(list(COLUMNS))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setToolTip("Click a line that is done twice to open its result.")
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None and columns is not None
        rows.hide()
        columns.setResizeContentsPrecision(LOOKED_AT)
        self.cellDoubleClicked.connect(lambda row, _column: on_opened(row))

    def show_lines(self, lines: list[Line]) -> None:
        """Fill in all lines."""
        self.setRowCount(len(lines))
        self.update_lines(dict(enumerate(lines)))

    def update_lines(self, lines: Mapping[int, Line]) -> None:
        """Fill in some lines, by their numbers, and make the columns as wide as their texts."""
        for number, line in lines.items():
            self._fill_in(number, line)
        self.resizeColumnsToContents()

    def _fill_in(self, number: int, line: Line) -> None:
        for column, text in enumerate(texts(line)):
            item = self.item(number, column)
            if item is None:
                item = QTableWidgetItem()
                self.setItem(number, column, item)
            if item.text() != text:
                item.setText(text)
            item.setToolTip(line.message or str(line.target.source if column == 0 else line.target.output))
        if line.status == "running":
            self.scrollToItem(self.item(number, 0))

    def text(self, number: int, column: str) -> str:
        """Return what a cell says."""
        item = self.item(number, COLUMNS.index(column))
        return "" if item is None else item.text()


def texts(line: Line) -> tuple[str, ...]:
    """Return what the columns say of an input."""
    status = line.status
    if status in ("running", "stopped") and line.share:
        status = f"{status}, {line.share:.0%}"  # type: ignore[assignment]
    found = line.outlook
    if found is None:
        return (line.target.title, status, *("" for _ in COLUMNS[2:]))
    return (
        line.target.title,
        status,
        _size(found.shape),
        f"×{found.scale[1:]}" if found.scale.startswith("x") else found.scale,
        _size(found.plan.shape),
        duration(found.plan.seconds),
        readable_bytes(found.plan.memory),
        readable_bytes(found.disk),
    )


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))

"""The table of a batch: widths of its columns, of few lines and of thousands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from napari_vaesr.batch.queue import Line
from napari_vaesr.batch.targets import Target
from napari_vaesr.plugin.batch.table import COLUMNS, BatchTable


class CountingTable(BatchTable):
    """Counts how often a column is measured, which goes through its lines."""

    measured = 0

    def sizeHintForColumn(self, column: int) -> int:
        self.measured += 1
        return int(super().sizeHintForColumn(column))


def make_lines(count: int) -> list[Line]:
    return [Line(Target(Path(f"a{number}.tif"), Path(f"a{number}_x2.ome.tif"))) for number in range(count)]


def test_lines_of_a_long_table_change_without_measuring_it_again_and_again(qtbot):
    table = CountingTable(print)
    qtbot.addWidget(table)
    table.show()
    lines = make_lines(300)
    table.show_lines(lines)
    table.measured = 0
    table.update_lines({n: replace(line, status="running") for n, line in enumerate(lines)})
    assert table.text(299, "status") == "running"
    assert table.measured <= len(COLUMNS)


def test_columns_have_the_width_of_their_texts(qtbot):
    table = BatchTable(print)
    qtbot.addWidget(table)
    (line,) = make_lines(1)
    table.show_lines([line])
    before = table.columnWidth(0)
    longer = replace(line.target, source=Path("a name that is much longer than the other one.tif"))
    table.update_lines({0: replace(line, target=longer)})
    assert table.columnWidth(0) > before
    assert table.columnWidth(0) >= table.sizeHintForColumn(0)

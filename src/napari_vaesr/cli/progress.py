"""Progress bars on stderr, one for each input, with the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from .console import err

if TYPE_CHECKING:
    from napari_vaesr.engine.progress import Progress as Step


class ProgressBars:
    """One bar at a time, which goes when its input is done."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars

    @contextmanager
    def follow(self, name: str) -> Iterator[Callable[[Step], None]]:
        """Show a bar while an input is worked on; the callback moves it."""
        task = self._bars.add_task(escape(name), total=None, message="")

        def show(step: Step) -> None:
            total = step.total or None  # not known yet
            self._bars.update(task, completed=step.done, total=total, message=escape(step.message))

        try:
            yield show
        finally:
            self._bars.remove_task(task)


@contextmanager
def progress_bars(quiet: bool) -> Iterator[ProgressBars]:
    """Show progress bars; none when `quiet`, or when stderr is not a terminal."""
    console = err()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(table_column=Column(min_width=10)),
        TaskProgressColumn(),
        TextColumn("time left", table_column=Column(min_width=9)),
        TimeRemainingColumn(compact=True, table_column=Column(min_width=5)),
        # The first to be cut where a line is short.
        TextColumn("{task.fields[message]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    ) as bars:
        yield ProgressBars(bars)

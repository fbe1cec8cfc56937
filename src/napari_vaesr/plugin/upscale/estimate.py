"""Time and memory of a run before it is started, from the estimate that ``--dry-run`` gives too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_vaesr.engine.progress import readable_bytes
from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.viewer.task import UpscaleTask
from napari_vaesr.plugin.viewer.workers import create_worker
from napari_vaesr.plugin.widgets.timing import duration

SETTLED = 700
"""Milliseconds without a change after which an estimate is made."""


class Estimator:
    """Estimates in a worker thread what the panel is set to, while the panel is in sight.

    Parameters
    ----------
    panel : QWidget
        Nothing is done as long as it is not shown.
    make_tasks : callable
        Returns what Run would do, one task for each layer; raises `VaesrError` where it would do nothing.
    tell : callable
        Called with the sentence.
    """

    def __init__(
        self, panel: QWidget, make_tasks: Callable[[], list[UpscaleTask]], tell: Callable[[str], None]
    ):
        self._panel, self._make_tasks, self._tell = panel, make_tasks, tell
        self._worker: Any = None
        self._wanted = 0
        self._timer = QTimer(panel)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._start)

    def ask(self) -> None:
        """Make an estimate once nothing has changed for a while."""
        self._wanted += 1
        self._timer.start(SETTLED)

    def stop(self) -> None:
        """Make none, and forget one that is being made."""
        self._wanted += 1
        self._timer.stop()

    def _start(self) -> None:
        if not self._panel.isVisible():
            return
        if self._worker is not None:  # one at a time, the latest in the end
            self._timer.start(SETTLED)
            return
        try:
            tasks = self._make_tasks()
        except VaesrError:
            return
        asked = self._wanted
        self._worker = create_worker(described, tasks, _start_thread=False)
        self._worker.returned.connect(lambda sentence: self._end(asked, sentence))
        self._worker.finished.connect(self._forget)
        self._worker.start()

    def _forget(self) -> None:
        self._worker = None

    def _end(self, asked: int, sentence: str) -> None:
        if asked == self._wanted and sentence and isalive(self._panel):
            self._tell(sentence)


def described(tasks: list[UpscaleTask]) -> str:
    """Say in a few words what tasks would take, nothing where that cannot be known; for a worker."""
    try:
        plan = tasks[0].plan()
    except Exception:  # whatever is wrong is told when it is run
        return ""
    finally:
        for task in tasks:
            task.close()
    seconds, memory = len(tasks) * plan.seconds, plan.memory + len(tasks) * plan.result_bytes
    return f"About {duration(seconds)} on {plan.device}, {readable_bytes(memory)}."

"""Runs tasks in worker threads: one at a time, and what was asked for last wins."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Protocol

from napari_vaesr.engine.progress import Progress
from napari_vaesr.plugin.viewer.workers import create_worker


class Task(Protocol):
    """What is asked of what a runner runs."""

    layer: Any
    name: str

    def steps(self) -> Generator[Progress, None, Any]:
        """Do the work, in a worker thread."""

    def close(self) -> None:
        """Let go of everything; called in the end, when the worker no longer runs."""


class Runner:
    """A worker thread at most, and at most one task that waits for it to stop.

    Parameters
    ----------
    on_step : callable
        Called with the task and every `Progress`, on the main thread.
    on_end : callable
        Called with the task and what it made, a `Failure`, or None where it was cancelled. Afterwards the
        task is closed. Not called for a task that was replaced by another.
    """

    def __init__(self, on_step: Callable[[Any, Progress], None], on_end: Callable[[Any, Any], None]):
        self._on_step, self._on_end = on_step, on_end
        self._worker: Any = None
        self._next: Task | None = None
        self._is_replaced = False
        self.task: Task | None = None

    @property
    def is_running(self) -> bool:
        """Whether a thread is at work, be it to stop."""
        return self.task is not None

    def submit(self, task: Task) -> None:
        """Run a task; one that runs already is stopped for it and forgotten."""
        if self.task is None:
            self._start(task)
            return
        if self._next is not None:
            self._next.close()
        self._next, self._is_replaced = task, True
        self._worker.quit()

    def cancel(self) -> None:
        """Ask the task to stop after the step being worked on, and drop one that waits."""
        if self._next is not None:
            self._next.close()
        self._next = None
        if self._worker is not None:
            self._worker.quit()

    def _start(self, task: Task) -> None:
        self.task, self._is_replaced = task, False
        self._worker = create_worker(task.steps)
        self._worker.yielded.connect(self._step)
        self._worker.returned.connect(self._end)
        self._worker.aborted.connect(self._end)
        # One that is asked to stop in its last step tells neither of these.
        self._worker.finished.connect(partial(self._leave, self._worker))
        self._worker.start()

    def _step(self, step: Progress) -> None:
        if self.task is not None and not self._worker.abort_requested:
            self._on_step(self.task, step)

    def _leave(self, worker: Any) -> None:
        if worker is self._worker:
            self._end()

    def _end(self, outcome: Any = None) -> None:
        task, following, is_replaced = self.task, self._next, self._is_replaced
        if task is None:
            return
        if self._worker.abort_requested:  # perhaps it came to its end before it saw that
            outcome = None
        self.task = self._worker = self._next = None
        if not is_replaced:
            self._on_end(task, outcome)
        task.close()
        if following is not None and self.task is None:
            self._start(following)

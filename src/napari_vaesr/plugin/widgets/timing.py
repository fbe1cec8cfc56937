"""Times in words: how long something takes, and how long is left."""

from __future__ import annotations

import time
from collections.abc import Callable


class TimeLeft:
    """An honest guess at the time left: the time spent on what is done, extended to what is not.

    Parameters
    ----------
    clock : callable
        Seconds from any fixed moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._began = clock()
        self._start: float | None = None
        self._first_done = self._total = 0

    @property
    def elapsed(self) -> str:
        """How long it took so far, in words."""
        return duration(self._clock() - self._began)

    def update(self, done: int, total: int) -> str:
        """Take note of `done` of `total` and say how long the rest takes, or nothing if not known yet.

        The first step only starts the clock: it carries the compiling of kernels. Another total is another
        piece of work, with a clock of its own.
        """
        if total != self._total:
            self._start, self._total = None, total
        if self._start is None:
            if done > 0:
                self._start, self._first_done = self._clock(), done
            return ""
        if done <= self._first_done or done >= total:
            return ""
        return f"{duration((self._clock() - self._start) / (done - self._first_done) * (total - done))} left"


def duration(seconds: float) -> str:
    """Put seconds in words that are as exact as a guess can be: ``8 s``, ``3 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"

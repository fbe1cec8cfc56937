"""Whether what is being computed is still wanted, asked of those who asked for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import main_thread

Test = Callable[[], bool]


class GivenUp(Exception):
    """Work was given up on the way, because whoever asked for it does not want it any more."""


_is_unwanted: ContextVar[Test] = ContextVar("is_unwanted", default=lambda: False)


@contextmanager
def given_up_when(is_unwanted: Test) -> Iterator[None]:
    """Let lazy planes that this thread asks for inside the ``with`` be given up.

    They stop with `GivenUp` within one step of the work, or while they wait for another's. Others who want
    the same plane get it, and no half plane is ever kept.

    Parameters
    ----------
    is_unwanted : callable
        Asked before every step; true to stop.
    """
    token = _is_unwanted.set(is_unwanted)
    try:
        yield
    finally:
        _is_unwanted.reset(token)


def unwanted_test() -> Test:
    """Return the test of whoever asks for work in this thread; of most it is never true."""
    return _is_unwanted.get()


def is_program_ending() -> bool:
    """Whether the main thread is done, so that what is computed for a viewer will not be seen any more."""
    return not main_thread().is_alive()

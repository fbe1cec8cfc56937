"""Workers that end before Python does: cut off inside a network, one takes the program down with it."""

from __future__ import annotations

import atexit
from contextlib import suppress
from functools import cache
from typing import Any

from napari.qt import threading

LEAVING_SECONDS = 30
"""How long the end of a program waits for workers to stop at most."""


def create_worker(*args: Any, **options: Any) -> Any:
    """Return a worker as napari's own function does; the end of the program stops it and waits for that."""
    _wait_at_exit()
    return threading.create_worker(*args, **options)


@cache
def _wait_at_exit() -> None:
    atexit.register(_end_workers)  # with the first worker: Qt is there by then, and is put away after this


def _end_workers() -> None:
    with suppress(RuntimeError):
        threading.WorkerBase.await_workers(1000 * LEAVING_SECONDS)

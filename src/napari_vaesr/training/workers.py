"""Processes that make patches while a GPU learns from those that they made before."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from multiprocessing import active_children
from multiprocessing.connection import wait

from napari_vaesr.engine.device import choose_device

START_METHOD = "fork" if sys.platform == "linux" else None
"""How they are started; None is the platform's way. Forked ones share the images instead of copying them."""


def default_workers(devices: int) -> int:
    """Return how many processes make patches for each device.

    None on a CPU, where they would take the cores from the training, and none on Windows and macOS, where
    each would hold all images once more. Else all cores but one for each training itself, for a GPU learns
    faster than one core makes patches.
    """
    if choose_device().device == "cpu" or START_METHOD is None:
        return 0
    return max(1, len(os.sched_getaffinity(0)) // devices - 1)


def leave_interrupts(worker: int) -> None:
    """Make a worker deaf to Ctrl-C, which a terminal sends to all processes: the training ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def notice_ended() -> None:
    """Wait for the end of a worker whose connection has gone, so that PyTorch tells of it here.

    It tells by raising in whatever runs when the process has wholly ended, which may be a destructor.
    """
    with contextlib.suppress(RuntimeError):
        workers = active_children()
        if workers:
            wait([worker.sentinel for worker in workers], timeout=5)
        for worker in workers:
            worker.join(timeout=0.1)

"""Processes that make patches while a GPU learns from those that they made before."""

from __future__ import annotations

import os
import signal
import sys

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

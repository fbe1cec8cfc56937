"""A program may end while planes are computed."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCROLLED = """
import sys, threading, time
import dask.array as da, napari, numpy as np
from napari_vaesr.engine.wanted import unwanted_test, GivenUp
from napari_vaesr.plugin.viewer.layers import as_scrolled
from qtpy.QtWidgets import QApplication

began = threading.Event()

def plane(block_id):
    print("started", flush=True)
    began.set()
    unwanted = unwanted_test()
    for _ in range(5000):
        time.sleep(0.02)
        if unwanted():
            print("given up", flush=True)
            raise GivenUp
    return np.zeros((1, 8, 8))

viewer = napari.Viewer(show=False)
chunks = (1,) * 4, (8,), (8,)
planes = da.map_blocks(plane, chunks=chunks, dtype=float, meta=np.empty((0, 0, 0)))
viewer.add_image(as_scrolled(planes), contrast_limits=(0, 1), multiscale=False)
while not began.is_set():
    QApplication.processEvents()
    time.sleep(0.01)
"""

AHEAD = """
import time
import numpy as np
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.lazy import IDLE_SECONDS, lazy_result
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.imaging.axes import Source

pixels = np.random.default_rng(0).integers(0, 255, (9, 256, 256)).astype("uint16")
job = UpscaleJob(Source.of(pixels, "ZYX"), make_settings(model="tiny", samples=64, device="cpu"))
np.asarray(lazy_result(job, look_ahead=True).mean[0, :8, :8])
time.sleep(IDLE_SECONDS + 0.2)
"""


def output_of(script):
    """Run a script that has to end well, and soon."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "terminate" not in done.stderr, done.stderr
    return done.stdout


@pytest.mark.viewer
def test_a_program_ends_while_a_plane_is_computed_for_the_window():
    assert output_of(SCROLLED).split("\n")[:2] == ["started", "given up"]


def test_a_program_ends_while_planes_are_computed_ahead():
    output_of(AHEAD)

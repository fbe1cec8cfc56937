"""A command line that uses a very small model with random weights."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from napari_vaesr.cli import app

Run = Callable[..., Any]  # what typer's runner returns


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "no models"))
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def upscale(run: Run, tiny_model_path: Path) -> Run:
    """Run ``napari-vaesr upscale`` with the small model and two samples, unless told otherwise."""
    return lambda *arguments: run("upscale", "--model", tiny_model_path, "--samples", 2, *arguments)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A z-stack of 3 planes, 17 x 22 pixels of 0.25 micrometers, that knows its axes."""
    path = tmp_path / "stack.tif"
    pixels = np.random.default_rng(0).integers(100, 4000, (3, 17, 22), dtype=np.uint16)
    metadata = {"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    tifffile.imwrite(path, pixels, imagej=True, resolution=(4, 4), metadata=metadata)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """An 8-bit grey TIFF of 12 x 15 pixels."""
    path = tmp_path / "picture.tif"
    tifffile.imwrite(path, np.random.default_rng(1).integers(0, 255, (12, 15), dtype=np.uint8))
    return path


SLOWLY = """
import sys, time
sys.argv = ["napari-vaesr", *{arguments!r}]
sys.stderr = open({log!r}, "w")
from napari_vaesr.engine import passes, pixels, result_file
for name, value in {sizes!r}.items():
    setattr(passes, name, value)
for store in (result_file.ResultFile, pixels.Stored):
    def slowly(self, piece, real=store.put):
        real(self, piece)
        time.sleep(0.03)
    store.put = slowly
from napari_vaesr.cli import main
main()
"""
"""The command line with small blocks, and a pause after each, in which it can be killed."""

Start = Callable[..., multiprocessing.process.BaseProcess]


@pytest.fixture
def start_slowly(tmp_path: Path) -> Start:
    """A function that starts the command line in a process of its own, with these sizes of blocks."""
    # On Linux one process imports PyTorch for all of them, and each is a copy of it.
    context: Any = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    if sys.platform == "linux":
        context.set_forkserver_preload(["napari_vaesr.cli", "napari_vaesr.engine.upscaler", "zarr"])

    def start(*arguments: object, **sizes: int) -> multiprocessing.process.BaseProcess:
        log = str(tmp_path.with_suffix(".stderr"))  # beside the folder, in which outputs are counted
        code = SLOWLY.format(arguments=[str(each) for each in arguments], log=log, sizes=sizes)
        process = context.Process(target=exec, args=(code, {"__name__": "slowly"}))
        process.start()
        return process

    return start


@pytest.fixture
def kill_when(start_slowly: Start, tmp_path: Path) -> Callable[..., None]:
    """A function that starts the command line and kills it as soon as something is true."""

    def kill_when(is_time: Callable[[], bool], *arguments: object, **sizes: int) -> None:
        process = start_slowly(*arguments, "--quiet", **sizes)
        deadline = time.monotonic() + 120
        while not is_time() and process.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.kill()  # nothing where it has ended already: its number may be another's by now
        process.join()
        assert process.exitcode == -signal.SIGKILL, tmp_path.with_suffix(".stderr").read_text()

    return kill_when

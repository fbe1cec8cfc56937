"""A command line that uses a very small model with random weights."""

from __future__ import annotations

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

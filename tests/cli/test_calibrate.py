"""``napari-vaesr calibrate`` says before it begins where its model goes, and that it can't."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.io import imsave
from typer.testing import CliRunner

from napari_vaesr.cli import app


def test_a_place_that_can_not_be_written_is_said_before_any_image_is_read(
    tiny_model_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    command = ["calibrate", str(tiny_model_path), str(tmp_path), "--output", str(tmp_path / "file")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2 and "is no folder" in " ".join(done.output.split())


@pytest.mark.parametrize(("options", "noted"), [([], True), (["--name", "mine"], False)])
def test_taking_the_place_of_a_bundled_model_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], noted: bool
) -> None:
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "models"))
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(app, ["calibrate", "tiny", str(tmp_path / "empty"), *options])
    assert done.exit_code == 2 and "holds no PNG" in done.output
    assert ("in place of the bundled tiny" in " ".join(done.output.split())) == noted


def test_scales_that_lose_their_calibration_are_named(tiny_model_path: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 20), np.uint8)
    imsave(tmp_path / "small.png", pixels, check_contrast=False)
    command = [
        "calibrate",
        str(tiny_model_path),
        str(tmp_path / "small.png"),
        "--output",
        str(tmp_path / "m"),
    ]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "the calibration of ×3, ×4 is no longer on the card" in " ".join(done.output.split())

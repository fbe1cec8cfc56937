"""How alike samples of neighbouring planes are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from skimage.filters import gaussian
from typer.testing import CliRunner

from napari_vaesr import load_model
from napari_vaesr.cli import app
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.training.alike import WIDTHS, fit_alike_planes


def test_samples_of_planes_are_as_alike_as_the_errors_of_planes(
    deep_model_path: Path, tmp_path: Path
) -> None:
    """Copies of one plane are wrong in the same way everywhere, planes of their own each in its own."""
    rng, clean = np.random.default_rng(0), Degradation()
    model = load_model(deep_model_path)
    own = (4000 * gaussian(rng.random((8, 24, 24)), (0, 2, 2))).astype(np.uint16)
    stacks = {"same": own[:1].repeat(8, axis=0), "own": own}
    widths = {}
    for name, stack in stacks.items():
        folder = tmp_path / name
        folder.mkdir()
        tifffile.imwrite(folder / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX", "spacing": 1.0})
        widths[name] = fit_alike_planes(model, [folder], clean)
    assert widths["own"] < 1 < widths["same"] == WIDTHS[-1]
    assert fit_alike_planes(model, [], clean) is None
    command = ["calibrate", str(deep_model_path), str(tmp_path / "same"), "--keep", "--stacks"]
    result = CliRunner().invoke(app, [*command, str(tmp_path / "same"), "--output", str(tmp_path / "made")])
    assert result.exit_code == 0, result.output
    made = load_model(tmp_path / "made" / deep_model_path.name).card
    assert made.alike_planes == widths["same"] and made.calibration == model.card.calibration

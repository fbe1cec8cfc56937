"""One input into its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from skimage.io import imsave

from napari_vaesr.batch.targets import Target
from napari_vaesr.batch.write import upscale_file
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.imaging.region import Region
from napari_vaesr.zoo.registry import load_model


@pytest.mark.parametrize("client", [None, "some workers"])
def test_that_workers_do_nothing_for_a_png_is_said(
    tmp_path: Path, tiny_model_path: Path, client: str | None
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16), np.uint8)
    imsave(tmp_path / "a.png", pixels, check_contrast=False)
    target, model = Target(tmp_path / "a.png", tmp_path / "b.png"), load_model(tiny_model_path)
    settings = make_settings(model=tiny_model_path, samples=2, device="cpu")
    told = upscale_file(target, None, settings, model, Region(), client=cast(Any, client))
    assert any("not by the workers" in each for each in told) == (client is not None)
    assert target.output.exists()

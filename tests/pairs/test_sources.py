"""Pairs know which file they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage.io import imsave

from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.sources import EvaluationImage, find_pairs, find_sources, made_pairs, real_pairs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A stack of three planes and a single one, and the same at half the size."""
    rng = np.random.default_rng(0)
    for place, side in (("high", 32), ("low", 16)):
        (tmp_path / place).mkdir()
        stack = rng.integers(0, 255, (3, side, side), dtype=np.uint8)
        tifffile.imwrite(tmp_path / place / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
        tifffile.imwrite(tmp_path / place / "single.tif", stack[0])
    return tmp_path


def test_planes_of_a_stack_are_of_one_original(folder: Path) -> None:
    high = folder / "high"
    expected = [str(high / "single.tif"), *[str(high / "stack.tif")] * 3]
    made = [
        [pair.original for source in find_sources([high]) for pair in made_pairs(source, 2, kind)]
        for kind in ("clean", "noisy")
    ]
    real = [pair.original for source in find_pairs(folder / "low", high) for pair in real_pairs(source, [2])]
    assert [*made, real] == [expected] * 3


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "cells_5\udcb5m.tif"
    try:
        tifffile.imwrite(path, np.zeros((32, 32), np.uint8))
    except (OSError, UnicodeError):
        pytest.skip("file names are UTF-8 here")
    (pair,) = made_pairs(EvaluationImage(path, "any"), 2, "noisy")
    assert pair.low.shape == (16, 16)


def test_a_partner_that_is_not_the_only_one_is_refused(tmp_path: Path) -> None:
    """A preview beside the image, say: which of them is meant is not to be guessed."""
    for name in ("low/a.tif", "high/a.tif", "high/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        imsave(tmp_path / name, np.zeros((8, 8), np.uint8), check_contrast=False)
    with pytest.raises(VaesrError, match=r"several partners .* a\.png and a\.tif"):
        find_pairs(tmp_path / "low", tmp_path / "high")
    (tmp_path / "high" / "a.png").unlink()
    assert find_pairs(tmp_path / "low", tmp_path / "high")[0].path.name == "a.tif"

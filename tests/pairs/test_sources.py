"""Pairs know which file they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

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

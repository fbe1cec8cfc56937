"""Pairs know which file they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_vaesr.training.pairs import find_pairs, find_sources, made_pairs, real_pairs


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

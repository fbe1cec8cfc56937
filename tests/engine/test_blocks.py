"""Blocks cover what a pass makes, once."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.engine.blocks import BlockGrid
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.region import Factors, Region


@pytest.mark.parametrize("sides", [{}, {"Y": 3, "X": 4}, {"Z": 2, "Y": 100}])
def test_every_pixel_of_the_result_is_in_one_block(sides):
    axes = Axes.parse("CZYX", (2, 5, 9, 10))
    region = Region({"C": range(1, 2), "Z": range(1, 5), "Y": range(9), "X": range(2, 10)})
    grid, factors = BlockGrid(axes, region, sides, "CZYX"), Factors(Z=2, Y=3, X=3)
    written = np.zeros([len(part) for part in region.enlarged(factors).values()], int)
    for number in range(len(grid)):
        place = grid.place(number, factors)
        written[tuple(slice(part.start, part.stop) for part in place.values())] += 1
    assert (written == 1).all()


def test_chunks_hold_the_largest_block():
    axes = Axes.parse("ZYX", (5, 9, 10))
    grid = BlockGrid(axes, Region({"Z": range(5), "Y": range(9), "X": range(10)}), {"Y": 7, "X": 64}, "ZYX")
    assert grid.block_shape == {"Z": 1, "Y": 8, "X": 16}
    assert grid.shape == (5, 2, 1) and grid[1]["Y"] == range(7, 9)

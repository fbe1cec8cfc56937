"""A pair stays a pair: parts of it belong together, and intensities of both are brought to one range."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_vaesr.pairs.pair import Pair


@given(st.integers(1, 4), st.data())
def test_parts_belong_together(scale, data):
    low = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)
    pair = Pair("", "", low, np.kron(low, np.ones((scale, scale), np.uint16)), scale)
    row, column = data.draw(st.integers(0, 10)), data.draw(st.integers(0, 20))
    height, width = data.draw(st.integers(1, 20 - row)), data.draw(st.integers(1, 30 - column))
    rows = slice(scale * row, scale * (row + height))
    columns = slice(scale * column, scale * (column + width))
    part = pair.part(rows, columns)
    assert part.low.shape == (height, width)
    np.testing.assert_array_equal(part.truth[::scale, ::scale], part.low)
    assert part.scale == scale and part.span == pair.span


def test_units_follow_the_line_between_the_two():
    low = np.array([[100, 300]], np.uint16)
    truth = np.array([[10, 10, 30, 30]] * 2, np.uint16)
    pair = Pair("", "", low, truth, 2, black=100, span=400, line=(10, 0))
    small, large = pair.units()
    assert small.dtype == large.dtype == np.float32
    np.testing.assert_array_equal(small, [[0, 0.5]])
    np.testing.assert_array_equal(large, [[0, 0, 0.5, 0.5]] * 2)


def test_a_truth_alone_stands_for_both():
    plane = np.random.default_rng(0).random((6, 8), np.float32)
    pair = Pair.of_truth(plane)
    for unit in pair.units():
        np.testing.assert_array_equal(unit, plane)

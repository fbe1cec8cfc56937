from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_vaesr.centres import to_larger, to_source

factors = st.one_of(st.integers(1, 16), st.floats(0.1, 16))


@given(st.integers(1, 1000), factors)
def test_corners_stay_where_they_are(pixels, factor):
    assert to_source(-0.5, factor) == to_larger(-0.5, factor) == -0.5
    assert to_source(pixels * factor - 0.5, factor) == pytest.approx(pixels - 0.5)
    assert to_larger(pixels - 0.5, factor) == pytest.approx(pixels * factor - 0.5)


@given(st.floats(-100, 1000), factors)
def test_there_and_back(index, factor):
    assert to_source(to_larger(index, factor), factor) == pytest.approx(index)


def test_two_in_the_place_of_one_lie_a_quarter_of_a_pixel_beside_it():
    assert to_source(np.arange(4), 2).tolist() == [-0.25, 0.25, 0.75, 1.25]
    assert to_source(torch.arange(4), 2).tolist() == [-0.25, 0.25, 0.75, 1.25]
    assert to_larger(np.array([[0, 1]]), np.array([1, 4])).tolist() == [[0, 5.5]]

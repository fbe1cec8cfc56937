from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vaesr.imaging.colour import luma_chroma_to_rgb, rgb_to_luma_chroma


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-14)])
@given(seed=st.integers(0, 2**32 - 1))
def test_colours_come_back(dtype, tolerance, seed):
    rgb = np.random.default_rng(seed).uniform(-0.2, 1.2, (5, 7, 3)).astype(dtype)
    luma, chroma = rgb_to_luma_chroma(rgb)
    assert luma.shape == (5, 7) and chroma.shape == (5, 7, 2) and luma.dtype == chroma.dtype == dtype
    back = luma_chroma_to_rgb(luma, chroma)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, rgb, atol=tolerance)


def test_the_range_is_full():
    luma, chroma = rgb_to_luma_chroma(np.eye(3))
    np.testing.assert_allclose(luma, [0.299, 0.587, 0.114])
    assert chroma[2, 0] == pytest.approx(0.5) and chroma[0, 1] == pytest.approx(0.5)
    luma, chroma = rgb_to_luma_chroma(np.full((1, 3), 0.7))
    np.testing.assert_allclose(luma, 0.7)
    np.testing.assert_allclose(chroma, 0, atol=1e-15)

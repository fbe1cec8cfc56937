"""Other ways to enlarge, which a model is compared with."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.trust.rivals import RIVALS, bicubic, richardson_lucy


@pytest.mark.parametrize("name", list(RIVALS))
@pytest.mark.parametrize("shape", [(9, 12), (9, 12, 3)])
def test_rivals_enlarge_and_keep_the_place(name, shape):
    flat = RIVALS[name](np.full(shape, 90, np.uint8), 3)
    assert flat.shape == (27, 36, *shape[2:])
    assert flat.dtype == np.float32
    np.testing.assert_allclose(flat, 90, atol=0.05)
    ramp = np.broadcast_to(np.arange(30.0)[:, None], (30, 30))
    np.testing.assert_allclose(RIVALS[name](ramp, 2)[20:40, 20:40], ramp_of(30, 2)[20:40, 20:40], atol=0.1)


def ramp_of(size: int, scale: int) -> np.ndarray:
    places = (np.arange(size * scale) + 0.5) / scale - 0.5
    return np.broadcast_to(places[:, None], (size * scale, size * scale))


def test_deconvolution_sharpens(made):
    pair = made()
    assert richardson_lucy(pair.low, 2).std() > bicubic(pair.low, 2).std()

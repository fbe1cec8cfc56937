"""PNG files that tell their profile and resolution."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from napari_vaesr.files.png import png_bytes


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "<u2"])
def test_another_program_reads_pixels_profile_and_resolution(dtype):
    pixels = np.arange(20 * 30).reshape(20, 30).astype(dtype)
    picture = Image.open(io.BytesIO(png_bytes(pixels, icc=b"a profile", dots=(1000.0, 2000.0))))
    np.testing.assert_array_equal(np.asarray(picture), pixels)
    assert picture.info["icc_profile"] == b"a profile"
    assert picture.info["dpi"] == pytest.approx((25.4, 50.8), rel=1e-3)


@pytest.mark.parametrize("dots", [None, (0.0, 1000.0), (1e10, 1e10)])
def test_a_resolution_that_png_cannot_tell_is_left_out(dots):
    content = png_bytes(np.zeros((4, 5, 3), np.uint8), dots=dots)
    assert b"pHYs" not in content and b"iCCP" not in content

"""Sizes of packed pictures, from their headers."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from napari_vaesr.files.headers import jpegxl_size, webp_size


@pytest.mark.parametrize("sides", [(8, 8), (40, 72), (256, 256), (300, 5000), (9000, 17), (120, 144)])
def test_sizes_of_jpeg_xl_and_webp(sides):
    pixels = np.zeros((*sides, 3), np.uint8)
    for container in (False, True):
        content = imagecodecs.jpegxl_encode(pixels, effort=1, usecontainer=container)
        assert jpegxl_size(content)[:2] == sides
    for options in ({"lossless": True}, {"level": 50}):
        assert webp_size(imagecodecs.webp_encode(pixels, **options))[:2] == sides

"""Pictures: PNG and JPEG."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import read_image

GREY = np.arange(20 * 30).reshape(20, 30)


@pytest.mark.parametrize(
    ("pixels", "axes"),
    [
        (GREY.astype(np.uint8), "YX"),
        ((GREY * 100).astype(np.uint16), "YX"),
        (np.stack([GREY, GREY * 2, GREY * 3], -1).astype(np.uint8), "YXS"),
        (np.stack([GREY * 100] * 3, -1).astype(np.uint16), "YXS"),
        (np.stack([GREY] * 4, -1).astype(np.uint8), "YXS"),
    ],
)
def test_png(tmp_path, pixels, axes):
    path = tmp_path / "cells.PNG"
    path.write_bytes(imagecodecs.png_encode(pixels))
    image = read_image(path)
    assert (image.name, image.axes, image.pixel_size) == ("cells", axes, {})
    assert image.data.dtype == pixels.dtype
    np.testing.assert_array_equal(image.data, pixels)


def test_the_alpha_of_a_grey_picture_is_left_out(tmp_path):
    grey = GREY.astype(np.uint8)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(np.stack([grey, grey * 0 + 255], -1)))
    image = read_image(tmp_path / "a.png")
    assert image.axes == "YX"
    np.testing.assert_array_equal(image.data, grey)


@pytest.mark.parametrize(("shape", "axes"), [((20, 30), "YX"), ((20, 30, 3), "YXS")])
def test_jpeg(tmp_path, shape, axes):
    pixels = np.full(shape, 100, np.uint8)
    (tmp_path / "a.jpg").write_bytes(imagecodecs.jpeg_encode(pixels, level=98))
    image = read_image(tmp_path / "a.jpg")
    assert image.axes == axes
    np.testing.assert_allclose(image.data, pixels, atol=2)


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_pictures_cut_off_are_refused(tmp_path, kind):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    encode = imagecodecs.png_encode if kind == "png" else imagecodecs.jpeg_encode
    content, path = encode(pixels), tmp_path / f"cut.{kind}"
    for part in (0, 0.1, 0.5, 0.9):
        path.write_bytes(content[: int(part * len(content))])
        with pytest.raises(VaesrError, match=rf"cut\.{kind} is damaged") as caught:
            read_image(path)
        assert "\n" not in str(caught.value)


def test_a_jpeg_for_printers_is_refused(tmp_path):
    """Its four channels would pass for RGB with alpha."""
    Image.new("CMYK", (8, 8), (125, 49, 236, 54)).save(tmp_path / "a.jpg")
    with pytest.raises(VaesrError, match="CMYK"):
        read_image(tmp_path / "a.jpg")

"""Strips and tiles that hold larger pictures than they are told to are refused before they are unpacked."""

from __future__ import annotations

import io
import time
import tracemalloc
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import read_image

LARGE = 3000
ENCODERS = {
    "jpeg": imagecodecs.jpeg_encode,
    "jpeg2000": imagecodecs.jpeg2k_encode,
    "jpegxl": lambda pixels: imagecodecs.jpegxl_encode(pixels, effort=1),
    "jpegxr": imagecodecs.jpegxr_encode,
    "lerc": imagecodecs.lerc_encode,
    "png": imagecodecs.png_encode,
    "webp": lambda pixels: imagecodecs.webp_encode(pixels, lossless=True),
}


def stack(compression: str):
    shape = (3, 40, 72, 3) if compression == "webp" else (3, 40, 72)
    return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


def write(path, compression: str, **options) -> None:
    photometric, axes = ("rgb", "ZYXS") if compression == "webp" else ("minisblack", "ZYX")
    tifffile.imwrite(
        path,
        stack(compression),
        compression=compression,
        photometric=photometric,
        metadata={"axes": axes},
        **options,
    )


def replace_segment(path, content: bytes, number: int) -> None:
    """Let the only strip of a page be another one."""
    with tifffile.TiffFile(path) as tiff:
        tags = [tiff.pages[number].tags[code] for code in (273, 279)]
        places = [each.offset + 4 for each in tags]
    changed = bytearray(path.read_bytes())
    for at, value in zip(places, (len(changed), len(content)), strict=True):
        changed[at : at + 8] = (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        changed[at - 2 : at] = (4).to_bytes(2, "little")
    path.write_bytes(changed + content)


def refused_soon(path, match: str = "holds a picture of") -> None:
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(VaesrError, match=match) as caught:
        np.asarray(read_image(path).data)
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(caught.value) and seconds < 5 and peak < 2**24


@pytest.mark.parametrize("options", [{"rowsperstrip": 40}, {"tile": (64, 64)}, {"tile": (16, 16)}])
@pytest.mark.parametrize("compression", ENCODERS)
def test_sound_pieces_are_read(tmp_path, compression, options):
    path = tmp_path / "a.tif"
    write(path, compression, **options)
    expected = tifffile.imread(path)
    np.testing.assert_array_equal(read_image(path).data, expected)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("compression", ENCODERS)
def test_a_strip_that_holds_a_larger_picture(tmp_path, compression, number):
    path = tmp_path / "a.tif"
    write(path, compression, rowsperstrip=40)
    shape = (LARGE, LARGE, 3) if compression == "webp" else (LARGE, LARGE)
    replace_segment(path, ENCODERS[compression](np.zeros(shape, np.uint8)), number)
    refused_soon(path)


def test_a_strip_of_other_sides_is_not_taken_apart(tmp_path):
    path = tmp_path / "a.tif"
    write(path, "png", rowsperstrip=40)
    replace_segment(path, imagecodecs.png_encode(np.zeros((80, 36), np.uint8)), 0)
    refused_soon(path)


def test_a_jpeg_that_goes_over_its_pixels_without_end(tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.zeros((2048, 2048), np.uint8)).save(file, "JPEG", progressive=True)
    content = file.getvalue()
    last = content.rindex(b"\xff\xda")
    content = content[:last] + content[last:-2] * 4000 + content[-2:]
    (tmp_path / "a.jpg").write_bytes(content)
    refused_soon(tmp_path / "a.jpg", "layers")
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((2048, 2048), np.uint8), compression="jpeg", rowsperstrip=2048
    )
    replace_segment(tmp_path / "a.tif", content, 0)
    refused_soon(tmp_path / "a.tif", "layers")


@pytest.mark.parametrize(
    ("compression", "content"),
    [
        ("zlib", zlib.compress(bytes(2**26))),
        ("zstd", imagecodecs.zstd_encode(bytes(2**26))),
        ("packbits", b"\x81\0" * 2**19),
    ],
)
def test_pieces_packed_to_burst(tmp_path, compression, content):
    path = tmp_path / "a.tif"
    write(path, compression, rowsperstrip=40)
    replace_segment(path, content, 1)
    refused_soon(path, "cannot be read here")

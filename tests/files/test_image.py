from __future__ import annotations

import os
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.file_array import FileArray
from napari_vaesr.files.image import ImageFile, can_read, expand_inputs, read_image

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


def test_npy(tmp_path):
    stack = np.arange(60.0).reshape(3, 4, 5)
    np.save(tmp_path / "stack.npy", stack)
    with pytest.raises(VaesrError, match=r"\(3, 4, 5\)"):
        read_image(tmp_path / "stack.npy")
    image = read_image(tmp_path / "stack.npy", "TYX")
    assert image.data.chunks[0] == (1, 1, 1) and image.axes == "TYX"
    np.testing.assert_array_equal(image.data, stack)
    np.save(tmp_path / "plane.npy", stack[0])
    assert read_image(tmp_path / "plane.npy").axes == "YX"


def test_npy_never_unpickles(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.save(tmp_path / "trap.npy", np.array([[Trap()]], dtype=object))
    with pytest.raises(VaesrError, match="no plain array"):
        read_image(tmp_path / "trap.npy")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00v", b"garbage"])
def test_damaged_npy(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(VaesrError, match="damaged"):
        read_image(tmp_path / "a.npy")


def test_an_archive_called_npy(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.savez(file, first=GREY)
    with pytest.raises(VaesrError, match="several arrays"):
        read_image(tmp_path / "a.npy")


def test_what_cannot_be_opened(tmp_path):
    (tmp_path / "a.doc").write_text("text")
    for name, says in (
        ("a.doc", "no format that is known.*convert"),
        ("no.tif", "no file"),
        (".", "is a folder"),
    ):
        with pytest.raises(VaesrError, match=says) as caught:
            read_image(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(VaesrError, match="cannot be opened"):
        read_image("a\0b.tif")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "a.tif").touch()

    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(VaesrError, match="check that you may read it"):
        read_image(tmp_path / "a.tif")


def test_can_read_never_raises(tmp_path):
    for name in ("a.tif", "b.OME.TIFF", "c.png", "d.jpeg", "e.npy"):
        (tmp_path / name).touch()
        assert can_read(tmp_path / name) and can_read(str(tmp_path / name))
    (tmp_path / "f.txt").touch()
    for path in (tmp_path / "f.txt", tmp_path / "no.tif", tmp_path, "a\0b.tif", None, 5, [], ""):
        assert not can_read(path)


def test_expand_inputs(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    for name in ("b.tif", "a.png", "c.txt", ".hidden.tif", "in/d.tif", "odd[1].tif"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert expand_inputs(["b.tif"]) == [Path("b.tif")]
    assert expand_inputs(["b.tif", "a.png", "./b.tif"]) == [Path("a.png"), Path("b.tif")]
    assert expand_inputs(["*.tif"]) == [Path("b.tif"), Path("odd[1].tif")]
    assert expand_inputs(["**/*.tif"]) == [Path("b.tif"), Path("in/d.tif"), Path("odd[1].tif")]
    assert expand_inputs([str(tmp_path)]) == [tmp_path / name for name in ("a.png", "b.tif", "odd[1].tif")]
    assert expand_inputs(["in", "odd[1].tif"]) == [Path("in/d.tif"), Path("odd[1].tif")]
    assert expand_inputs(["c.txt"]) == [Path("c.txt")]  # opening it tells what is wrong
    (tmp_path / "empty").mkdir()
    for nothing, says in (
        (["no.tif"], "no file no.tif"),
        (["*.jpg"], "no images in"),
        (["empty"], "no images"),
        ([], "nothing"),
    ):
        with pytest.raises(VaesrError, match=says):
            expand_inputs(nothing)


def test_zarr_folders_are_images_not_folders(tmp_path):
    import zarr

    zarr.save_array(tmp_path / "a.zarr", GREY)
    tifffile.imwrite(tmp_path / "b.tif", GREY)
    assert expand_inputs([str(tmp_path)]) == [tmp_path / "a.zarr", tmp_path / "b.tif"]
    assert expand_inputs([str(tmp_path / "a.zarr")]) == [tmp_path / "a.zarr"]


def test_a_jpeg_for_printers_is_refused(tmp_path):
    """Its four channels would pass for RGB with alpha."""
    Image.new("CMYK", (8, 8), (125, 49, 236, 54)).save(tmp_path / "a.jpg")
    with pytest.raises(VaesrError, match="CMYK"):
        read_image(tmp_path / "a.jpg")


def test_memory_that_runs_out_while_reading_is_not_called_damage(tmp_path):
    class Huge:
        def __getitem__(self, key):
            raise MemoryError

    array = FileArray(tmp_path / "a", Huge, (4, 4), np.dtype("u1"))
    with pytest.raises(MemoryError):
        array[0]


@pytest.mark.parametrize("unit, known", [("nanometer", {"Z": 0.6}), ("second", {}), ("", {})])
def test_a_source_has_the_sizes_of_pixels_in_one_unit(unit, known):
    units = {"Z": unit, "Y": "micrometer", "X": "micrometer"}
    image = ImageFile(Path("a.tif"), "a", np.zeros((3, 4, 5)), "ZYX", {"Z": 600.0, "Y": 0.2, "X": 0.2}, units)
    assert image.source.axes.names == "ZYX"
    assert dict(image.source.pixel_size) == pytest.approx({**known, "Y": 0.2, "X": 0.2})

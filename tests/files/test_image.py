from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import can_read, expand_inputs, read_image

GREY = np.arange(20 * 30).reshape(20, 30)


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

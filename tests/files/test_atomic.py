from __future__ import annotations

import errno
import json
import sys
from pathlib import Path

import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.atomic import atomic_folder, atomic_path, write_json


def test_the_file_appears_whole(tmp_path):
    target = tmp_path / "result.ome.tif"
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path and temporary.name.endswith(".ome.tif")
        temporary.write_text("all")
        assert not target.exists()
    assert target.read_text() == "all"
    assert [child.name for child in tmp_path.iterdir()] == ["result.ome.tif"]


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_nothing_is_left_and_nothing_lost(tmp_path, error, old):
    target = tmp_path / "result.txt"
    if old:
        target.write_text(old)
    with pytest.raises(error), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert [child.read_text() for child in tmp_path.iterdir()] == ([old] if old else [])


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT if sys.platform != "win32" else errno.ENOSPC, "Quota exceeded"),
    OSError("48000 requested and 16152 written"),  # what numpy.ndarray.tofile says, and so tifffile
]


@pytest.mark.parametrize("error", FULL, ids=str)
def test_a_full_disk_is_told_in_one_sentence(tmp_path, error):
    target = tmp_path / "result.txt"
    target.write_text("old")
    with pytest.raises(VaesrError, match=r"disk is full.*result\.txt"), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert [child.read_text() for child in tmp_path.iterdir()] == ["old"]


def test_a_full_disk_at_the_very_end(tmp_path, monkeypatch):
    def full(self, target):
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(VaesrError, match="disk is full"), atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("all")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "touch", refuse)  # permissions don't bind every user that runs tests
    with pytest.raises(VaesrError, match="cannot be written"), atomic_path(tmp_path / "a"):
        pytest.fail("nothing may be written")
    assert not list(tmp_path.iterdir())


def test_a_target_that_cannot_be_replaced(tmp_path, monkeypatch):
    target = tmp_path / "a"
    target.write_text("old")

    def locked(self, target):
        raise PermissionError(errno.EACCES, "Access is denied", str(self))

    monkeypatch.setattr(Path, "replace", locked)
    with pytest.raises(VaesrError, match="cannot be written"), atomic_path(target) as temporary:
        temporary.write_text("new")
    assert [child.read_text() for child in tmp_path.iterdir()] == ["old"]


def test_a_folder_that_cannot_be_moved_into_place_leaves_the_one_that_was_there(tmp_path):
    old = tmp_path / "made.zarr"
    old.mkdir()
    (old / "zarr.json").write_text("old")
    with pytest.raises(VaesrError, match="cannot be written"), atomic_folder(old):
        pass  # nothing was made that could be moved
    assert (old / "zarr.json").read_text() == "old" and list(tmp_path.iterdir()) == [old]


def test_no_folder_of_other_files_is_replaced(tmp_path):
    mine = tmp_path / "mine.zarr"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    with pytest.raises(VaesrError, match="other files"), atomic_folder(mine) as temporary:
        temporary.mkdir()
    assert (mine / "notes.txt").read_text() == "mine"


def test_missing_folders_and_folders_as_targets(tmp_path):
    with pytest.raises(VaesrError, match="does not exist"), atomic_path(tmp_path / "no" / "a"):
        pytest.fail("nothing may be written")
    with pytest.raises(VaesrError, match="is a folder"), atomic_path(tmp_path):
        pytest.fail("nothing may be written")
    assert not list(tmp_path.iterdir())


def test_an_error_of_another_file_is_not_ours(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        (tmp_path / "source").read_text()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_path(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"


def test_json(tmp_path):
    path = tmp_path / "record.json"
    write_json(path, {"model": "β", "scale": 2})
    assert json.loads(path.read_text(encoding="utf-8")) == {"model": "β", "scale": 2}
    for bad in ({"a": object()}, {"a": float("nan")}):
        with pytest.raises((TypeError, ValueError)):
            write_json(path, bad)
    assert json.loads(path.read_text(encoding="utf-8"))["scale"] == 2
    assert [child.name for child in tmp_path.iterdir()] == ["record.json"]


def test_a_name_that_is_not_utf8_is_written_and_read_again(tmp_path):
    content = {"input": "cells \\ 5\udcb5m β.tif"}  # as Linux has a name with the byte B5
    write_json(tmp_path / "record.json", content)
    text = (tmp_path / "record.json").read_text(encoding="utf-8")
    assert json.loads(text) == content and "β" in text

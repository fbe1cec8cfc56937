from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.files import place
from napari_vaesr.files.image import can_read
from napari_vaesr.files.place import Address, as_place, is_same_state

on_posix = pytest.mark.skipif(os.name == "nt", reason="paths of POSIX")


@pytest.mark.parametrize("name", ["a.tif", "a b.tif", "50% #1?.tif", "µm ü 細胞.tif", "a+b;c=d&e.tif"])
@pytest.mark.parametrize(
    "start", ["file:///", "file://localhost/", "file:/", "FILE:///", "file://LOCALHOST/"]
)
def test_addresses_of_files_here(tmp_path, name, start):
    path = tmp_path / name
    assert as_place(path.as_uri().replace("file:///", start)) == path


@on_posix
@pytest.mark.parametrize("address", ["file://server/share/a.tif", "file://127.0.0.1/a.tif", "http://[a.zarr"])
def test_what_leads_nowhere(address):
    with pytest.raises(VaesrError, match="please") as caught:
        as_place(address)
    assert "\n" not in str(caught.value) and address in str(caught.value)
    assert not can_read(address)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("file:///C:/a%20b/c.tif", "C:\\a b\\c.tif"),
        ("file://localhost/C:/a.tif", "C:\\a.tif"),
        ("file://server/share/a.tif", "\\\\server\\share\\a.tif"),
    ],
)
def test_addresses_of_windows(monkeypatch, address, path):
    """By the words of Windows' own library, which is there on other systems, too."""
    with warnings.catch_warnings(action="ignore"):  # it is to go one day
        nturl2path = pytest.importorskip("nturl2path")
    monkeypatch.setattr(place, "url2pathname", nturl2path.url2pathname)
    monkeypatch.setattr(place, "_is_windows", lambda: True)
    assert str(as_place(address)) == path


def test_other_addresses():
    assert as_place("s3://bucket/a.zarr") == Address("s3://bucket/a.zarr")
    assert as_place("C:/a.tif") == Path("C:/a.tif")


def test_a_time_that_was_cut_to_seconds_is_no_change_and_another_time_is() -> None:
    before = {"size": 7, "time": 1_700_000_001_234_567_890}
    assert is_same_state(dict(before), before)
    for cut in (1_700_000_001, 1_700_000_000, 1_700_000_002):  # FAT keeps every second second
        assert is_same_state({"size": 7, "time": cut * 10**9}, before)
    for other in (
        {"size": 8, "time": before["time"]},
        {"size": 7, "time": before["time"] + 1},
        {"size": 7, "time": 1_700_000_004 * 10**9},
    ):
        assert not is_same_state(other, before)

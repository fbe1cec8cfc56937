from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.files import place
from napari_vaesr.files.image import can_read
from napari_vaesr.files.place import Address, as_place

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

"""Tell the results of this package from images: by what they say of themselves, or by their record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tifffile

from napari_vaesr.files.place import Place

SOFTWARE = "napari-vaesr"
"""What the tag or the text ``Software`` of a result says."""

KEY = "napari_vaesr"
"""Attribute of a Zarr group that is a result."""

HEAD = 2048
"""Bytes at the beginning of a PNG in which its maker is told."""

BESIDE = (".std", ".figure")
"""What the names of files beside a result end with, before their suffix."""


def is_result(place: Place) -> bool:
    """Whether a file was made by an upscaling, or belongs to one; cheap, and never raises."""
    try:
        if not isinstance(place, Path):
            return False
        if place.is_dir():
            return _is_zarr_result(place)
        name = place.name.lower()
        if name.endswith((".tif", ".tiff", ".btf")):
            with tifffile.TiffFile(place) as tiff:
                if str(tiff.pages.first.software).startswith(SOFTWARE):
                    return True
        elif name.endswith(".png"):
            with place.open("rb") as file:
                if SOFTWARE.encode() in file.read(HEAD):
                    return True
        return _has_record(place)
    except Exception:  # whatever is wrong with it is told when it is opened
        return False


def _is_zarr_result(folder: Path) -> bool:
    for name in ("zarr.json", ".zattrs"):
        if (folder / name).is_file():
            told = json.loads((folder / name).read_text(encoding="utf-8"))
            return KEY in told.get("attributes", told)
    return False


def _has_record(path: Path) -> bool:
    """Whether a record beside a file says that this is what was made."""
    stem = path.name
    for suffix in (path.suffix, ".ome"):
        stem = stem.removesuffix(suffix)
    for ending in ("", *BESIDE):
        record = path.with_name(f"{stem.removesuffix(ending)}.json")
        if stem.endswith(ending) and record.is_file():
            told: Any = json.loads(record.read_text(encoding="utf-8"))
            if isinstance(told, dict) and {"model", "settings", "files"} <= told.keys():
                return bool(ending) or Path(told["files"]["output"]).name == path.name
    return False

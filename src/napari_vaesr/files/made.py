"""Tell the results of this package from images: by what they say of themselves, or by their record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tifffile
from PIL import Image

from napari_vaesr.files.output import KEY
from napari_vaesr.files.place import Place

SOFTWARE = "napari-vaesr"
"""What the tag or the text ``Software`` of a result says."""

HEAD = 2048
"""Bytes at the beginning of a PNG in which its maker is told."""

BESIDE = (".std", ".figure")
"""What the names of files beside a result end with, before their suffix."""


def is_result(place: Place) -> bool:
    """Whether a file was made by an upscaling, or belongs to one; cheap, and never raises."""
    if isinstance(place, Path) and place.exists() and not place.is_file() and not place.is_dir():
        return False  # a pipe would be waited for
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


def recorded_output(record: Place) -> Path | None:
    """Return the output whose record a JSON file is; None where it is something else. Never raises."""
    try:
        if not isinstance(record, Path) or record.suffix.lower() != ".json" or not record.is_file():
            return None
        told: Any = json.loads(record.read_text(encoding="utf-8"))
        output = record.with_name(Path(told["files"]["output"]).name)
        return output if _is_record(told) and output.exists() else None
    except Exception:
        return None


def _is_record(told: Any) -> bool:
    return isinstance(told, dict) and {"model", "settings", "files"} <= told.keys()


def _has_record(path: Path) -> bool:
    """Whether a record beside a file says that this is what was made."""
    stem = path.name
    for suffix in (path.suffix, ".ome"):
        stem = stem.removesuffix(suffix)
    for ending in ("", *BESIDE):
        record = path.with_name(f"{stem.removesuffix(ending)}.json")
        if stem.endswith(ending) and record.is_file():
            told: Any = json.loads(record.read_text(encoding="utf-8"))
            if _is_record(told):
                return bool(ending) or Path(told["files"]["output"]).name == path.name
    return False


MASKS = frozenset(("mask", "masks", "label", "labels", "seg", "segmentation", "segmentations"))
"""What names of masks and labels end with, and folders of them are called."""


def is_mask(path: Path, folder: Path) -> bool:
    """Whether a file holds a mask or labels, no intensities: by its type, its name, or that of its folder.

    Its name counts only where the image it belongs to lies beside it: ``cells_mask.tif`` and ``cells.tif``.
    Never raises.

    Parameters
    ----------
    path : Path
        The file.
    folder : Path
        That was named, whose own name says nothing.
    """
    try:
        if {part.lower() for part in path.relative_to(folder).parts[:-1]} & MASKS:
            return True
        stem = path.name.split(".")[0]
        words = stem.replace("-", "_").split("_")
        beside = "_".join(words[: -2 if words[-2:-1] == ["cp"] else -1])
        if words[-1].lower() in MASKS and beside:
            others = (each.name.split(".")[0].replace("-", "_") for each in path.parent.iterdir())
            if beside in others:
                return True
        return _is_boolean(path)
    except Exception:  # whatever is wrong with it is told when it is opened
        return False


def _is_boolean(path: Path) -> bool:
    if path.is_dir():
        told = [path / name for name in ("zarr.json", ".zattrs") if (path / name).is_file()]
        return bool(told) and "image-label" in told[0].read_text(encoding="utf-8")
    if path.suffix.lower() in (".tif", ".tiff", ".btf"):
        with tifffile.TiffFile(path) as tiff:
            return tiff.pages.first.dtype == bool
    if path.suffix.lower() == ".png":
        with Image.open(path) as picture:
            return picture.mode == "1"
    return False

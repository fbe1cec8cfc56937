"""Small inputs that once went wrong: what is right, and what comes of them today, through every door.

    python benchmarks/cases.py tests/cases
    python benchmarks/cases.py FOLDER --only tile.zarr photo_o6.jpg

Each input is upscaled twofold by the command line, by the reader of napari and in Python, in a process of
its own. A tick says that all is right; otherwise what is not. Time is that of all three; memory is what the
process needs beyond what it takes to be ready.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

MODEL, SAMPLES = "tiny", 2
TICK = "✓"
Facts = dict[str, str]


@dataclass(frozen=True)
class Case:
    """An input and what its result has to be.

    Attributes
    ----------
    path : str
        In the folder.
    right : dict of str to str
        Facts of the result, as `facts` tells them, or what a refusal says.
    pixels : str
        Where the first plane is found by other means: in a page of a TIFF, an array of a Zarr, or a picture.
    series : str or None
        Which image of the file.
    """

    path: str
    right: Facts = field(default_factory=dict)
    pixels: str = ""
    series: str | None = None

    @property
    def title(self) -> str:
        return f"{self.path} {self.series or ''}".strip()


def sized(x: str, axes: str, z: str = "", **others: str) -> Facts:
    return {"axes": axes, "size": ", ".join([*([f"Z {z}"] if z else []), f"X {x}"]) if x else "", **others}


PHOTOS = {3: "48 × 80", 6: "80 × 48", 8: "80 × 48"}
LOOK = {"channels": "DAPI, GFP", "colours": "0000FF, 00FF00", "windows": "150 to 900, 100 to 3000"}
LABELS = {"channels": "DAPI, GFP", "colours": "0000FF, 0000FF"}
CASES = [
    Case("run_MMStack_Pos0.ome.tif", sized("0.05", "TYX"), "page"),
    Case("run_MMStack_Pos1.ome.tif", sized("0.125", "TYX"), "page"),
    Case("p_Pos0.ome.tif", sized("", "YX"), "page"),
    Case("p_Pos1.ome.tif", sized("", "YX"), "page"),
    Case("second.ome.tif", sized("0.2", "YX"), "page"),
    Case("second2.ome.tif", sized("0.2", "YX"), "page"),
    Case("scenes.ome.tif", sized("0.05", "YX", notes="holds 2 images"), "page"),
    Case("scenes.ome.tif", sized("0.2", "YX"), "page 1", "scene B"),
    Case("unit_dm.ome.tif", sized("0.1495", "ZYX", "1"), "page"),
    Case("tile.zarr", sized("0.1", "ZYX", "0.5", at="Z 3, Y 99.95, X -40.05"), "array 0"),
    *(
        Case(f"photo_o{number}.jpg", {"axes": "YXS", "shape": shape}, "picture")
        for number, shape in PHOTOS.items()
    ),
    Case("img.zarr", sized("0.05", "ZYX", "0.5"), "array 0"),
    Case("img.zarr/labels/cells", {"refused": "holds labels"}),
    Case("topshort.zarr", sized("0.08125", "CZYX", "1"), "array 0"),
    Case("dsshort.zarr", sized("0.08125", "CZYX", "0.5"), "array 0"),
    Case("longnames.zarr", sized("0.08125", "CZYX", "0.5"), "array 0"),
    *(
        Case("plate.zarr", sized("0.15", "YX"), f"array {name}/0", name)
        for name in ("A/1/0", "A/1/1", "B/1/0", "B/1/1")
    ),
    Case("renamed.ome.tif", sized("", "ZYX"), "page"),
    Case("pixelsize_mm.tif", sized("0.0325", "YX"), "page"),
    Case("pixelsize_zeiss_sem.tif", sized("0.002791", "YX"), "page"),
    Case("pixelsize_fei_sem.tif", sized("0.0006745", "YX"), "page"),
    Case("pixelsize_aperio.tif", sized("0.2495", "YXS"), "page"),
    Case("pixelsize_shaped_sp.tif", sized("0.1", "ZYX", "0.7"), "page"),
    Case("greyalpha.tif", {"axes": "YX", "notes": "alpha"}, "page"),
    Case("omero.zarr", sized("0.05", "CZYX", "0.5", **LOOK), "array 0"),
    Case(
        "ij_labels.tif", sized("0.1", "ZCYX", "1.5", channels="DAPI, GFP", colours="0000FF, 0000FF"), "page"
    ),
    Case("ij_origin.tif", sized("0.1", "ZYX", "1.5", at="Z -3, Y -4.05, X -2.05"), "page"),
]


def facts(
    axes: str,
    shape: tuple[int, ...],
    sizes: dict[str, float],
    units: dict[str, str],
    places: dict[str, float],
) -> Facts:
    """Return what a result tells of itself, lengths in micrometers."""
    from napari_vaesr.files.units import converted

    def lengths(numbers: dict[str, float], letters: str) -> str:
        told = {name: converted(numbers[name], units.get(name), "µm") for name in letters if name in numbers}
        return ", ".join(f"{name} {round(number, 9):.4g}" for name, number in told.items())

    known = {name: size for name, size in sizes.items() if units.get(name)}
    plane = [str(length) for name, length in zip(axes, shape, strict=True) if name in "YX"]
    return {
        "axes": axes,
        "shape": " × ".join(plane),
        "size": lengths(known, "ZX"),
        "at": lengths(places, "ZYX"),
    }


def looks(channels: Any, colours: Any, windows: Any) -> Facts:
    ranges = (f"{low:g} to {high:g}" for low, high in windows)
    return {"channels": ", ".join(channels), "colours": ", ".join(colours), "windows": ", ".join(ranges)}


def command_line(path: Path, case: Case) -> tuple[Facts, Any]:
    from typer.testing import CliRunner

    from napari_vaesr.cli import app
    from napari_vaesr.files.image import read_image

    options = ["--model", MODEL, "-k", str(SAMPLES), *(["--series", case.series] if case.series else [])]
    outcome = CliRunner().invoke(app, ["upscale", str(path), "out.zarr", *options])
    said = " ".join(outcome.stderr.split())
    if outcome.exit_code:
        return {"refused": said}, None
    image = read_image("out.zarr")
    names, axes = image.channel_names, image.axes
    means = [number for number, name in enumerate(names) if name.endswith("mean")]
    mean = np.take(np.asarray(image.data), means, axes.index("C"))
    if "S" in case.right["axes"]:
        axes = axes.replace("C", "S")
    elif len(means) == 1:
        mean, axes = mean.squeeze(axes.index("C")), axes.replace("C", "")
    # What is written has T, C and Z in the order of OME-Zarr.
    asked = "".join(sorted(axes, key=case.right["axes"].find))
    mean = mean.transpose([axes.index(name) for name in asked])
    told = facts(asked, mean.shape, image.pixel_size, image.units, image.offset)
    colours = image.colours or [""] * len(names)
    channels = [names[number].removesuffix("mean").strip() for number in means]
    windows = [image.windows[number] for number in means]
    told |= looks(channels, [colours[number] for number in means], windows)
    return {**told, "notes": said}, mean


def reader(path: Path, case: Case) -> tuple[Facts, Any]:
    from napari.settings import get_plugin_settings

    from napari_vaesr.files.place import as_place
    from napari_vaesr.plugin.io.reader import layers_of

    preferences: Any = get_plugin_settings("napari-vaesr").upscaling
    preferences.model, preferences.samples = MODEL, SAMPLES
    layers = layers_of([(as_place(path), case.series)])
    sources, means = layers[::3], layers[1::3]
    axes = "".join(means[0][1]["axis_labels"])
    numbers = [dict(zip(axes, means[0][1][key], strict=True)) for key in ("scale", "units", "translate")]
    sizes, units, places = ({name: each[name] for name in each} for each in numbers)
    known = {name: str(unit) for name, unit in units.items() if str(unit) != "pixel"}
    planes = [np.asarray(layer[0]) for layer in means]
    if len(means) > 1:
        axes = case.right["axes"]
        mean = np.stack(planes, axes.index("C"))
    else:
        axes, mean = axes + ("S" if means[0][1]["rgb"] else ""), planes[0]
    told = facts(axes, mean.shape, sizes, known, places)
    names = [layer[1]["name"].split(" ", 1)[1] if len(means) > 1 else "" for layer in sources]
    colours = [str(layer[1].get("colormap", "")).lstrip("#").upper() for layer in sources]
    told |= looks(names, colours, [layer[1]["contrast_limits"] for layer in sources])
    return {**told, "notes": _said()}, mean


def _said() -> str:
    from napari.utils.notifications import notification_manager

    return " ".join(record.message for record in notification_manager.records)


def python(path: Path, case: Case) -> tuple[Facts, Any]:
    from napari_vaesr import read_image, upscale

    image = read_image(path, series=case.series)
    mean = upscale(image.data, image.axes, model=MODEL, samples=SAMPLES).mean
    sizes = {name: size / (2 if name in "YX" else 1) for name, size in image.pixel_size.items()}
    places = {name: image.offset.get(name, 0) - (sizes[name] / 2 if name in "YX" else 0) for name in sizes}
    told = facts(image.axes, mean.shape, sizes, dict(image.units), places)
    told |= looks(image.channel_names, image.colours, [each for each in image.windows if each])
    return {**told, "notes": " ".join(image.notes)}, mean


DOORS: dict[str, Callable[[Path, Case], tuple[Facts, Any]]] = {
    "command line": command_line,
    "reader": reader,
    "Python": python,
}


def first_plane(path: Path, case: Case) -> Any:
    """Return the first plane of the source by the plainest means."""
    kind, _, which = case.pixels.partition(" ")
    if kind == "page":
        import tifffile

        with tifffile.TiffFile(path) as tiff:
            plane = tiff.pages[int(which or 0)].asarray()
        return plane[..., 0] if plane.ndim == 3 and plane.shape[-1] == 2 else plane
    if kind == "picture":
        from PIL import Image, ImageOps

        with Image.open(path) as picture:
            return np.asarray(ImageOps.exif_transpose(picture))
    import zarr

    array = zarr.open_array(path / which, mode="r")
    return np.asarray(array[(0,) * (array.ndim - 2)])


def verdict(case: Case, told: Facts, mean: Any, source: Any) -> str:
    """Return a tick, or what is not right."""
    wrong = [
        f"{key}: {told.get(key, '')}"
        for key, value in case.right.items()
        if (value not in told.get(key, "") if key in ("refused", "notes") else value != told.get(key, ""))
    ]
    if mean is not None and source is not None:
        leading = mean.ndim - source.ndim
        plane = np.asarray(mean[(0,) * leading], float)
        height, width = source.shape[:2]
        small = plane.reshape(height, 2, width, 2, *plane.shape[2:]).mean((1, 3))
        alike = np.corrcoef(small.ravel(), source.astype(float).ravel())[0, 1]
        wrong += [] if alike > 0.95 else [f"pixels of another image (correlation {alike:.2f})"]
    return "; ".join(wrong) or TICK


def judge(folder: Path, number: int) -> dict[str, Any]:
    """Take one case through every door."""
    import napari.settings  # noqa: F401  # what is imported counts as being ready

    from napari_vaesr import VaesrError, load_model

    load_model(MODEL)
    case = CASES[number]
    path = (folder / case.path).resolve()
    source = first_plane(path, case) if case.pixels else None
    ready, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        for name, door in DOORS.items():
            try:
                told, mean = door(path, case)
            except VaesrError as error:
                told, mean = {"refused": str(error)}, None
            if "refused" in told and "refused" not in case.right:
                found[name] = f"refused: {told['refused']}"
            else:
                found[name] = verdict(case, told, mean, source)
        os.chdir(folder)
    found["seconds"] = time.perf_counter() - start
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - ready
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    folder = options.folder.resolve()
    if options.case is not None:
        print(json.dumps(judge(folder, options.case)))
        return

    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table("case", "right", *DOORS, "seconds", "MB", box=box.MARKDOWN)
    with tempfile.TemporaryDirectory() as place:
        # A fresh napari, with no settings but its own.
        surroundings = {**os.environ, "NAPARI_CONFIG": f"{place}/settings.yaml"}
        for number, case in enumerate(CASES):
            if not (folder / case.path).exists() or (options.only and case.path not in options.only):
                continue
            command = [sys.executable, __file__, str(folder), "--case", str(number)]
            run = subprocess.run(command, capture_output=True, text=True, env=surroundings)
            lines = run.stdout.strip().splitlines()
            found = json.loads(lines[-1]) if lines and not run.returncode else {}
            doors = [found.get(name, run.stderr.strip().splitlines()[-1:] or "") for name in DOORS]
            right = "; ".join(f"{key} {value}" for key, value in case.right.items() if value)
            cost = (f"{found.get('seconds', 0):.1f}", f"{found.get('memory', 0) / 1024:.0f}")
            table.add_row(case.title, right, *map(str, doors), *cost)
    Console(width=240).print(table)


if __name__ == "__main__":
    main()

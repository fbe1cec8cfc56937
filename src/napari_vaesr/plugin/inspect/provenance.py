"""How a layer was made, in words, as Python and as a command line; both give the same pixels."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from napari_vaesr.engine.acquisition import typed_condition
from napari_vaesr.engine.record import UNDECIDING, Record
from napari_vaesr.engine.settings import UpscaleSettings, label
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.place import is_address
from napari_vaesr.imaging.region import Region
from napari_vaesr.plugin.viewer.sources import Told, has_intensities, source_axes, source_of
from napari_vaesr.sample_images import sample_path
from napari_vaesr.zoo.registry import get_card

CORRECTED = "The uncertainty of this result is another than its model's now, such as after a check"

ALWAYS = ("model", "scale", "samples", "seed", "device", "precision")
"""Settings that are told even where they have their default."""

TOLD_APART = {*ALWAYS, "temperature", *UNDECIDING}
"""Settings that have words of their own, or that change no pixel."""


def in_words(told: Told) -> str:
    """Describe in a few lines what made a layer.

    Parameters
    ----------
    told : mapping
        The layer's metadata under ``napari_vaesr``.
    """
    made = Record.read(told)
    settings, source = made.settings, told.get("source", {})
    part = ", ".join(_range_in_words(name, each) for name, each in made.region.items())
    shape = " × ".join(map(str, made.input.shape))
    lines = [
        f"Model {made.model.name}, version {made.model.version}",
        f"×{settings.factors}, {settings.samples} samples, seed {settings.seed}, "
        f"temperature {settings.temperature:g}",
        *(f"{label(name)} {value}" for name, value in _typed(made).items() if name not in TOLD_APART),
        f"Source: {source.get('name', 'unknown')}, {made.axes} {shape}, {made.input.dtype}",
        *([f"Part: {part}"] if part else []),
        f"On {settings.device} in {settings.precision}, napari-vaesr {made.version}",
        *([_departures_in_words(found)] if (found := told.get("departures")) else []),
        *told.get("messages", ()),
    ]
    return "\n".join(lines)


def _departures_in_words(found: Told) -> str:
    return f"Departs from {100 * found['share']:.1f} % of the pixels of plane {found['plane']}"


def _range_in_words(name: str, part: range) -> str:
    return f"{name} {part.start}" if len(part) == 1 else f"{name} {part.start} to {part.stop - 1}"


def as_python(told: Told, layers: Iterable[Any] = ()) -> str:
    """Write Python that makes the layer again.

    The image is read from its file where that is known and holds the same pixels; else it is taken from the
    layer in the viewer, which works in napari's console. Where a check has corrected the uncertainty, the
    script makes it again by its record.

    Parameters
    ----------
    told : mapping
        As for `in_words`.
    layers : iterable of layer
        Of the viewer: the source may have another name by now.

    Raises
    ------
    VaesrError
        If it was corrected, and the source is one channel of an image that is not at hand.
    """
    made = Record.read(told)
    path = _source_path(told, made)
    if path is None:
        imports = ["import napari", "", "from napari_vaesr import source_array, upscale"]
        source = source_of(told, layers)
        called = told["source"]["name"] if source is None else source.name
        image = f"source_array(napari.current_viewer().layers[{called!r}])"
        axes = source_axes(told)
    else:
        imports = ["from napari_vaesr import read_image, upscale"]
        series = told["source"].get("series")
        chosen = f", series={series!r}" if series else ""
        image = f"read_image({str(path)!r}, axes={made.axes!r}{chosen}).data"
        axes = made.axes
    settings = {name: value for name, value in _settings(made).items() if name != "device"}
    options = [f"axes={axes!r}", *(f"{name}={value!r}" for name, value in settings.items())]
    extent = str(Region({name: part for name, part in made.region.items() if name in axes}))
    options += [f"extent={extent!r}"] if extent else []
    options += ["keep_samples=True"] if made.keep_samples else []
    call = ["result = upscale(", "    image,", *(f"    {option}," for option in options), ")"]
    if is_corrected(made):
        if axes != made.axes:
            raise VaesrError(
                f"{CORRECTED}, and the source is one channel of several: there is no script for it."
            )
        imports = ["import json", "", *(each.replace("upscale", "UpscaleJob") for each in imports)]
        call = [f"record = json.loads({made.model_dump_json()!r})"]
        call += ["result = UpscaleJob.from_record(image, record).run()"]
    name = re.sub(r"\W+", "_", f"{told['source'].get('name', 'image')} {made.settings.factors.suffix}")
    kind = "rgb" if "S" in axes else "minisblack"
    saved = [f"tifffile.imwrite({f'{name}_mean.tif'!r}, result.mean, photometric={kind!r})"]
    if made.settings.has_spread:
        spread = f"{name}_uncertainty.tif"
        saved.append(f"tifffile.imwrite({spread!r}, result.uncertainty, photometric='minisblack')")
    return "\n".join(["import tifffile", *imports, "", f"image = {image}", *call, *saved, ""])


def is_corrected(made: Record) -> bool:
    """Whether the uncertainty is another than the model's card says: mostly, for a check corrected it."""
    try:
        now = made.asked_again(made.settings, get_card(made.settings.model), made.region, made.axes)
    except VaesrError:  # there is no such model here
        return False
    if now.model.sha256 != made.model.sha256:
        return False
    return bool({"calibration", "alike_planes"} & {*made.differences(now)})


def as_command(told: Told) -> str:
    """Write a command line that makes the layer again, as channels of an OME-TIFF.

    Raises
    ------
    VaesrError
        If the source was not opened from a file, the file holds something else, or the uncertainty was
        corrected.
    """
    made = Record.read(told)
    if is_corrected(made):
        raise VaesrError(f"{CORRECTED}, for which there is no command line: copy as Python.")
    path = _source_path(told, made)
    if path is None:
        raise VaesrError(
            f"'{told['source']['name']}' was not opened from a file that holds just these pixels, "
            "so there is no command line for it: save it as an OME-TIFF first, or copy as Python."
        )
    factors = made.settings.factors
    words = ["napari-vaesr", "upscale", str(path), f"{path.stem.split('.')[0]}_{factors.suffix}.ome.tif"]
    words += ["--axes", made.axes]
    if series := told["source"].get("series"):
        words += ["--series", series]
    for name, value in _typed(made).items():
        words += [f"--{name}", str(value)]
    extent = str(made.region)
    words += ["--extent", extent] if extent else []
    return shlex.join(words)


def _settings(made: Record) -> dict[str, Any]:
    """Return the settings to tell: those that matter always, and those that are not the default."""
    defaults = UpscaleSettings()
    told = made.settings.model_dump()
    return {name: value for name, value in told.items() if name in ALWAYS or value != getattr(defaults, name)}


def _typed(made: Record) -> dict[str, Any]:
    """Return the settings to tell as they are typed."""
    typed = {name: typed_condition(getattr(made.settings, name)) for name in ("noise", "blur")}
    told = {**_settings(made), "scale": made.settings.factors}
    return {name: typed.get(name, value) for name, value in told.items()}


def _source_path(told: Told, made: Record) -> Path | None:
    """Return the file that the source was opened from, if what it holds is the source."""
    source = told.get("source", {})
    path = source.get("path")
    if source.get("sample") and source["sample"][0] == "napari-vaesr":
        path = sample_path(source["sample"][1])
    if not path or is_address(path):
        return None
    return Path(path) if _holds(Path(path), made, source.get("series")) else None


def _holds(path: Path, made: Record, series: str | None) -> bool:
    """Whether a file holds the pixels that a record tells of, as far as shape, type and intensities tell."""
    from napari_vaesr.files.image import read_image

    try:
        pixels = read_image(path, made.axes, series).data
    except VaesrError:
        return False
    return (
        tuple(pixels.shape) == made.input.shape
        and str(pixels.dtype) == made.input.dtype
        and has_intensities(pixels, made.axes, made)
    )

"""How a layer was made, in words, as Python and as a command line; both give the same pixels."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.region import Factors, Region, recorded_region
from napari_vaesr.plugin.viewer.layers import source_array
from napari_vaesr.samples import sample_path

Record = Mapping[str, Any]

ALWAYS = ("model", "scale", "samples", "seed", "device", "precision")
"""Settings that are told even where they have their default."""


def in_words(record: Record) -> str:
    """Describe in a few lines what made a layer.

    Parameters
    ----------
    record : mapping
        The layer's metadata under ``napari_vaesr``.
    """
    settings, model, source = record["settings"], record["model"], record.get("source", {})
    part = ", ".join(_range_in_words(name, each) for name, each in recorded_region(record).items())
    shape = " × ".join(map(str, record["input"]["shape"]))
    lines = [
        f"Model {model['name']}, version {model['version']}",
        f"×{Factors.of(settings['scale'])}, {settings['samples']} samples, seed {settings['seed']}, "
        f"temperature {settings['temperature']:g}",
        f"Source: {source.get('name', 'unknown')}, {record['axes']} {shape}, {record['input']['dtype']}",
        *([f"Part: {part}"] if part else []),
        f"On {settings['device']} in {settings['precision']}, napari-vaesr {record['version']}",
    ]
    return "\n".join(lines)


def _range_in_words(name: str, part: range) -> str:
    return f"{name} {part.start}" if len(part) == 1 else f"{name} {part.start} to {part.stop - 1}"


def as_python(record: Record) -> str:
    """Write Python that makes the layer again.

    The image is read from its file where that is known and holds the same pixels; else it is taken from the
    layer in the viewer, which works in napari's console.
    """
    path = _source_path(record)
    if path is None:
        imports = ["import napari", "", "from napari_vaesr import source_array, upscale"]
        image = f"source_array(napari.current_viewer().layers[{record['source']['name']!r}])"
        axes = source_axes(record)
    else:
        imports = ["from napari_vaesr import read_image, upscale"]
        image = f"read_image({str(path)!r}, axes={record['axes']!r}).data"
        axes = record["axes"]
    options = [
        f"axes={axes!r}",
        *(f"{name}={value!r}" for name, value in _settings(record).items()),
    ]
    parts = recorded_region(record)
    extent = str(Region({name: part for name, part in parts.items() if name in axes}))
    options += [f"extent={extent!r}"] if extent else []
    options += ["keep_samples=True"] if record.get("keep_samples") else []
    call = ["result = upscale(", "    image,", *(f"    {option}," for option in options), ")"]
    shown = "print(result.mean, result.uncertainty)"
    return "\n".join([*imports, "", f"image = {image}", *call, shown, ""])


def as_command(record: Record) -> str:
    """Write a command line that makes the layer again, as channels of an OME-TIFF.

    Raises
    ------
    VaesrError
        If the source was not opened from a file, or the file holds something else.
    """
    path = _source_path(record)
    if path is None:
        raise VaesrError(
            f"'{record['source']['name']}' was not opened from a file that holds just these pixels, "
            "so there is no command line for it: save it as an OME-TIFF first, or copy as Python."
        )
    settings = _settings(record)
    factors = Factors.of(settings["scale"])
    words = ["napari-vaesr", "upscale", str(path), f"{path.stem.split('.')[0]}_{factors.suffix}.ome.tif"]
    words += ["--axes", record["axes"]]
    for name, value in {**settings, "scale": factors}.items():
        words += [f"--{name}", str(value)]
    extent = str(recorded_region(record))
    words += ["--extent", extent] if extent else []
    return shlex.join(words)


def _settings(record: Record) -> dict[str, Any]:
    """Return the settings to tell: those that matter always, and those that are not the default."""
    defaults = UpscaleSettings().model_dump()
    told = {name: value for name, value in record["settings"].items() if name in defaults}
    return {name: value for name, value in told.items() if name in ALWAYS or value != defaults[name]}


def _source_path(record: Record) -> Path | None:
    """Return the file that the source was opened from, if what it holds is the source."""
    source = record.get("source", {})
    path = source.get("path")
    if source.get("sample") and source["sample"][0] == "napari-vaesr":
        path = sample_path(source["sample"][1])
    return Path(path) if path and _holds(Path(path), record) else None


def _holds(path: Path, record: Record) -> bool:
    """Whether a file holds the pixels that a record tells of, as far as shape, type and intensities tell."""
    from napari_vaesr.files.image import read_image

    try:
        pixels = read_image(path, record["axes"]).data
    except VaesrError:
        return False
    return (
        list(pixels.shape) == list(record["input"]["shape"])
        and str(pixels.dtype) == record["input"]["dtype"]
        and _has_intensities(pixels, record["axes"], record)
    )


def _has_intensities(pixels: Any, axes: str, record: Record) -> bool:
    """Whether pixels, or those of the one channel that a record is of, are as bright as it tells."""
    from napari_vaesr.imaging.intensity import fit_scalings
    from napari_vaesr.zoo.registry import get_card

    told = list(record["intensity"])
    if "C" not in axes and len(told) > 1:
        told = [told[index] for index in recorded_region(record)["C"]]
    try:
        method = get_card(record["settings"]["model"]).intensity
        scalings = fit_scalings(pixels, Axes.parse(axes, pixels.shape), method)
    except VaesrError:
        return False
    return [each.model_dump() for each in scalings] == told


def source_axes(record: Record) -> str:
    """Return the axes of the layer that a result was made from: without C where it is a channel of a file."""
    return str(record["source"].get("axes") or record["axes"])


def source_of(record: Record, layers: Iterable[Any]) -> Any:
    """Return the layer that a result was made from, if it is still there with the same pixels, else None.

    It is looked for by name and then, for it may have been renamed, by shape, type and intensities.
    """
    axes = source_axes(record)
    lengths = dict(zip(record["axes"], record["input"]["shape"], strict=True))
    shape, dtype = [lengths[name] for name in axes], record["input"]["dtype"]
    fitting = [
        layer
        for layer in layers
        if type(layer).__name__ == "Image"
        and list(source_array(layer).shape) == shape
        and str(source_array(layer).dtype) == dtype
    ]
    by_name = [layer for layer in fitting if layer.name == record["source"]["name"]]
    if by_name:
        return by_name[0]
    return next((each for each in fitting if _has_intensities(source_array(each), axes, record)), None)

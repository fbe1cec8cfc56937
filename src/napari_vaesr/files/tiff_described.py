"""What TIFF files say about their pixels: tags of ImageJ, of tifffile, and of the makers of microscopes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import tifffile

from napari_vaesr.files.described import Described, as_number, placed, sized

RESOLUTION_UNITS = {3: "cm", 4: "mm", 5: "µm"}
"""Of the tag ResolutionUnit; inches are about printing, 72 or 96 dots to one of them and untrue."""

MICRO_MANAGER, ZEISS_SEM, GATAN_UNITS, GATAN_SIZES = 51123, 34118, (65003, 65004), (65009, 65010)


def described(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Described:
    """Return what the tags of a file without OME-XML say about the image that begins at a page."""
    told = Described()
    if tiff.is_imagej:
        told = _imagej(tiff.imagej_metadata or {}, *resolution(page))
    for maker in MAKERS:
        with suppress(Exception):  # the tags of a maker can be anything
            told = told.over(maker(tiff, page))
    unit = RESOLUTION_UNITS.get(int(page.resolutionunit or 0))
    if unit:
        across, down = resolution(page)
        told = told.over(Described(sized([("X", across, unit), ("Y", down, unit)])))
    return told


def resolution(page: tifffile.TiffPage) -> tuple[float, float]:
    """Return units per pixel along X and Y, 0 where the page doesn't tell."""
    sizes = []
    for name in ("XResolution", "YResolution"):
        tag = page.tags.get(name)
        pixels, units = tag.value if tag is not None else (0, 0)
        sizes.append(units / pixels if pixels else 0.0)
    return sizes[0], sizes[1]


def _imagej(metadata: Mapping[str, Any], across: float, down: float) -> Described:
    unit = str(metadata.get("unit", ""))
    units = {"X": unit, "Y": str(metadata.get("yunit", unit)), "Z": str(metadata.get("zunit", unit))}
    # The sign of the distance of planes tells ImageJ nothing.
    sizes = {"X": across, "Y": down, "Z": abs(as_number(metadata.get("spacing")))}
    if not unit:  # without one, the resolution is about printing
        sizes = {"Z": sizes["Z"]}
    lengths = sized((name, size, units[name]) for name, size in sizes.items())
    lengths |= sized([("T", metadata.get("finterval"), str(metadata.get("tunit", "s")))])
    # The origin is a pixel: where it is not the first, the first lies before it.
    origins = {name: as_number(metadata.get(f"{name.lower()}origin")) for name in "XYZ"}
    starts = placed((name, -origin, "pixel") for name, origin in origins.items() if origin)
    names, colours, windows = _imagej_channels(metadata)
    return Described(lengths, starts, names, colours, windows)


def _imagej_channels(
    metadata: Mapping[str, Any],
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[float, float] | None, ...]]:
    """Return names, colours and windows of the channels: labels are of planes, the channels innermost."""
    count = int(as_number(metadata.get("channels"), 1)) or 1
    labels = [str(label).strip() for label in _listed(metadata.get("Labels"))]
    names: tuple[str, ...] = ()
    if count > 1 and len(labels) >= count:
        repeated = [set(labels[number::count]) for number in range(count)]
        if all(len(each) == 1 and "" not in each for each in repeated):
            names = tuple(labels[:count])
    tables = _listed(metadata.get("LUTs"))
    colours = tuple(_brightest(table) for table in tables[:count]) if len(tables) >= count else ()
    ranges = [as_number(each, float("nan")) for each in _listed(metadata.get("Ranges"))]
    pairs = list(zip(ranges[::2], ranges[1::2], strict=False))
    if not pairs and count == 1 and {"min", "max"} <= metadata.keys():
        pairs = [(as_number(metadata["min"]), as_number(metadata["max"]))]
    windows = tuple((low, high) if low < high else None for low, high in pairs[:count])
    return names, colours, windows if len(windows) == count else ()


def _listed(value: Any) -> list[Any]:
    """Return several of something as a list: tifffile gives a single one as it is."""
    if value is None:
        return []
    is_one = isinstance(value, (str, float, int)) or (isinstance(value, np.ndarray) and value.ndim == 2)
    return [value] if is_one else list(value)


def _brightest(table: Any) -> str:
    """Return the colour that a table of 256 ends with, where it goes there straight from black."""
    colours = np.asarray(table, dtype=int)
    if colours.shape != (3, 256):
        return ""
    straight = np.outer(colours[:, -1], np.arange(256) / 255)
    red, green, blue = colours[:, -1]
    is_ramp = np.abs(colours - straight).max() <= 2 and colours[:, -1].max() > 0
    return f"{red:02X}{green:02X}{blue:02X}" if is_ramp and len({red, green, blue}) > 1 else ""


def _shaped(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Described:
    """Read what tifffile's own files say: the words of ImageJ, or those of OME-XML."""
    if page.shaped_description is None:
        return Described()
    metadata = tifffile.tifffile.shaped_description_metadata(page.shaped_description)
    known = RESOLUTION_UNITS.get(int(page.resolutionunit or 0))
    across, down = resolution(page)
    words = _imagej({key: value for key, value in metadata.items() if key != "Labels"}, across, down)
    sizes = dict(words.sizes)
    if known:
        sizes |= sized([("X", across, known), ("Y", down, known)])
    ome = [
        (name, metadata.get(f"PhysicalSize{name}"), str(metadata.get(f"PhysicalSize{name}Unit", "µm")))
        for name in "XYZ"
    ]
    ome.append(("T", metadata.get("TimeIncrement"), str(metadata.get("TimeIncrementUnit", "s"))))
    channel = metadata.get("Channel")
    names = channel.get("Name") if isinstance(channel, Mapping) else None
    listed = tuple(map(str, [names] if isinstance(names, str) else names or ()))
    return Described(sizes | sized(ome), words.starts, listed)


def _micro_manager(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Described:
    told = page.tags.valueof(MICRO_MANAGER) or {}
    size = next((told[key] for key in ("PixelSizeUm", "PixelSize_um") if as_number(told.get(key)) > 0), 0)
    lengths = [("X", size, "µm"), ("Y", size, "µm")]
    summary: dict[str, Any] = {}
    with suppress(Exception):
        summary = (tiff.micromanager_metadata or {}).get("Summary") or {}
    lengths.append(("Z", summary.get("z-step_um"), "µm"))
    lengths.append(("T", summary.get("Interval_ms"), "ms"))
    names = summary.get("ChNames") or ()
    return Described(sized(lengths), {}, tuple(map(str, names)) if isinstance(names, list) else ())


def _zeiss_sem(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Described:
    told = page.tags.valueof(ZEISS_SEM) or {}
    for key in ("ap_image_pixel_size", "ap_pixel_size"):
        value = told.get(key)
        if isinstance(value, Sequence) and len(value) >= 3:
            return Described(sized((name, value[1], str(value[2])) for name in "XY"))
    header: tuple[Any, ...] = told.get("") or ()  # in meters, without a name
    size = header[3] if len(header) > 3 else 0
    return Described(sized((name, size, "m") for name in "XY"))


def _fei_sem(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Described:
    told = tiff.fei_metadata or {}
    scan = told.get("Scan") or told.get("EScan") or told.get("IScan") or {}
    return Described(sized([("X", scan.get("PixelWidth"), "m"), ("Y", scan.get("PixelHeight"), "m")]))


def _aperio(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Described:
    if not page.is_svs:
        return Described()
    size = tifffile.tifffile.svs_description_metadata(page.description).get("MPP")
    # Levels below the first are smaller by a whole number, nearly.
    levels = tiff.pages.first.imagewidth / page.imagewidth if page.imagewidth else 1
    scaled = as_number(size) * (round(levels) if levels >= 1 else 1)
    return Described(sized([("X", scaled, "µm"), ("Y", scaled, "µm")]))


def _olympus(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Described:
    told = tiff.sis_metadata or {}
    return Described(
        sized(
            [
                ("X", told.get("pixelsizex"), "m"),
                ("Y", told.get("pixelsizey"), "m"),
            ]
        )
    )


def _lsm(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Described:
    told = tiff.lsm_metadata or {}
    lengths = [(name, told.get(f"VoxelSize{name}"), "m") for name in "XYZ"]
    lengths.append(("T", told.get("TimeIntervall", told.get("TimeInterval")), "s"))
    about = told.get("ChannelColors") or {}
    names = tuple(map(str, about.get("ColorNames") or ()))
    colours = [np.asarray(each[:3], int) for each in about.get("Colors") or ()]
    return Described(
        sized(lengths), {}, names, tuple("{:02X}{:02X}{:02X}".format(*each.clip(0, 255)) for each in colours)
    )


def _metamorph(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Described:
    told = tiff.stk_metadata or {}
    unit = str(told.get("CalibrationUnits", ""))
    lengths = [("X", told.get("XCalibration"), unit), ("Y", told.get("YCalibration"), unit)] if unit else []
    distances = np.atleast_1d(told.get("ZDistance", 0))
    lengths.append(("Z", float(distances.flat[0]) if distances.size else 0, unit or "µm"))
    plane = (tiff.metaseries_metadata or {}).get("PlaneInfo") or {}
    unit = str(plane.get("spatial-calibration-units", ""))
    if unit and plane.get("spatial-calibration-state", True):
        lengths += [(name, plane.get(f"spatial-calibration-{name.lower()}"), unit) for name in "XY"]
    return Described(sized(lengths))


def _fluoview(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Described:
    letters = {"X": "X", "Y": "Y", "Z": "Z", "T": "T", "TIME": "T"}
    lengths = []
    for dimension in (tiff.fluoview_metadata or {}).get("Dimensions") or ():
        name = letters.get(str(dimension[0]).strip().upper())
        if name:
            lengths.append((name, dimension[3], str(dimension[4])))
    return Described(sized(lengths))


def _tvips(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Described:
    told = tiff.tvips_metadata or {}
    return Described(sized((name, told.get(f"PixelSize{name}"), "nm") for name in "XY"))


def _gatan(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> Described:
    units = [str(page.tags.valueof(code) or "") for code in GATAN_UNITS]
    sizes = [page.tags.valueof(code) if unit else 0 for code, unit in zip(GATAN_SIZES, units, strict=True)]
    return Described(sized(zip("XY", sizes, units, strict=True)))


MAKERS: tuple[Callable[[tifffile.TiffFile, tifffile.TiffPage], Described], ...] = (
    _shaped,
    _micro_manager,
    _zeiss_sem,
    _fei_sem,
    _aperio,
    _olympus,
    _lsm,
    _metamorph,
    _fluoview,
    _tvips,
    _gatan,
)

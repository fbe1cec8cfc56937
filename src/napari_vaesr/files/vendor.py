"""The files of microscopes' makers, by way of bioio and its plugins: lazily, scene by scene."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.described import Described, sized
from napari_vaesr.files.file_array import FileArray, as_dask, reason
from napari_vaesr.files.image_file import (
    ImageFile,
    Series,
    ask_for_axes,
    chosen_series,
    image_name,
    told_apart,
    told_of_others,
)
from napari_vaesr.files.units import find_unit
from napari_vaesr.imaging.axes import Axes

EXTRA = 'pip install "napari-vaesr[formats]"'

MADE_UP = re.compile(r"Channel:\d+:\d+")
"""What bioio calls a channel that has no name."""


def read_vendor(path: Path, axes: str | None, series: Series) -> ImageFile:
    """Open a scene of a file that bioio has a plugin for: the first, or the one that is named.

    Parameters
    ----------
    path : Path
        The file.
    axes : str or None
        One letter of ``TCZYXS`` per axis; None: as the file tells.
    series : str, int or None
        The scene, by its name or from 0 on; None: the first.

    Raises
    ------
    VaesrError
        When the extra ``formats`` is not installed, the file is damaged or holds no such scene, or the axes
        don't fit.
    """
    image = _opened(path)
    try:
        names = told_apart(map(str, image.scenes))
        number = chosen_series(path, names, series)
        image.set_scene(number)
        told, kept = _described(image), _kept(image)
        shape = tuple(kept.values())
        pixels = FileArray(path, partial(open_vendor, path, number), shape, np.dtype(image.dtype))
    except VaesrError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise VaesrError(f"{path} is damaged or no {path.suffix} file: {reason(error)}.") from error
    if set(kept) - set("TCZYXS") and not axes:
        raise ask_for_axes(path, shape, "".join(kept))
    letters = Axes.parse(axes or "".join(kept), shape).names
    several = len(names) > 1
    return ImageFile(
        path=path,
        name=image_name(path, names[number] if several and series is not None else ""),
        data=as_dask(pixels, letters, (1,) * len(letters)),
        axes=letters,
        series=names[number] if several else "",
        notes=(*told_of_others(path, names, series), *told.left_out(path.name, letters, shape)),
        **told.fields(letters, shape),
    )


def vendor_series(path: Path) -> list[str]:
    """Return the names of the scenes in a file."""
    image = _opened(path)
    return told_apart(map(str, image.scenes))


def open_vendor(path: Path, number: int) -> Any:
    """Return the pixels of a scene, lazily, without its axes of length 1."""
    image = _opened(path)
    image.set_scene(number)
    kept = _kept(image)
    return image.dask_data[tuple(slice(None) if name in kept else 0 for name in image.dims.order)]


def _opened(path: Path) -> Any:
    try:
        import bioio
        from bioio_base.exceptions import UnsupportedFileFormatError
    except ImportError as error:
        raise VaesrError(
            f"To open {path.name}, please install the readers of microscopes' formats: {EXTRA}."
        ) from error
    try:
        return _opened_czi(path) if path.suffix.lower() == ".czi" else bioio.BioImage(path)
    except UnsupportedFileFormatError as error:
        raise VaesrError(
            f"{path} is damaged, or no reader for it is installed: {EXTRA} brings those of CZI, ND2, LIF, DV."
        ) from error
    except Exception as error:  # a damaged file can raise anything
        raise VaesrError(f"{path} is damaged or no {path.suffix} file: {reason(error)}.") from error


def _opened_czi(path: Path) -> Any:
    """Open a CZI by the sounder of bioio's two libraries, and with all of its scenes.

    The other one, which is the default, ends the process where scenes differ in size, and both know scenes by
    their names alone, which not every program writes.
    """
    import bioio

    try:
        from bioio_czi.pylibczirw_reader.reader import Reader
    except ImportError:
        return bioio.BioImage(path)
    image: Any = bioio.BioImage(path, reader=Reader)
    reader: Any = image.reader
    try:
        len(image.scenes)
    except Exception:
        reader._scenes = tuple(f"scene {number}" for number in reader._czi_scene_indices)
    return image


def _kept(image: Any) -> dict[str, int]:
    """Return the lengths of rows, columns and all axes that are longer than 1, by their letters."""
    lengths = zip(str(image.dims.order), map(int, image.shape), strict=True)
    return {name: length for name, length in lengths if length > 1 or name in "YX"}


def _described(image: Any) -> Described:
    """Return pixel sizes, in micrometers where nothing else is told, and the names of channels."""
    sizes = image.physical_pixel_sizes
    properties = getattr(image, "dimension_properties", None)
    lengths = []
    for name in "ZYX":
        unit = str(getattr(getattr(properties, name, None), "unit", None) or "")
        lengths.append((name, getattr(sizes, name, None), unit if find_unit(unit) else "µm"))
    interval = getattr(image, "time_interval", None)
    if interval is not None:
        seconds = interval.total_seconds() if hasattr(interval, "total_seconds") else interval
        lengths.append(("T", seconds, "s"))
    names = tuple(str(name) for name in image.channel_names or ())
    made_up = all(MADE_UP.fullmatch(name) for name in names)
    return Described(sized(lengths), {}, () if made_up else names)

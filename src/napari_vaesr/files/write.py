"""Write results: OME-TIFF, JSON and, from `napari_vaesr.files.figure`, the figure."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.files.atomic import atomic_path
from napari_vaesr.files.figure import write_figure
from napari_vaesr.files.output import OutputImage
from napari_vaesr.files.tiff_output import TiffOutput
from napari_vaesr.imaging.axes import Axes

__all__ = ["atomic_path", "write_figure", "write_json", "write_ome_tiff"]


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any]) -> None:
    """Write a record as JSON.

    Raises
    ------
    VaesrError
        When the file can't be written; see `atomic_path`.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        # Bytes of a file's name that are not UTF-8 are lone surrogates, which JSON can say as \udcb5.
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def write_ome_tiff(
    path: str | os.PathLike[str],
    planes: Iterator[npt.NDArray[Any]],
    axes: str,
    shape: Sequence[int],
    dtype: npt.DTypeLike,
    pixel_size: Mapping[str, float],
    units: Mapping[str, str],
    channel_names: Sequence[str],
) -> None:
    """Write planes to an OME-TIFF as they come; only one is in memory at a time.

    Parameters
    ----------
    path : str or Path
        The file.
    planes : iterator of array of shape (channels, Y, X)
        One item for every plane of the image, in C order over its axes other than ``YXS``: what was made of
        that plane, for example its mean and its std.
    axes : str
        The image's axes, in any order, for example ``"TCZYX"``; ``S`` is passed over.
    shape : sequence of int
        The image's shape, as large as the planes are. Its ``C`` counts the source's channels.
    dtype : dtype
        Type to write.
    pixel_size : mapping of str to float
        Distance between the pixels written, by axis letter.
    units : mapping of str to str
        Unit of these distances, in any usual spelling; pixels where there is none.
    channel_names : sequence of str
        Names of all channels written: those of the source's first channel, then of the second, and so on;
        for example ``["DNA mean", "DNA std", "actin mean", "actin std"]``.

    Raises
    ------
    VaesrError
        When the axes don't fit the shape or the file can't be written; see `atomic_path`.
    ValueError
        When `planes` are too few, too many, or of another shape.
    """
    image = OutputImage(
        axes=Axes.parse(axes, shape).without_samples(),
        channel_names=tuple(channel_names),
        dtype=np.dtype(dtype),
        pixel_size=pixel_size,
        units=units,
    )
    rows, columns = range(image.axes.height), range(image.axes.width)
    count, expected = image.axes.plane_count, (image.together, len(rows), len(columns))
    with atomic_path(path) as temporary:
        output = TiffOutput.create(temporary, image)
        number = -1
        for number, plane in enumerate(planes):
            if plane.shape != expected or number >= count:
                raise ValueError(f"Plane {number + 1} of {count} has shape {plane.shape} and not {expected}.")
            output.write(image.axes.region(number, rows, columns), plane)
        if number + 1 != count:
            raise ValueError(f"There are {number + 1} planes and not {count}.")

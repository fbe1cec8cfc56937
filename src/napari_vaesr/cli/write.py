"""One input upscaled into its files, plane by plane, so that no stack is ever held in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

from napari_vaesr.engine.job import Progress, UpscaleJob
from napari_vaesr.engine.result import as_maps, map_names
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import ImageFile, read_image
from napari_vaesr.files.write import atomic_path, write_figure, write_json, write_ome_tiff
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.extent import Extent, select
from napari_vaesr.zoo.registry import Model

from .targets import Target

Plane = tuple[int, npt.NDArray[Any], npt.NDArray[np.float32] | None]
"""A plane's number, its mean and its uncertainty."""

FLOAT32 = 4
"""Bytes of a number written."""

WIDTH = "width of the 90 % interval"

COLOURS = ("red", "green", "blue", "alpha")


def open_job(
    target: Target, axes: str | None, settings: UpscaleSettings, model: Model, extent: Extent
) -> tuple[ImageFile, UpscaleJob]:
    """Open an input and check everything that can be checked before computing.

    Raises
    ------
    VaesrError
        The file can't be read, its axes are not known, or the output can't hold it.
    """
    image = read_image(target.source, axes)
    named = Axes.parse(image.axes, image.data.shape)
    job = UpscaleJob(image.data, image.axes, settings, *select(extent, named), model=model)
    if job.axes.is_rgb and "C" in job.axes.names:
        raise VaesrError(
            f"{target.source} has channels (C) as well as colours (S), which no OME-TIFF of a mean and its "
            "uncertainty can hold: pass --axes with another letter, such as Z, for C."
        )
    if target.is_png and (len(job.planes) > 1 or np.dtype(image.data.dtype) not in (np.uint8, np.uint16)):
        raise VaesrError(
            f"A PNG holds a single 2-D image of 8 or 16 bits, and {target.source} is {image.data.dtype} "
            f"of shape {job.result_axes.shape}: name the output .ome.tif."
        )
    return image, job


def upscale_file(
    target: Target,
    axes: str | None,
    settings: UpscaleSettings,
    model: Model,
    extent: Extent,
    *,
    figure: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> list[str]:
    """Upscale one input and write its image, its record and, if asked for, its figure.

    Parameters
    ----------
    target : Target
        What to read and what to write; the folder is made.
    axes : str, optional
        Axis letters, for files that don't say.
    settings : UpscaleSettings
        How.
    model : Model
        The model that the settings name.
    extent : mapping of str to range
        The part of the input to upscale, by axis letter.
    figure : bool
        Draw the middle plane.
    progress : callable, optional
        Called as the work goes on.

    Returns
    -------
    list of str
        What the user should know, such as that a tile was halved because memory ran out.

    Raises
    ------
    VaesrError
        Anything the user can put right; no output is left half-written.
    """
    image, job = open_job(target, axes, settings, model, extent)
    _make_folder(target.output.parent)
    kept = _Kept(_middle_plane(job))
    with closing(job.planes_stream(progress)) as planes:
        if target.is_png:
            _write_png(target, image, job, kept.watch(planes))
        else:
            _write_tiff(target, image, job, kept.watch(planes))
    files = {"input": str(target.source), "output": str(target.output)}
    write_json(target.record, {"files": files, **job.record()})
    if figure:
        _draw(target, image, job, kept)
    return list(job.messages)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VaesrError(
            f"The folder {folder} can't be made ({error.strerror}), please choose another output."
        ) from error


def written_bytes(job: UpscaleJob) -> int:
    """Return the size of the OME-TIFF that a job makes."""
    spread = len(map_names(job.settings.uncertainty)) if job.settings.has_spread else 0
    return len(job.planes) * math.prod(job.plane_shape) * (_colour_count(job.axes) + spread) * FLOAT32


class _Kept:
    """The one plane that is remembered for the figure while all of them pass by."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.mean: npt.NDArray[Any] = np.empty(0)
        self.uncertainty: npt.NDArray[np.float32] | None = None

    def watch(self, planes: Iterator[Plane]) -> Iterator[Plane]:
        """Pass planes on."""
        for number, mean, uncertainty in planes:
            if number == self.number:
                self.mean, self.uncertainty = mean, uncertainty
            yield number, mean, uncertainty


def _write_tiff(target: Target, image: ImageFile, job: UpscaleJob, planes: Iterator[Plane]) -> None:
    """Write mean and uncertainty as float32 channels."""

    def stacked() -> Iterator[npt.NDArray[Any]]:
        for _, mean, uncertainty in planes:
            channels = np.moveaxis(mean, -1, 0) if job.axes.is_rgb else mean[np.newaxis]
            spread = [] if uncertainty is None else [as_maps(uncertainty)]
            yield np.concatenate([channels, *spread], dtype=np.float32)

    kinds = map_names(job.settings.uncertainty) if job.settings.has_spread else ()
    if job.axes.is_rgb:
        names = [*(f"{colour} mean" for colour in COLOURS[: _colour_count(job.axes)]), *kinds]
    else:
        names = [f"{channel}{kind}" for channel in _channels(image, job) for kind in ("mean", *kinds)]
    _write_ome(target.output, image, job, stacked(), names)


def _write_png(target: Target, image: ImageFile, job: UpscaleJob, planes: Iterator[Plane]) -> None:
    """Write the mean as PNG, and beside it the uncertainty as TIFF."""
    ((_, mean, uncertainty),) = planes
    with atomic_path(target.output) as temporary:
        temporary.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(mean)))
    if uncertainty is not None:
        _write_ome(
            target.std, image, job, iter([as_maps(uncertainty)]), list(map_names(job.settings.uncertainty))
        )


def _write_ome(
    path: Path, image: ImageFile, job: UpscaleJob, planes: Iterator[Any], names: list[str]
) -> None:
    axes, scale = job.result_axes.without_samples(), job.settings.scale
    write_ome_tiff(
        path,
        planes,
        axes.names,
        axes.upscaled_shape(scale),
        np.float32,
        {name: size / scale if name in "YX" else size for name, size in image.pixel_size.items()},
        image.units,
        names,
    )


def _draw(target: Target, image: ImageFile, job: UpscaleJob, kept: _Kept) -> None:
    """Draw the plane that was kept beside its input."""
    where = ", ".join(f"{name} {index}" for name, index in job.axes.plane_coordinates(kept.number).items())
    write_figure(
        target.figure,
        job.axes.read_plane(
            image.data,
            kept.number,
            slice(job.rows.start, job.rows.stop),
            slice(job.columns.start, job.columns.stop),
        ),
        kept.mean,
        _drawn(kept.uncertainty),
        image.pixel_size.get("X"),
        image.units.get("X", ""),
        title=f"{target.source.name}{f', {where}' if where else ''}",
        uncertainty=WIDTH if job.settings.uncertainty == "interval" else job.settings.uncertainty,
    )


def _drawn(uncertainty: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32] | None:
    """Return what the figure shows of an uncertainty: the width of an interval."""
    is_interval = uncertainty is not None and uncertainty.ndim == 3
    return uncertainty[1] - uncertainty[0] if uncertainty is not None and is_interval else uncertainty


def _colour_count(axes: Axes) -> int:
    """Return how many numbers a pixel has: 3 or 4 for colours, else 1."""
    return axes.shape[axes.names.index("S")] if axes.is_rgb else 1


def _channels(image: ImageFile, job: UpscaleJob) -> list[str]:
    """Return how names of the channels upscaled begin: empty for a lone one."""
    axes = job.axes
    if "C" not in axes.names:
        return [""]
    count = axes.shape[axes.names.index("C")]
    known = (
        image.channel_names if len(image.channel_names) == count else [f"channel {n}" for n in range(count)]
    )
    chosen = sorted({axes.channel_of(number) for number in job.planes})
    return [f"{known[channel]} " for channel in chosen]


def _middle_plane(job: UpscaleJob) -> int:
    """Return the plane in the middle of depth and time, of the first channel."""
    axes = job.result_axes
    lengths = dict(zip(axes.loop_names, axes.loop_shape, strict=True))
    middle = {name: 0 if name == "C" else length // 2 for name, length in lengths.items()}
    return job.planes[axes.plane_number(middle)]

"""What an output holds, how it is called, and what it was made from."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_vaesr.batch.job_blocks import JobBlocks
from napari_vaesr.engine import result_file
from napari_vaesr.engine.cluster import Task
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.pixels import Stored
from napari_vaesr.engine.result import uncertainty_range
from napari_vaesr.engine.result_file import ResultFile, parts_of
from napari_vaesr.files.image_file import ImageFile
from napari_vaesr.files.output import OutputImage
from napari_vaesr.files.place import file_state
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.region import Factors
from napari_vaesr.zoo.download import MODEL_SUFFIXES

FLOAT32 = 4
"""Bytes of a number written."""


def written_bytes(job: UpscaleJob) -> int:
    """Return the size of the pixels that a job makes."""
    pixels = math.prod(job.result_axes.without_samples().shape)
    return pixels * sum(part.channels for part in parts_of(job)) * FLOAT32


def made_from(image: ImageFile, job: UpscaleJob) -> dict[str, Any]:
    """Return all that decides the pixels of an output, by names that people know."""
    file = {**file_state(image.path), "series": image.series}
    blocks = [dict(job.grid(number).sides) for number in range(len(job.passes))]
    return {**job.record().deciding, "input": file, "blocks": blocks}


def output_image(image: ImageFile, job: UpscaleJob, told: Mapping[str, Any]) -> OutputImage:
    """Describe the output: channels and their names, pixel sizes, its place, and the ranges to show.

    Parameters
    ----------
    image : ImageFile
        The source.
    job : UpscaleJob
        What is made of it.
    told : mapping
        The record, and what else is known of the result.
    """
    kind, parts = job.settings.uncertainty, parts_of(job)
    windows: list[tuple[float, float]] = []
    colours: list[str] = []
    channels = job.region.get("C", range(1))
    for channel, bright in zip(channels, job.record().bright, strict=True):
        shown = (image.windows[channel] if image.windows else None) or bright
        spread = shown if kind == "interval" else uncertainty_range(kind, bright[1] - bright[0])
        windows += [shown] * parts[0].channels + [spread] * len(parts[1:])
        own = image.colours[channel] if image.colours else ""
        colours += [own] * (parts[0].channels + len(parts[1:]))
    return result_file.output_image(
        parts,
        job.result_axes.without_samples(),
        [_channel_prefix(image, job.axes, channel) for channel in job.region.get("C", range(1))],
        told,
        pixel_size=_upscaled_sizes(image, job.factors),
        units=image.units,
        offset=_first_pixel(image, job),
        windows=tuple(windows),
        name=image.name,
        colours=tuple(colours) if any(colours) else (),
        icc=image.icc,
        dots=_upscaled_dots(image, job.factors),
    )


def _upscaled_sizes(image: ImageFile, factors: Factors) -> dict[str, float]:
    sizes = {**dict.fromkeys(["Y", "X", *factors], 1.0), **image.pixel_size}
    return {name: size / factors.along(name) for name, size in sizes.items()}


def _upscaled_dots(image: ImageFile, factors: Factors) -> tuple[float, float] | None:
    if image.dots is None:
        return None
    return image.dots[0] * factors.along("X"), image.dots[1] * factors.along("Y")


def _first_pixel(image: ImageFile, job: UpscaleJob) -> dict[str, float]:
    """Return where the centre of the result's first pixel is: its corner is that of the source's pixel."""
    return {
        name: image.offset.get(name, 0.0) + pixels * image.pixel_size.get(name, 1.0)
        for name, pixels in job.region.first_pixel(job.factors).items()
        if name != "C"
    }


def worker_task(image: ImageFile, parts: JobBlocks, number: int) -> Task:
    """Tell workers what to do in a pass, with paths that mean the same in another folder.

    Parameters
    ----------
    image : ImageFile
        The opened input.
    parts : JobBlocks
        The job and the places that its passes write to.
    number : int
        Of the pass, from 0 on.
    """
    job, store, made = parts.job, parts.stores[number], parts.read_by(number)
    if isinstance(store, ResultFile):
        store = replace(store, output=replace(store.output, path=store.output.path.resolve()))
    elif isinstance(store, Stored):
        store = replace(store, path=store.path.resolve())
    reference = Path(job.settings.model).expanduser()
    is_file = reference.suffix in MODEL_SUFFIXES and reference.exists()
    model = str(reference.resolve()) if is_file else job.settings.model
    record = job.record()
    # Of the same format on all workers, whatever they would choose.
    settings = job.settings.model_copy(update={"model": model, "precision": record.settings.precision})
    return Task(
        key=secrets.token_hex(8),
        source=image.path.resolve(),
        series=image.series,
        record=record.model_copy(update={"settings": settings}),
        grid=parts.grids[number],
        store=store,
        number=number,
        made=replace(made, path=made.path.resolve()) if isinstance(made, Stored) else None,
    )


def _channel_prefix(image: ImageFile, axes: Axes, channel: int) -> str:
    """Return how names of what is made of a channel begin: empty for a lone one without a name."""
    if len(image.channel_names) == axes.lengths.get("C", 1) and "S" not in axes.names:
        return f"{image.channel_names[channel]} "
    return f"channel {channel} " if "C" in axes.names else ""


def middle_plane(axes: Axes) -> int:
    """Return the plane in the middle of depth and time, of the first channel."""
    lengths = dict(zip(axes.loop_names, axes.loop_shape, strict=True))
    return axes.plane_number({name: 0 if name == "C" else length // 2 for name, length in lengths.items()})

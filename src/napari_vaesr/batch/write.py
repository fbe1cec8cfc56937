"""One input upscaled into its files, block by block, so that no stack is ever held in memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.batch.job_blocks import JobBlocks
from napari_vaesr.batch.layout import made_from, middle_plane, output_image, worker_task
from napari_vaesr.batch.targets import STATE, Target
from napari_vaesr.engine.cluster import cluster_blocks, workers_choice
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.pixels import bytes_of
from napari_vaesr.engine.progress import Progress, readable_bytes
from napari_vaesr.engine.result import as_maps, map_names, maps_of
from napari_vaesr.engine.result_file import as_planes, lay_out, parts_of, reopen, write_whole
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.engine.stream import stream_blocks
from napari_vaesr.errors import Cancelled, TryAgain, VaesrError
from napari_vaesr.files.atomic import atomic_path, write_json
from napari_vaesr.files.figure import write_figure
from napari_vaesr.files.image import read_image
from napari_vaesr.files.image_file import ImageFile
from napari_vaesr.files.output import Output, OutputImage
from napari_vaesr.files.partial import PartialOutput, partial_output
from napari_vaesr.files.place import file_state
from napari_vaesr.files.png import png_bytes
from napari_vaesr.imaging.region import Region
from napari_vaesr.trust.check import check_source
from napari_vaesr.trust.departures import departures
from napari_vaesr.trust.familiar import note_unlike
from napari_vaesr.zoo.registry import Model

if TYPE_CHECKING:
    from distributed import Client

WIDTH = "width of the 90 % interval"

FIGURE_PIXELS = 2**28
"""Pixels of a result's plane that a figure is drawn of at most: it holds them all in memory."""


def open_job(
    target: Target,
    axes: str | None,
    settings: UpscaleSettings,
    model: Model,
    extent: Region,
) -> tuple[ImageFile, UpscaleJob]:
    """Open an input and check everything that can be checked before computing.

    Parameters
    ----------
    target : Target
        The input, and where its result goes.
    axes : str or None
        One letter of ``TCZYXS`` per axis; None: as the file tells.
    settings : UpscaleSettings
        What is asked for.
    model : Model
        A loaded one.
    extent : Region
        The part to upscale, low-res pixels; axes that it does not name are whole.

    Raises
    ------
    VaesrError
        The file can't be read, its axes are not known, or the output can't hold it.
    """
    image = read_image(target.source, axes, target.series)
    job = UpscaleJob(image.source, settings, extent, model=model)
    if job.axes.is_rgb and "C" in job.axes.names:
        raise VaesrError(
            f"{target.source} has channels (C) as well as colours (S), which no OME-TIFF of a mean and its "
            "uncertainty can hold: give axes with another letter, such as Z, for C."
        )
    dtype = np.dtype(image.data.dtype)
    is_wide = dtype.kind in "iu" and dtype.itemsize > 2
    if is_wide and not target.is_png and not all(scaling.fits_float32 for scaling in job.scalings):
        raise VaesrError(
            f"The intensities of {target.source} differ too little for their size to be told apart in "
            "float32, in which files are written: please subtract their least value first."
        )
    if target.is_png and (
        job.result_axes.plane_count > 1 or dtype.newbyteorder("=") not in (np.uint8, np.uint16)
    ):
        raise VaesrError(
            f"A PNG holds a single 2-D image of 8 or 16 bits, and {target.source} is {dtype} "
            f"of shape {job.result_axes.shape}: name the output .ome.tif."
        )
    return image, job


def upscale_file(
    target: Target,
    axes: str | None,
    settings: UpscaleSettings,
    model: Model,
    extent: Region,
    *,
    figure: bool = False,
    restart: bool = False,
    client: Client | None = None,
    calibrate: bool = False,
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
    extent : Region
        The part of the input to upscale.
    figure : bool
        Draw the middle plane.
    restart : bool
        Start anew where an unfinished output was made from something else.
    client : distributed.Client, optional
        Whose workers compute; this process does it by default.
    calibrate : bool
        Correct the uncertainty by a check on the input itself.
    progress : callable, optional
        Called as the work goes on.

    Returns
    -------
    list of str
        What the user should know, such as that a tile was halved because memory ran out.

    Raises
    ------
    VaesrError
        Anything the user can put right. An output is complete or not there; what was done of it is kept, and
        the same call goes on from there.
    Cancelled
        When the user stopped it with something done already.
    """
    image, job = open_job(target, axes, settings, model, extent)
    height, width = job.plane_shape
    if figure and height * width > FIGURE_PIXELS:
        raise VaesrError(
            f"A figure of {width} × {height} pixels takes too much memory: leave out --figure, or choose a "
            "part of the plane with --extent."
        )
    note_unlike(job)
    if calibrate:
        done = check_source(job.source, job.settings, extent, model, scalings=job.scalings)
        # Of the last pass; kept in the record.
        job.calibrations = (*job.calibrations[: -len(job.scalings)], *done.calibrations)
        outcome = "corrected to this" if done.is_told else "left as it is"
        job.messages.append(f"{done.advised()} The uncertainty was {outcome}.")
    _make_folder(target.output.parent)
    if target.is_png:
        if client is not None:
            job.messages.append("A PNG is one small image: it was computed here, and not by the workers.")
        _write_png(target, image, job, figure, progress)
    else:
        _write_blocks(target, image, job, figure, restart, client, progress)
    return [*image.notes, *_not_held(target, image), *job.messages]


def _not_held(target: Target, image: ImageFile) -> list[str]:
    """Say what the format of the output has no place for."""
    lost = []
    if target.is_zarr and image.icc:
        lost.append("An OME-Zarr holds no colour profile: the source's is left out.")
    if target.is_png and (image.offset or "Z" in image.pixel_size):
        lost.append("A PNG holds no place: the source's is left out.")
    return lost


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VaesrError(
            f"The folder {folder} can't be made ({error.strerror}), please choose another output."
        ) from error


def _write_png(
    target: Target,
    image: ImageFile,
    job: UpscaleJob,
    figure: bool,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Write the mean as PNG, and beside it the uncertainty as TIFF."""
    files = _files(target, image)
    job.run(progress)
    axes, everything = job.result_axes, slice(None)
    mean = axes.read_plane(job.result.mean, 0, everything, everything)
    maps = [] if job.result.uncertainty is None else maps_of(job.settings.uncertainty, job.result.uncertainty)
    outline = axes.without_samples()
    drawn = [outline.read_plane(each, 0, everything, everything) for each in maps]
    uncertainty = np.stack(drawn) if len(drawn) > 1 else drawn[0] if drawn else None
    described = output_image(image, job, {})
    with atomic_path(target.output) as temporary:
        temporary.write_bytes(png_bytes(mean, described.icc, described.dots_per_meter))
    if uncertainty is not None:
        names = map_names(job.settings.uncertainty)
        alone = replace(described, channel_names=names, annotation={}, colours=(), windows=(), icc=None)
        write_whole(target.std, alone, [as_maps(uncertainty)])
    write_json(target.record, departures(job, 0, mean) | files | job.record().plain())
    if figure:
        _draw(target.figure, target, image, job, 0, mean, uncertainty)


def _write_blocks(
    target: Target,
    image: ImageFile,
    job: UpscaleJob,
    figure: bool,
    restart: bool,
    client: Client | None,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Write mean and uncertainty as float32 channels, and go on where an earlier run stopped."""
    if client is not None:  # this process computes nothing, and the record tells who does
        for upscaler in job.upscalers:
            upscaler.choice = workers_choice(client, job.settings)
    files = _files(target, image)
    with partial_output(target.output, made_from(image, job)) as partial:
        # A lone file tells how it was made, too, but not its own name, which may change.
        named = {key: name for key, name in target.named().items() if key != "output"}
        told = {"files": named, **job.record().plain()}
        described = output_image(image, job, told)
        output = _laid_out(target, partial, described, job, restart)
        parts = JobBlocks.of(job, partial.folder, output)
        partial.keep(parts.sound(partial.done))
        if partial.done:
            job.messages.append(f"{len(partial.done)} of {len(parts)} parts were there from an earlier run.")
        try:
            _run(parts, partial, image, client, progress)
        except (KeyboardInterrupt, Cancelled) as stop:
            if not partial.done:
                raise
            raise Cancelled(
                f"Stopped; {len(partial.done)} of {len(parts)} parts of {target.output} are kept, and the "
                "same command goes on from there."
            ) from stop
        position = middle_plane(job.result_axes)
        height, width = job.plane_shape
        told_too: dict[str, Any] = {}
        if height * width <= FIGURE_PIXELS:
            told_too = departures(job, position, as_planes(output.read(position), parts_of(job))[0])
        record = told_too | files | job.record().plain()
        output.finish({**described.annotation, **record})
        beside = {partial.folder / "record": target.record, partial.folder / "figure.png": target.figure}
        write_json(partial.folder / "record", record)
        if figure:
            mean, *maps = as_planes(output.read(position), parts_of(job))
            uncertainty = np.stack(maps) if len(maps) > 1 else maps[0] if maps else None
            drawn = partial.folder / "figure.png"
            _draw(drawn, target, image, job, position, mean, uncertainty)
        partial.complete({source: place for source, place in beside.items() if source.exists()})


def _run(
    parts: JobBlocks,
    partial: PartialOutput,
    image: ImageFile,
    client: Client | None,
    progress: Callable[[Progress], None] | None,
) -> None:
    """Compute what is missing of every pass, one after the other."""
    job = parts.job
    missing = [parts.missing(number, partial.done) for number in range(len(job.passes))]
    done = job.total - sum(parts.work(number, blocks) for number, blocks in enumerate(missing))
    for number, blocks in enumerate(missing):
        first, last = parts.first(number), len(job.passes) > 1
        prefix = f"pass {number + 1} of {len(job.passes)}, " if last else ""
        steps = (
            stream_blocks(
                job.stage(number, parts.read_by(number)), parts.stores[number], parts.grids[number], blocks
            )
            if client is None
            else cluster_blocks(client, job, worker_task(image, parts, number), blocks)
        )
        with closing(steps):
            for work, block in steps:
                done += work
                if block is not None:
                    checksum = parts.checksum(number, block)
                    if checksum is None:
                        raise TryAgain(f"Part {block} of {partial.path} is gone, please try again.")
                    partial.mark(first + block, checksum)
                if progress is not None:
                    told = f"{prefix}{len(partial.done)} of {len(parts)} parts"
                    progress(Progress(done, job.total, told))
        parts.finish(number)


def _laid_out(
    target: Target, partial: PartialOutput, image: OutputImage, job: UpscaleJob, restart: bool
) -> Output:
    """Open the output that was begun, or lay out a new one."""
    factors, shape = job.passes[-1].factors, job.grid(len(job.passes) - 1).block_shape
    block = shape["Y"] * factors.whole("Y"), shape["X"] * factors.whole("X")
    if partial.resume(restart):
        begun = reopen(partial.data, image, block, partial.laid_out)
        if begun is not None:
            return begun
        partial.clear()
    between = [bytes_of(step, job.settings.has_spread) for step in job.passes[:-1]]
    needed = (0 if target.is_zarr else image.nbytes) + max(between, default=0)
    if needed:
        _check_room(target.output, needed)
    output = lay_out(partial.data, image, block)
    partial.begin(output.laid_out())
    return output


def _check_room(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise VaesrError(
            f"{path} takes {readable_bytes(needed)} and the disk has {readable_bytes(free)} left, please "
            "make room or choose another place."
        )


def _files(target: Target, image: ImageFile) -> dict[str, Any]:
    """Return what the record tells of the files, and by what it is known whether the input has changed."""
    return {"files": target.named(), STATE: file_state(image.path)}


def _draw(
    path: Path,
    target: Target,
    image: ImageFile,
    job: UpscaleJob,
    number: int,
    mean: npt.NDArray[Any],
    uncertainty: npt.NDArray[np.float32] | None,
) -> None:
    """Draw a plane of the result, by its number, beside the plane of the input that it lies in."""
    at = job.result_axes.plane_coordinates(number)
    made = job.region.enlarged(job.factors)
    place = {
        name: job.factors.made_from(name, range(made[name].start + index, made[name].start + index + 1)).start
        for name, index in at.items()
    }
    where = ", ".join(f"{name} {index}" for name, index in place.items())
    rows, columns = (job.region.slices[name] for name in job.axes.plane)
    write_figure(
        path,
        job.axes.read_plane(image.data, job.axes.plane_number(place), rows, columns),
        mean,
        _drawn(uncertainty),
        image.pixel_size.get("X"),
        image.units.get("X", ""),
        title=f"{target.title}{f', {where}' if where else ''}",
        uncertainty=WIDTH if job.settings.uncertainty == "interval" else job.settings.uncertainty,
    )


def _drawn(uncertainty: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32] | None:
    """Return what the figure shows of an uncertainty: the width of an interval."""
    is_interval = uncertainty is not None and uncertainty.ndim == 3
    return uncertainty[1] - uncertainty[0] if uncertainty is not None and is_interval else uncertainty

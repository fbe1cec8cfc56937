"""``napari-vaesr measure``: images in; a table of measurements with error bars out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError

from . import options
from .console import ExitCode, Failures, free_to_write, out, report_note, spoken_errors, titled
from .settings import takes_settings

if TYPE_CHECKING:
    import pandas

    from napari_vaesr.engine.job import UpscaleJob
    from napari_vaesr.engine.progress import Progress
    from napari_vaesr.files.image_file import ImageFile
    from napari_vaesr.files.place import Place
    from napari_vaesr.imaging.region import Region
    from napari_vaesr.zoo.registry import Model

SHOWN = 40
"""Lines of a table that are printed at most."""

SAMPLES_ALONE = "of samples alone: those of totals are too narrow"
WITH_SHARED = "of samples and of errors that all of an image shares"
"""What the record says of ranges."""


Output = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write the table here, as .csv; the record goes beside it."),
]
Thresholding = Annotated[
    str, typer.Option(help="What tells objects from background: otsu, li, triangle or an intensity.")
]
Smoothing = Annotated[
    float, typer.Option(help="Gaussian before the threshold, in pixels of the upscaled image.")
]
Smallest = Annotated[int, typer.Option(help="Leave out objects of fewer pixels of the upscaled image.")]
Split = Annotated[
    float,
    typer.Option(
        help="Split touching objects whose middles are so many pixels apart or more; 0 splits none."
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="An image of labels of the upscaled size instead: objects are fixed, intensities vary."
    ),
]
Properties = Annotated[
    str,
    typer.Option("--properties", "-p", help="As scikit-image's regionprops names them, and intensity_sum."),
]
Extent = Annotated[
    str,
    typer.Option(help="Measure this part alone: Z=10:20,Y=0:64, input pixels.", show_default=False),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a table that exists.")]


@takes_settings(without=("uncertainty", "temperature"), samples=32)
def measure(
    *,
    inputs: options.Inputs,
    output: Output = None,
    threshold: Thresholding = "otsu",
    smoothing: Smoothing = 1.0,
    smallest: Smallest = 16,
    split: Split = 0.0,
    labels: Labels = None,
    properties: Properties = "area,intensity_mean",
    settings: UpscaleSettings,
    axes: options.Axes = None,
    series: options.Series = None,
    extent: Extent = "",
    force: Force = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Measure upscaled images, with an error bar for every number.

    Objects are found and measured in the mean and in every sample. A stack along Z is one volume. The table
    has one line for each object and quantity, object 0 being all objects together; what its columns mean is
    in the documentation. Without --out the lines of whole images are printed.

    Exit codes: 0 all is well, 1 some of several inputs failed, 2 wrong usage or bad input, 130 interrupted.
    """
    with spoken_errors(debug):
        from napari_vaesr.batch.inputs import chosen_inputs, images_of
        from napari_vaesr.files.image import read_image
        from napari_vaesr.imaging.region import Region
        from napari_vaesr.trust.regions import Quantities
        from napari_vaesr.trust.segment import Threshold
        from napari_vaesr.zoo.registry import load_model

        names = tuple(name.strip() for name in properties.split(",") if name.strip())
        Quantities(names)
        if settings.samples < 2:
            raise VaesrError("One sample has no spread, give --samples 2 or more.")
        _check_output(output, force)
        passed: list[str] = []
        images = [each for place in chosen_inputs(inputs, passed) for each in images_of(place, series)]
        for note in () if quiet else passed:
            report_note(note)
        segment: Any = Threshold(_level(threshold), smoothing, smallest, split)
        if labels is not None:
            if len(images) > 1:
                raise VaesrError("Labels belong to one image: give one input with --labels.")
            segment = _read_labels(labels, axes or read_image(images[0][0], series=images[0][1]).axes)
        region = Region.asked(extent)
        loaded = load_model(settings.model)
        failures = Failures(len(images), debug)
        tables, records = _measure_all(
            images, axes, settings, loaded, region, segment, names, quiet, failures
        )
        if not tables:
            raise typer.Exit(ExitCode.BAD_INPUT)
        how = {
            "properties": list(names),
            "segment": {"labels": str(labels)} if labels else vars(segment),
            "images": records,
        }
        _report(tables, how, output, quiet)
        failures.end("; the table is of the others")


def _read_labels(path: Path, axes: str) -> Any:
    """Return labels in the order of their image, less its colours, which holds where their file says none."""
    from napari_vaesr.files.image import read_image
    from napari_vaesr.files.image_file import UnknownAxes

    wanted = axes.upper().replace("S", "")
    try:
        found = read_image(path, labels=True)
    except UnknownAxes as error:
        return read_image(path, wanted[-len(error.shape) :], labels=True).data
    if len(found.axes) > 2 and set(found.axes) <= set(wanted):  # of two, no file says which they are
        return found.data.transpose([found.axes.index(name) for name in wanted if name in found.axes])
    return found.data


def _level(threshold: str) -> str | float:
    try:
        return float(threshold)
    except ValueError:
        return threshold


def _check_output(output: Path | None, force: bool) -> None:
    if output is None:
        return
    if output.suffix.lower() != ".csv":
        raise VaesrError(f"The table {output} should end with .csv, please name it so.")
    free_to_write((output, output.with_suffix(".json")), force)


def _measure_all(
    images: list[tuple[Place, str | None]],
    axes: str | None,
    settings: UpscaleSettings,
    model: Model,
    region: Region,
    segment: Any,
    properties: tuple[str, ...],
    quiet: bool,
    failures: Failures,
) -> tuple[list[pandas.DataFrame], list[dict[str, Any]]]:
    """Measure one input after the other: their tables and their records."""
    from napari_vaesr.trust.shared import SharedErrors

    from .progress import progress_bars

    tables: list[pandas.DataFrame] = []
    records: list[dict[str, Any]] = []
    with progress_bars(quiet) as bars:
        for number, (path, series) in enumerate(images, start=1):
            several, short = len(images) > 1, titled(path.name, series)
            count = f" ({number} of {len(images)})" if several else ""
            with failures.of(titled(path, series)):
                with bars.follow(f"{short}{count}") as progress:
                    image, job = _open(path, series, axes, settings, model, region)
                    table = _measure_one(image, job, segment, properties, progress)
                if several:
                    table.insert(0, "image", titled(path, series))
                tables.append(table)
                ranges = SAMPLES_ALONE if SharedErrors.of(job) is None else WITH_SHARED
                files = {"input": str(path), **({"series": series} if series else {})}
                records.append({"files": files, "ranges": ranges, **job.record().plain()})
                about = [f"{short}: {each}" if several else each for each in job.messages]
                for message in [] if quiet else [*image.notes, *about]:
                    report_note(message)
    return tables, records


def _open(
    path: Place,
    series: str | None,
    axes: str | None,
    settings: UpscaleSettings,
    model: Model,
    region: Region,
) -> tuple[ImageFile, UpscaleJob]:
    from napari_vaesr.engine.job import UpscaleJob
    from napari_vaesr.files.image import read_image
    from napari_vaesr.trust.familiar import note_unlike

    image = read_image(path, axes, series)
    job = UpscaleJob(image.source, settings, region, model=model)
    note_unlike(job)
    return image, job


def _measure_one(
    image: ImageFile,
    job: UpscaleJob,
    segment: Any,
    properties: tuple[str, ...],
    progress: Callable[[Progress], None],
) -> pandas.DataFrame:
    """Measure in the units of the file, if it has any."""
    from napari_vaesr.trust.measure import measure as measured

    sizes = {name: size for name, size in image.pixel_size.items() if name in "ZYX"}
    return measured(
        job,
        segment,
        properties,
        pixel_size=sizes or None,
        units=image.units,
        offset=image.offset,
        progress=progress,
    )


def _report(tables: list[pandas.DataFrame], how: dict[str, Any], output: Path | None, quiet: bool) -> None:
    """Write the table and its record, and print what is told of whole images."""
    import pandas

    from napari_vaesr.files.atomic import atomic_path, write_json

    table = pandas.concat(tables, ignore_index=True)
    if output is not None:
        with atomic_path(output) as temporary:
            table.to_csv(temporary, index=False)
        write_json(output.with_suffix(".json"), {"table": str(output), **how})
    if quiet:
        return
    whole = table[table["object"] == 0].drop(columns=["object", "presence"])
    shown = Table(*whole.columns, box=box.SIMPLE_HEAD)
    for line in whole.head(SHOWN).itertuples(index=False):
        shown.add_row(*(f"{value:.6g}" if isinstance(value, float) else escape(str(value)) for value in line))
    out().print(shown)
    if len(whole) > SHOWN:
        out().print(f"... and {len(whole) - SHOWN} more lines.")
    if output is not None:
        out().print(str(output), markup=False)
        out().print(str(output.with_suffix(".json")), markup=False)

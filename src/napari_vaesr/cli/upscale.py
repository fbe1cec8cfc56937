"""``napari-vaesr upscale``: files in; mean, uncertainty and a record out."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

import typer
from rich import box
from rich.markup import escape
from rich.table import Column, Table

from napari_vaesr.engine.progress import readable_bytes
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError

from . import options
from .console import ExitCode, Failures, out, readable_seconds, readable_shape, report_note, spoken_errors
from .settings import takes_settings

if TYPE_CHECKING:
    from distributed import Client

    from napari_vaesr.batch.targets import Target
    from napari_vaesr.imaging.region import Region
    from napari_vaesr.zoo.registry import Model


@takes_settings()
def upscale(
    *,
    inputs: options.Inputs,
    output: options.Output,
    settings: UpscaleSettings,
    axes: options.Axes = None,
    extent: options.Extent = "",
    series: options.Series = None,
    calibrate: options.Calibrate = False,
    figure: options.Figure = False,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    force: options.Force = False,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Upscale images, with an uncertainty for every pixel.

    Writes OUT, and beside it the record of how it was made: a.json of a.ome.tif, a.zarr.json of a.zarr. A
    run that was stopped or killed goes on when the same command is given again.

    Exit codes: 0 all is well, 1 some of several inputs failed, 2 wrong usage or bad input, 130 interrupted.
    """
    with spoken_errors(debug):
        from napari_vaesr.batch.outlook import load_once
        from napari_vaesr.batch.targets import refuse_overwriting
        from napari_vaesr.imaging.region import Region

        part = Region.asked(extent)
        targets = _planned(inputs, output, settings, series, quiet)
        several = len(targets) > 1
        if several and not force and not calibrate:  # one that was stopped goes on with what is left
            targets = _left(targets, axes, settings, part, figure, quiet)
        refuse_overwriting(targets, settings.has_spread, figure, force or dry_run)
        if not targets:
            return
        loaded = load_once(settings, progress=(lambda done, total: None) if quiet else None)
        if dry_run:
            failures = _describe(targets, axes, settings, loaded, part, debug)
        else:
            run = partial(_run, targets, axes, settings, loaded, part, figure=figure)
            with _client(scheduler, workers) as client:
                failures = run(restart=force, client=client, calibrate=calibrate, quiet=quiet, debug=debug)
        if failures:
            raise typer.Exit(ExitCode.SOME_FAILED if several else ExitCode.BAD_INPUT)


def _planned(
    inputs: list[str], output: str, settings: UpscaleSettings, series: str | None, quiet: bool
) -> list[Target]:
    """Return what to upscale, and say what is passed over."""
    from napari_vaesr.batch.targets import plan_targets

    notes: list[str] = []
    targets = plan_targets(inputs, output, settings.factors, series, notes)
    for note in notes if not quiet else ():
        report_note(note)
    return targets


def _left(
    targets: list[Target],
    axes: str | None,
    settings: UpscaleSettings,
    extent: Region,
    figure: bool,
    quiet: bool,
) -> list[Target]:
    """Return those that were not upscaled like this before, and say how many were."""
    from napari_vaesr.batch.targets import is_made
    from napari_vaesr.zoo.registry import get_card

    card = get_card(settings.model)
    left = [each for each in targets if not is_made(each, axes, settings, card, extent, figure)]
    if len(left) < len(targets) and not quiet:
        made = len(targets) - len(left)
        report_note(f"{made} of {len(targets)} inputs were upscaled like this before.")
    return left


def _run(
    targets: list[Target],
    axes: str | None,
    settings: UpscaleSettings,
    model: Model,
    extent: Region,
    *,
    figure: bool,
    restart: bool,
    client: Client | None,
    calibrate: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Upscale one input after the other and return how many failed."""
    from napari_vaesr.batch.targets import Inputs, is_made, refuse_overwriting
    from napari_vaesr.batch.write import upscale_file

    from .progress import progress_bars

    failures, read = Failures(len(targets), debug), Inputs.of(targets, restart)
    with progress_bars(quiet) as bars:
        for number, target in enumerate(targets, start=1):
            count = f" ({number} of {len(targets)})" if len(targets) > 1 else ""
            with failures.of(target.title):
                if not restart:  # another run may have made it while those before were made
                    is_alike = len(targets) > 1 and not calibrate
                    if is_alike and is_made(target, axes, settings, model.card, extent, figure):
                        if not quiet:
                            report_note(f"{target.title} was upscaled like this meanwhile.")
                        continue
                    refuse_overwriting([target], settings.has_spread, figure, False, read=read)
                with bars.follow(f"{target.title}{count}") as progress:
                    messages = upscale_file(
                        target,
                        axes,
                        settings,
                        model,
                        extent,
                        figure=figure,
                        restart=restart,
                        client=client,
                        calibrate=calibrate,
                        progress=progress,
                    )
                if not quiet:
                    for message in messages:
                        report_note(message)
                    for path in target.files(settings.has_spread, figure):
                        out().print(str(path), markup=False)
    if len(targets) > 1:
        failures.end("; the others were upscaled")
    return failures.count


def _client(scheduler: str | None, workers: int | None) -> AbstractContextManager[Client | None]:
    """Connect to the workers that were asked for, if any were."""
    if workers is not None and scheduler is not None:
        raise VaesrError("Workers are started here or found by a scheduler: pass --workers or --scheduler.")
    if scheduler is None and workers is None:
        return nullcontext()
    from napari_vaesr.engine.cluster import cluster_client

    return cluster_client(scheduler, workers)


def _describe(
    targets: list[Target],
    axes: str | None,
    settings: UpscaleSettings,
    model: Model,
    extent: Region,
    debug: bool,
) -> int:
    """Print what would be done to every input and return how many would fail."""
    from napari_vaesr.batch.outlook import outlook

    headings = ("input", "shape", "output", "shape", "tiles", "memory", "disk", "time")
    table = Table(*(Column(heading, overflow="fold") for heading in headings), box=box.SIMPLE_HEAD)
    failures, seconds, where = Failures(len(targets), debug), 0.0, ""
    for target in targets:
        with failures.of(target.title):
            found = outlook(target, axes, settings, model, extent)
            for note in found.notes:
                report_note(note)
            plan = found.plan
            seconds += plan.seconds
            where = f"on {plan.device} in {plan.precision} ({plan.reason})"
            table.add_row(
                escape(f"{target.source} {target.series or ''}".strip()),
                readable_shape(found.shape, found.axes),
                escape(str(target.output)) + (" (exists)" if target.output.exists() else ""),
                readable_shape(plan.shape, found.axes),
                str(plan.tiles),
                readable_bytes(plan.memory),
                readable_bytes(found.disk),
                f"about {readable_seconds(plan.seconds)}",
            )
            for number, each in enumerate(plan.passes if len(plan.passes) > 1 else (), start=1):
                disk = f"{readable_bytes(each.disk)} for a while" if each.disk else ""
                table.add_row(
                    f"  pass {number} of {len(plan.passes)}",
                    f"scale {each.factors}",
                    "",
                    "",
                    str(each.tiles),
                    readable_bytes(each.memory),
                    disk,
                    f"about {readable_seconds(each.seconds)}",
                )
    if failures.count < len(targets):
        out().print(table)
        out().print(f"Runs {where}, in all about {readable_seconds(seconds)}.", markup=False)
    out().print("This was a dry run: nothing was written.")
    return failures.count

"""``napari-vaesr upscale``: files in; mean, uncertainty and a record out."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich import box
from rich.markup import escape
from rich.table import Column, Table
from typer.core import TyperCommand

from napari_vaesr.engine.progress import readable_bytes
from napari_vaesr.engine.settings import about
from napari_vaesr.errors import VaesrError

from .console import (
    ExitCode,
    err,
    out,
    readable_seconds,
    readable_shape,
    report_error,
    spoken_errors,
)

if TYPE_CHECKING:
    from distributed import Client

    from napari_vaesr.batch.targets import Target
    from napari_vaesr.engine.passes import CubicWay
    from napari_vaesr.engine.settings import UpscaleSettings
    from napari_vaesr.imaging.region import Region
    from napari_vaesr.zoo.registry import Model


def upscale(
    inputs: Annotated[
        list[str], typer.Argument(metavar="IN...", help="Images, folders of images or glob patterns.")
    ],
    output: Annotated[
        str,
        typer.Argument(
            metavar="OUT",
            help="For one input a file (.ome.tif or .zarr with mean and std as channels, or .png for a 2-D "
            "image); for several a folder, made if needed.",
        ),
    ],
    scale: Annotated[
        str,
        typer.Option(
            "--scale",
            "-s",
            help=about("scale"),
        ),
    ] = "2",
    isotropic: Annotated[
        str | None,
        typer.Option(
            help="Upscale along Z, too, to cubic voxels, from the voxel size: exact makes planes by the "
            "nearest factor above and resamples them, nearest takes the nearest factor. Alone: exact.",
            metavar="[exact|nearest]",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", "-k", help=about("samples"))] = 16,
    axes: Annotated[
        str | None,
        typer.Option(
            help="One letter per axis in order, from TCZYXS, such as ZYX; for files that don't say."
        ),
    ] = None,
    model: Annotated[str, typer.Option("--model", "-m", help=about("model"))] = "microscopy",
    uncertainty: Annotated[
        Literal["std", "variance", "relative", "interval"],
        typer.Option(help=about("uncertainty")),
    ] = "std",
    domain: Annotated[
        str,
        typer.Option(help=about("domain")),
    ] = "any",
    context: Annotated[
        Literal["auto", "Z", "T", "none"],
        typer.Option(help=about("context")),
    ] = "auto",
    noise: Annotated[
        str,
        typer.Option(help=about("noise") + " Such as: auto, 0, 12.5 or gain=2.1,read=4,offset=100."),
    ] = "auto",
    blur: Annotated[
        str,
        typer.Option(help=about("blur") + " Such as: 0.6 or na=1.4,wavelength=0.52,pixel_size=0.1."),
    ] = "0",
    seed: Annotated[int, typer.Option(help=about("seed"))] = 0,
    temperature: Annotated[float, typer.Option(help=about("temperature"))] = 1.0,
    device: Annotated[str, typer.Option(help=about("device"))] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"], typer.Option(help=about("precision"))
    ] = "auto",
    tile: Annotated[int | None, typer.Option(help=about("tile"))] = None,
    memory: Annotated[int | None, typer.Option(help=about("memory"))] = None,
    extent: Annotated[
        str,
        typer.Option(
            help="Upscale this part alone, in input pixels: Z=10:20,Y=0:64 (from 10 to 19) or T=3.",
            show_default=False,
        ),
    ] = "",
    series: Annotated[
        str | None,
        typer.Option(
            help="Which image of a file, by name or from 0 on, or all: scenes, or wells and fields of a "
            "plate such as A/1/0. Left out, the first; of a plate, all."
        ),
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate", help="Correct the uncertainty by a check on the image itself; see check."
        ),
    ] = False,
    figure: Annotated[
        bool, typer.Option("--figure", help="Also draw input, mean and std of the middle plane, as a PNG.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Compute in so many processes on this machine.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Compute on the workers of a Dask scheduler, such as tcp://10.0.0.1:8786."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace outputs that exist, or were begun with other settings.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only tell what would be done, with memory and time.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Upscale images, with an uncertainty for every pixel.

    Writes OUT, and beside it the record of how it was made: a.json of a.ome.tif, a.zarr.json of a.zarr. A
    run that was stopped or killed goes on when the same command is given again.

    Exit codes: 0 all is well, 1 some of several inputs failed, 2 wrong usage or bad input, 130 interrupted.
    """
    with spoken_errors(debug):
        from napari_vaesr.batch.outlook import load_once
        from napari_vaesr.batch.targets import is_made, plan_targets, refuse_overwriting
        from napari_vaesr.engine.conditions import parse_condition
        from napari_vaesr.engine.settings import make_settings
        from napari_vaesr.imaging.region import Factors, Region
        from napari_vaesr.zoo.registry import get_card

        settings = make_settings(
            model=model,
            scale=Factors.parse(scale).setting,
            samples=samples,
            uncertainty=uncertainty,
            domain=domain,
            context=context,
            noise=parse_condition("noise", noise),
            blur=parse_condition("blur", blur),
            seed=seed,
            temperature=temperature,
            device=device,
            precision=precision,
            tile=tile,
            memory=memory,
        )
        part = Region.parse(extent) if extent else Region()
        cubic = _cubic_way(isotropic)
        if workers is not None and scheduler is not None:
            raise VaesrError(
                "Workers are started here or found by a scheduler: pass --workers or --scheduler."
            )
        notes: list[str] = []
        targets = plan_targets(inputs, output, settings.factors, series, notes)
        for note in notes if not quiet else ():
            err().print(f"Note: {note}", markup=False)
        several = len(targets) > 1
        if (
            several and not force and not calibrate
        ):  # a run that was stopped goes on with the inputs that are left
            card = get_card(settings.model)
            left = [each for each in targets if not is_made(each, axes, settings, card, part, figure, cubic)]
            if len(left) < len(targets) and not quiet:
                made = len(targets) - len(left)
                err().print(f"Note: {made} of {len(targets)} inputs were upscaled like this before.")
            if not left:
                return
            targets = left
        refuse_overwriting(targets, settings.has_spread, figure, force or dry_run)
        loaded = load_once(settings, progress=(lambda done, total: None) if quiet else None)
        failures = (
            _describe(targets, axes, settings, loaded, part, cubic)
            if dry_run
            else _run(
                targets,
                axes,
                settings,
                loaded,
                part,
                figure=figure,
                isotropic=cubic,
                restart=force,
                scheduler=scheduler,
                workers=workers,
                calibrate=calibrate,
                quiet=quiet,
                debug=debug,
            )
        )
        if failures:
            raise typer.Exit(ExitCode.SOME_FAILED if several else ExitCode.BAD_INPUT)


def _cubic_way(typed: str | None) -> CubicWay | None:
    ways: dict[str | None, CubicWay | None] = {None: None, "exact": "exact", "nearest": "nearest"}
    if typed in ways:
        return ways[typed]
    raise VaesrError(f"Voxels are made cubic exact or nearest, not {typed}: pass --isotropic nearest.")


class IsotropicAlone(TyperCommand):
    """A command whose ``--isotropic`` may stand without a value, for ``exact``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write out what is meant; see the class."""
        told: list[str] = []
        for word, following in pairwise([*args, ""]):
            told.append(word)
            if word == "--isotropic" and following not in ("exact", "nearest"):
                told.append("exact")
        return super().parse_args(ctx, told)


def _run(
    targets: list[Target],
    axes: str | None,
    settings: UpscaleSettings,
    model: Model,
    extent: Region,
    *,
    figure: bool,
    isotropic: CubicWay | None,
    restart: bool,
    scheduler: str | None,
    workers: int | None,
    calibrate: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Upscale one input after the other and return how many failed."""
    from napari_vaesr.batch.write import upscale_file

    from .progress import progress_bars

    failures = 0
    with _client(scheduler, workers) as client, progress_bars(quiet) as bars:
        for number, target in enumerate(targets, start=1):
            count = f" ({number} of {len(targets)})" if len(targets) > 1 else ""
            with bars.follow(f"{target.title}{count}") as progress:
                try:
                    messages = upscale_file(
                        target,
                        axes,
                        settings,
                        model,
                        extent,
                        figure=figure,
                        isotropic=isotropic,
                        restart=restart,
                        client=client,
                        calibrate=calibrate,
                        progress=progress,
                    )
                except VaesrError as error:
                    if debug:
                        raise
                    report_error(error, target.title if count else None)
                    failures += 1
                    continue
            if not quiet:
                for message in messages:
                    err().print(f"Note: {message}", markup=False)
                for path in target.files(settings.has_spread, figure):
                    out().print(str(path), markup=False)
    if failures and len(targets) > 1:
        err().print(f"{failures} of {len(targets)} inputs failed; the others were upscaled.")
    return failures


def _client(scheduler: str | None, workers: int | None) -> AbstractContextManager[Client | None]:
    """Connect to the workers that were asked for, if any were."""
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
    isotropic: CubicWay | None,
) -> int:
    """Print what would be done to every input and return how many would fail."""
    from napari_vaesr.batch.outlook import outlook

    headings = ("input", "shape", "output", "shape", "tiles", "memory", "disk", "time")
    table = Table(*(Column(heading, overflow="fold") for heading in headings), box=box.SIMPLE_HEAD)
    failures, seconds, where = 0, 0.0, ""
    for target in targets:
        try:
            found = outlook(target, axes, settings, model, extent, isotropic)
        except VaesrError as error:
            report_error(error, target.title if len(targets) > 1 else None)
            failures += 1
            continue
        for note in found.notes:
            err().print(f"Note: {note}", markup=False)
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
    if failures < len(targets):
        out().print(table)
        out().print(f"Runs {where}, in all about {readable_seconds(seconds)}.", markup=False)
    out().print("This was a dry run: nothing was written.")
    return failures

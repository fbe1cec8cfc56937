"""``napari-vaesr check``: images in; out, whether a model holds what it promises on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from napari_vaesr.files.place import Place
    from napari_vaesr.trust.check import Check


@takes_settings(
    only=("model", "scale", "samples", "domain", "noise", "blur", "device", "precision", "tile", "memory"),
    besides={"scale": "A check takes one number: it sees Y and X alone."},
)
def check(
    *,
    inputs: options.Inputs,
    settings: UpscaleSettings,
    axes: options.Axes = None,
    series: options.Series = None,
    extent: Annotated[
        str, typer.Option(help="Check on this part: Z=10:20,Y=0:64, input pixels.", show_default=False)
    ] = "",
    json: Annotated[Path | None, typer.Option("--json", help="Write all numbers here.")] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the last image checked here, beside what was made of it (.png).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace outputs that exist.")] = False,
    debug: options.Debug = False,
) -> None:
    """Check whether a model holds what it promises on images of your own.

    An image is made small again, with its noise, upscaled, and compared with itself. What the optics removed
    it cannot see. To have the uncertainty of a result corrected by it: napari-vaesr upscale --calibrate.

    Exit codes: 0 all is well, 1 some of several inputs failed, 2 wrong usage or bad input, 130 interrupted.
    """
    with spoken_errors(debug):
        from napari_vaesr.batch.inputs import chosen_inputs, images_of
        from napari_vaesr.files.atomic import write_json
        from napari_vaesr.files.image import read_image
        from napari_vaesr.imaging.region import Region
        from napari_vaesr.trust.check import check_source
        from napari_vaesr.trust.familiar import unlike
        from napari_vaesr.trust.plots import write_check
        from napari_vaesr.zoo.registry import load_model

        from .progress import progress_bars

        if settings.samples < 2:
            raise VaesrError("One sample has no spread to check, give --samples 2 or more.")
        written = [path for path in (json, figure) if path is not None]
        free_to_write(written, force)
        region = Region.asked(extent)
        notes: list[str] = []
        images = [each for place in chosen_inputs(inputs, notes) for each in images_of(place, series)]
        loaded = load_model(settings.model)
        done: dict[tuple[Place, str | None], Check] = {}
        failures = Failures(len(images), debug)
        with progress_bars(quiet=False) as bars:
            for path, name in images:
                with (
                    failures.of(titled(path, name)),
                    bars.follow(titled(path.name, name)) as progress,
                ):
                    image = read_image(path, axes, name)
                    source = image.source
                    done[path, name] = check_source(source, settings, region, loaded, progress=progress)
                    notes += image.notes
                    if strange := unlike(source, loaded, region):
                        notes.append(f"{titled(path.name, name)}: {strange}" if len(images) > 1 else strange)
        if not done:
            raise typer.Exit(ExitCode.BAD_INPUT)
        _report(done)
        for note in notes:
            report_note(note)
        if json:
            checks = [
                {"image": str(path), **({"series": name} if name else {}), **each.to_dict()}
                for (path, name), each in done.items()
            ]
            write_json(json, {"checks": checks})
        if figure:
            write_check(figure, list(done.values())[-1])
        for path in written:
            out().print(str(path), markup=False)
        failures.end()


def _report(done: dict[tuple[Place, str | None], Check]) -> None:
    """Print the sentence of every image, and then the numbers."""
    for (path, name), each in done.items():
        title = titled(path, name)
        sentence = each.advised("upscale with --calibrate to correct it")
        out().print(sentence if len(done) == 1 else f"{title}: {sentence}", markup=False)
    headings = ("model", "bicubic", "Lanczos", "inside 90 %", "RMSE / std", "noise")
    table = Table("image", *headings, box=box.SIMPLE_HEAD)
    for (path, name), each in done.items():
        table.add_row(
            escape(titled(path.name, name)),
            *(f"{each.psnr[key]:.2f} dB" for key in ("model", "bicubic", "Lanczos")),
            f"{100 * each.coverage:.1f} %" if each.is_told else "–",
            f"{each.ratio:.2f}" if each.is_told else "–",
            f"{100 * each.noise:.2f} %",
        )
    out().print(table)

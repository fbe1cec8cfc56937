"""The command line: ``upscale``, ``check``, ``measure``, ``models``, ``train`` and others.

Exit codes: 0 all is well, 1 some of several inputs failed, 2 wrong usage or bad input, 130 interrupted.
Nothing here imports torch before pixels are computed, so that help and the list of models are quick.
"""

from __future__ import annotations

import sys
import warnings
from typing import Annotated

import typer

from . import models
from .calibrate import calibrate
from .check import check
from .console import ExitCode, out, report_note
from .evaluate import evaluate
from .measure import measure
from .settings import SettingsCommand
from .train import train
from .upscale import upscale

app = typer.Typer(
    name="napari-vaesr",
    help="Upscale microscopy images, with an uncertainty for every pixel.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=SettingsCommand)(upscale)
app.command()(check)
app.command(cls=SettingsCommand)(measure)
app.command()(train)
app.command()(evaluate)
app.command()(calibrate)
app.add_typer(models.app, name="models")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        out().print(f"napari-vaesr {version('napari-vaesr')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Upscale microscopy images, with an uncertainty for every pixel."""


def _say_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning as a note, without the line of code that it came from."""
    report_note(str(message))


def main() -> None:
    """Run the command line."""
    warnings.showwarning = _say_warning
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)

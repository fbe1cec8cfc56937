"""``napari-vaesr models``: what can be used, what each model's card says, and models as single files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from .console import err, out, report_note, spoken_errors

app = typer.Typer(
    help="List the models at hand, print one model's card, or give models away and take them in.",
    invoke_without_command=True,
)


@app.callback()
def models(context: typer.Context) -> None:
    """List the models at hand, or print one model's card with `models show NAME`."""
    if context.invoked_subcommand is not None:
        return
    from napari_vaesr.zoo.folders import user_models
    from napari_vaesr.zoo.registry import models as known_models

    with spoken_errors(debug=False):
        table = Table("name", "version", "scales", "for", "licence", box=box.SIMPLE_HEAD)
        for card in known_models().values():
            scales = ", ".join(map(str, card.scales))
            table.add_row(*map(escape, (card.name, card.version, scales, card.title, card.licence)))
        out().print(table)
        out().print(f"Models of your own go into {user_models()}", markup=False)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A model's name, or the path of its .json or .safetensors.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Print everything a model's card says: purpose, limits, training data, metrics and calibration."""
    from napari_vaesr.zoo.registry import get_card

    with spoken_errors(debug=False):
        card = get_card(name)
        fields = card.model_dump(mode="json")
        if as_json:
            out().print_json(json.dumps(fields))
            return
        table = Table(
            show_header=False, box=None, padding=(0, 2, 0, 0), title=escape(card.title), title_justify="left"
        )
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for field, value in fields.items():
            table.add_row(field.replace("_", " "), escape(_readable(value)))
        out().print(table)


@app.command(name="export")
def export_command(
    name: Annotated[str, typer.Argument(help="A model's name, or the path of its .json or .safetensors.")],
    file: Annotated[Path, typer.Argument(help="The .zip file to write, or a folder for NAME.zip.")],
    form: Annotated[
        Literal["model", "bioimageio"],
        typer.Option("--format", help="model: for `models import`. bioimageio: a BioImage.IO package."),
    ] = "model",
    scale: Annotated[int, typer.Option(help="The scale of a BioImage.IO package, which holds one.")] = 2,
    samples: Annotated[int, typer.Option(help="Samples that a BioImage.IO package draws.")] = 16,
) -> None:
    """Write a model, card and weights, into one file to give away."""
    with spoken_errors(debug=False):
        if form == "bioimageio":
            from napari_vaesr.engine.package import export_bioimageio

            written = export_bioimageio(name, file, scale=scale, samples=samples)
        else:
            from napari_vaesr.zoo.bases import in_words, unshared_base, why_unshared
            from napari_vaesr.zoo.exchange import export_model
            from napari_vaesr.zoo.registry import get_card

            written = export_model(name, file)
            base = unshared_base(get_card(name))
            if base is not None:
                report_note(
                    f"the network {in_words(base)}, on which it stands, is not in the file, for "
                    f"{why_unshared(base)}: whoever takes the model in has to get it "
                    f"(SHA-256 {base.sha256})."
                )
        out().print(str(written), markup=False)


@app.command(name="import")
def import_command(
    file: Annotated[Path, typer.Argument(help="A .zip file that `models export` wrote.")],
    name: Annotated[str | None, typer.Option(help="Another name for the model.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a model of your own of that name.")
    ] = False,
) -> None:
    """Take in a model from a file, after checking all of it; nothing is unpickled."""
    from napari_vaesr.zoo.bases import in_words, missing_base
    from napari_vaesr.zoo.exchange import import_model

    with spoken_errors(debug=False):
        card = import_model(file, name, replace=replace)
        lacking = missing_base(card)
        if lacking is not None:
            report_note(
                f"it stands on the network {in_words(lacking)}, which is not here: get it and give "
                f"napari-vaesr models base {lacking.name} (SHA-256 {lacking.sha256})."
            )
        out().print(f"Use it: napari-vaesr upscale IN OUT --model {card.name}", markup=False)


@app.command(name="base")
def base_command(
    file: Annotated[Path, typer.Argument(help="The network's file, as the model's card names it.")],
    runs_code: Annotated[
        bool, typer.Option("--runs-code", help="Trust TorchScript, which brings code that is run.")
    ] = False,
) -> None:
    """Keep a network of other makers for the models that stand on it."""
    from napari_vaesr.zoo.exchange import add_base

    with spoken_errors(debug=False):
        out().print(f"Kept for {', '.join(add_base(file, runs_code=runs_code))}.", markup=False)


@app.command(name="convert")
def convert_command(
    file: Annotated[Path, typer.Argument(help="A .pth file of a network for super-resolution.")],
    output: Annotated[
        Path | None, typer.Argument(help="The .safetensors file; left out, of the same name.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Its licence, noted in the file.")] = "",
    authors: Annotated[str, typer.Option(help="Who made it, noted in the file.")] = "",
) -> None:
    """Make safetensors of a .pth file without running what is in it, for `train --over`."""
    from napari_vaesr.zoo.bases import read_base
    from napari_vaesr.zoo.convert import convert

    with spoken_errors(debug=False):
        made = output or file.with_suffix(".safetensors")
        err().print(
            f"Reading {file} in a process of its own by torch.load(weights_only=True): it makes tensors and "
            "plain containers, and runs no code that the file may hold.",
            markup=False,
        )
        done = convert(file, made, licence=licence, authors=authors)
        where = f" under {done.key!r}" if done.key else ""
        left = f"; left out: {', '.join(done.left_out)}" if done.left_out else ""
        err().print(f"Kept {done.tensors} tensors{where}{left}.", markup=False)
        facts = read_base(made).loaded.facts
        out().print(f"{made}: {facts['network']}, ×{facts['factor']}, {facts['colours']}", markup=False)


def _readable(value: object) -> str:
    """Write a card's value for people: nested tables as lines, lists with commas."""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_inline(item)}" for key, item in value.items()) or "–"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return "\n".join(_inline(item) for item in value)
    return _inline(value)


def _inline(value: object) -> str:
    """Write a value in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_inline(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_inline, value)) or "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)

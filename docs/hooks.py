"""Let the documentation take from the code what would go stale if it were written twice.

A line ``<!-- from the code: models -->`` in a page becomes what the entry ``models`` of `FROM_THE_CODE`
returns, and ``<!-- from the scores: ROWS | COLUMN | COLUMN -->`` a table of what `benchmarks/quality.py`
printed. Equations become pictures (SVG), so that a page needs no script and no font from elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape, unescape
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel
from ziamath import Latex

from napari_vaesr import UpscaleSettings
from napari_vaesr.cli import app
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.training.config import RECIPES, TrainingConfig
from napari_vaesr.vae.config import Level, NetworkConfig
from napari_vaesr.zoo.card import ModelCard, read_card
from napari_vaesr.zoo.folders import BUNDLED_MODELS

LINE = re.compile(r"^<!-- from the code: (.+) -->$", re.MULTILINE)
SCORES = re.compile(r"^<!-- from the scores: (.+) -->$", re.MULTILINE)
EQUATION = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in what comes from the code and from the scores."""
    markdown = SCORES.sub(lambda line: scores(*re.split(r" \| ", line[1])), markdown)
    return LINE.sub(lambda line: FROM_THE_CODE[line[1]](), markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Draw the equations."""
    return EQUATION.sub(_drawn, html)


def _drawn(equation: re.Match[str]) -> str:
    source, inline = unescape(equation[2]).strip(), equation[1] == "span"
    drawing = Latex(source, size=18, inline=inline, color="currentColor")
    place = f"vertical-align: {drawing.getyofst():.2f}px" if inline else "max-width: none"
    about = f'<svg role="img" aria-label="{escape(source)}" style="{place}" '
    picture = drawing.svg().replace("<svg ", about, 1)
    return picture if inline else f'<p style="text-align: center; overflow-x: auto">{picture}</p>'


def models() -> str:
    """Describe every bundled model by its card."""
    cards = [read_card(path) for path in sorted(BUNDLED_MODELS.glob("*.json"))]
    return "\n\n".join(map(_card, cards)) or "This version comes without models."


def _card(card: ModelCard) -> str:
    network = card.network
    levels = ", ".join(f"{level.channels} channels at stride {level.stride}" for level in network.levels)
    facts = [
        ("Name", f"`{card.name}`, version {card.version}"),
        ("Scales", ", ".join(f"×{scale}" for scale in card.scales)),
        ("Network", f"`{network.architecture}`, trunk {network.width} × {network.blocks} blocks"),
        ("Orientations", str(network.orientations)),
        ("Latents", levels),
        ("Receptive radius", f"{card.receptive_radius} low-res pixels"),
        ("Intensity scaling", f"`{card.intensity}`"),
        ("Licence of the weights", card.licence),
        ("SHA-256", f"`{card.sha256}`"),
        *_training(card),
    ]
    data = [(source.name, source.origin, source.licence) for source in card.training_data]
    parts = [
        f"## {card.title}",
        card.description,
        f"**Limits.** {card.limits}",
        _table(["", ""], facts),
        _scores(card),
        "**Training images**",
        _table(["name", "origin", "licence"], data),
    ]
    if "settings" in card.training:
        settings = card.training["settings"]
        assert isinstance(settings, dict)
        rows = [(f"`{name}`", _value(value)) for name, value in settings.items()]
        parts.append(_folded("Training settings", _table(["setting", "value"], rows)))
    if card.calibration:
        parts.append(_folded("Calibration", _calibration(card)))
    return "\n\n".join(part for part in parts if part)


def _calibration(card: ModelCard) -> str:
    """List the levels of every kind of image and scale."""
    rows = [
        (
            kind,
            f"×{scale}",
            f"{level.noise:.4f}",
            f"{level.slope:.2f}",
            f"{level.offset:+.4f}",
            f"{level.interval:.2f}",
            "" if level.guaranteed is None else f"{level.guaranteed:.2f}",
        )
        for kind, scales in {"any": card.calibration, **card.domains}.items()
        for scale, levels in scales.items()
        for level in levels
    ]
    return _table(["kind", "", "noise", "slope", "offset", "interval", "guaranteed"], rows)


def _training(card: ModelCard) -> Iterable[tuple[str, str]]:
    for name, value in card.training.items():
        if name != "settings" and value not in (None, ""):
            yield name.capitalize(), f"`{value}`" if name == "command" else _value(value)


def _scores(card: ModelCard) -> str:
    """Put the scores of all scales side by side: what ends with ``_x2`` is about scale 2."""
    by_name: dict[str, dict[str, float]] = {}
    for key, value in card.metrics.items():
        name, _, scale = key.rpartition("_x")
        by_name.setdefault(name or key, {})[scale if name else ""] = value
    scales = sorted({scale for values in by_name.values() for scale in values})
    if not scales:
        return ""
    rows = [
        (name.replace("_", " "), *(_value(values.get(scale, "")) for scale in scales))
        for name, values in by_name.items()
    ]
    return "**Scores on the validation images**\n\n" + _table(["", *(f"×{s}" for s in scales)], rows)


def command(name: str) -> Callable[[], str]:
    """Return what lists the arguments and options of a command."""

    def listed() -> str:
        parameters = typer.main.get_command(app).commands[name].params  # type: ignore[attr-defined]
        rows = []
        for parameter in parameters:
            names = parameter.opts if parameter.param_type_name == "option" else [parameter.metavar]
            default = "" if parameter.default is False else _default(parameter.default)
            rows.append((", ".join(f"`{each}`" for each in names), parameter.help, default))
        return _table(["argument or option", "", "default"], rows)

    return listed


def fields(model: type[BaseModel]) -> Callable[[], str]:
    """Return what lists the fields of settings with their descriptions."""

    def listed() -> str:
        rows = [
            (f"`{name}`", field.description or "", "" if field.is_required() else _default(field.default))
            for name, field in model.model_fields.items()
        ]
        return _table(["setting", "", "default"], rows)

    return listed


def recipes() -> str:
    """Put the settings in which the recipes differ side by side."""
    flat = {name: _flat(recipe.model_dump(exclude={"sources", "name"})) for name, recipe in RECIPES.items()}
    names = [key for key in next(iter(flat.values())) if len({str(each[key]) for each in flat.values()}) > 1]
    rows = [(f"`{key}`", *(_value(each[key]) for each in flat.values())) for key in names]
    return _table(["setting", *(f"`{name}`" for name in flat)], rows)


def _lines() -> list[dict[str, Any]]:
    """Return the lines that runs of `benchmarks/quality.py` wrote (``--lines``), each once."""
    files = sorted((Path(__file__).parent / "scores").glob("*.json"))
    lines = [line for file in files for line in json.loads(file.read_text())["lines"]]
    return list({line["what"]: line for line in lines}.values())


def scores(rows: str, *columns: str) -> str:
    """Put lines side by side: a row for each name before a colon that `rows` matches, with its named group.

    A column is what stands behind the colon, perhaps followed by ``=`` and a heading. What misses its target
    is set in bold.
    """
    names = dict((column.partition("=")[::2] if "=" in column else (column, column)) for column in columns)
    table: dict[str, dict[str, str]] = {}
    for line in _lines():
        where, _, what = line["what"].partition(": ")
        found = re.fullmatch(rows, where)
        if found and what in names:
            value = f"{line['reached']:.3f}" if abs(line["reached"]) < 1 else f"{line['reached']:.2f}"
            table.setdefault(found["row"], {})[what] = value if line["passed"] else f"**{value}**"
    if not table or any(set(row) != set(names) for row in table.values()):
        raise ValueError(f"docs/scores has no lines for {rows} with {', '.join(names)}")
    return _table(
        ["", *names.values()], [(name, *(row[what] for what in names)) for name, row in table.items()]
    )


def missed() -> str:
    """List the lines that miss their target, and say how many there are."""
    judged = [line for line in _lines() if line["wanted"] != "reported"]
    wrong = [line for line in judged if not line["passed"]]
    rows = [(line["what"], f"{line['reached']:.3f}", line["wanted"]) for line in wrong]
    said = f"{len(judged) - len(wrong)} of {len(judged)} targets are reached; these are missed:"
    return f"{said}\n\n{_table(['what', 'reached', 'wanted'], rows)}"


FROM_THE_CODE: dict[str, Callable[[], str]] = {
    "models": models,
    "recipes": recipes,
    "options of upscale": command("upscale"),
    "options of check": command("check"),
    "options of measure": command("measure"),
    "options of train": command("train"),
    "options of evaluate": command("evaluate"),
    "options of calibrate": command("calibrate"),
    "settings of upscale": fields(UpscaleSettings),
    "settings of train": fields(TrainingConfig),
    "settings of degradation": fields(Degradation),
    "settings of network": fields(NetworkConfig),
    "settings of level": fields(Level),
    "fields of a card": fields(ModelCard),
    "missed targets": missed,
}


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _default(value: object) -> str:
    """Write a default if it is short enough to be told in a table."""
    simple = isinstance(value, (int, float, str)) and value != ""
    pair = isinstance(value, tuple) and value and all(isinstance(each, (int, float)) for each in value)
    return f"`{_value(value)}`" if simple or pair else ""


def _value(value: object) -> str:
    """Write a setting for people."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_value(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    cells = ([each.replace("|", "\\|").replace("\n", " ") for each in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _folded(title: str, content: str) -> str:
    return f'<details markdown="1"><summary>{title}</summary>\n\n{content}\n\n</details>'

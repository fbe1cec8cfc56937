"""The Python of the README and of the documentation runs as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from napari_vaesr.cli import app
from napari_vaesr.zoo.registry import load_model
from napari_vaesr.zoo.weights import save_model

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "napari_vaesr"
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
NEEDS_A_WINDOW = re.compile(r"napari\.Viewer|viewer\.(open|layers)")


def examples(page: Path) -> list[str]:
    blocks = PYTHON.findall(page.read_text(encoding="utf-8"))
    return [block for block in blocks if not NEEDS_A_WINDOW.search(block)]


PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if examples(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_run(page, tiny_model_path, tmp_path, monkeypatch):
    model = load_model(tiny_model_path)
    save_model(tmp_path / "models", model.network, model.card.model_copy(update={"name": "microscopy"}))
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for example in examples(page):
        exec(compile(example, page.name, "exec"), names)


def test_there_are_examples():
    assert {"README", "index", "install", "scripting"} <= {page.stem for page in PAGES}


SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^napari-vaesr (?!-).*?(?=$| 2>| \| )", re.MULTILINE)
TEXTS = {page.stem: page.read_text("utf-8") for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))}
COMMANDS = [
    (page, line)
    for page, text in TEXTS.items()
    for block in SHELL.findall(text)
    for line in COMMAND.findall(block)
]


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[f"{page}-{line}" for page, line in COMMANDS])
def test_the_commands_are_understood(page, line):
    command = typer.main.get_command(app)
    _, *words = shlex.split(line, comments=True)
    while hasattr(command, "commands") and words:
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words)  # which reads them, and does nothing


def test_the_page_of_the_command_line_begins_with_all_commands():
    overview = TEXTS["command-line"].split("```")[1]
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(re.findall(r"^napari-vaesr (\w+)", overview, re.MULTILINE)) == set(commands)


def test_the_proofs_that_the_design_names_exist():
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    files = set(re.findall(r"`(tests/\S+\.py)`", design))
    names = set(re.findall(r"`(test_\w+)`", design))
    assert files and names
    written = "".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    assert names <= set(re.findall(r"def (test_\w+)", written))


def test_the_design_names_every_room_and_no_file_that_is_gone():
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    rooms = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    named = set(re.findall(r"^\| `(\w+)/` \|", design, re.MULTILINE))
    panels = {path.name for path in (SOURCE / "plugin").iterdir() if (path / "__init__.py").exists()}
    assert named == rooms and panels <= set(re.findall(r"`(\w+)/`", design))
    files = set(re.findall(r"`(\w+/\w+\.py)`", design)) - {"napari_vaesr/__init__.py"}
    assert files and not {file for file in files if not ((SOURCE / file).exists() or (ROOT / file).exists())}


def test_the_stops_of_the_journey_exist():
    drawing = (ROOT / "docs" / "images" / "journey.svg").read_text(encoding="utf-8")
    stops = re.findall(r'class="code"[^>]*>([^<]+)<', drawing)
    assert stops
    for stop in stops:
        files, _, name = stop.partition(": ")
        texts = [(SOURCE / file).read_text("utf-8") for file in re.findall(r"[\w/]+\.py", files)]
        assert texts and (not name or re.search(rf"^class {name}\b", texts[0], re.MULTILINE))

"""What others may build on: the names of `napari_vaesr` itself, and no others."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import napari_vaesr

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SCRIPTS = sorted((ROOT / "docs").glob("*.py"))


def named(text: str) -> set[str]:
    """All dotted paths into the package that a text imports or refers to."""
    imports = set(re.findall(r"\bfrom (napari_vaesr[\w.]*) import|\bimport (napari_vaesr[\w.]*)", text))
    modules = {first or second for first, second in imports} - {"napari_vaesr"}
    return modules | {name for name in re.findall(r"^::: (\S+)", text, re.MULTILINE) if name.count(".") != 1}


@pytest.mark.parametrize("name", napari_vaesr.__all__)
def test_every_public_name_is_there(name):
    assert getattr(napari_vaesr, name) is not None
    assert name in dir(napari_vaesr)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_name_nothing_deeper(page):
    assert named(page.read_text(encoding="utf-8")) == set()


def test_what_pages_import_is_public():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    imported = ", ".join(re.findall(r"from napari_vaesr import ([\w, ]+)", text)).split(", ")
    described = re.findall(r"^::: napari_vaesr\.(\w+)$", text, re.MULTILINE)
    assert {*imported, *described} <= set(napari_vaesr.__all__)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_scripts_of_the_docs_take_what_is_public_from_where_it_is(script):
    """They draw panels and list settings, and look inside for what is not public, but for nothing else."""
    nodes = [
        node for node in ast.walk(ast.parse(script.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)
    ]
    deep = {
        each.name for node in nodes if (node.module or "").startswith("napari_vaesr.") for each in node.names
    }
    assert not deep & set(napari_vaesr.__all__)


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'upscaled'"):
        _ = napari_vaesr.upscaled

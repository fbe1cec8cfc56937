"""The house stays readable: no file and no function grows too long."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "napari_vaesr"

FILES = sorted(SOURCE.rglob("*.py"))

LINES, LINES_OF_FUNCTION = 400, 80


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES
    long = {
        f"{node.name} ({lines_of(node)})"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and lines_of(node) > LINES_OF_FUNCTION
    }
    assert not long


def lines_of(function: ast.FunctionDef) -> int:
    """Return the length of a function, its docstring aside."""
    told = function.body[0] if ast.get_docstring(function) is not None else None
    text = 0 if told is None else (told.end_lineno or 0) - told.lineno + 1
    return (function.end_lineno or 0) - function.lineno + 1 - text

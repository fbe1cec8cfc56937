"""Every benchmark starts: what it needs of the package is there, and it says what it can do."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = [path for path in sorted(FOLDER.glob("*.py")) if "argparse" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_it_says_what_it_can_do(path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "argv", [path.name, "--help"])
    with pytest.raises(SystemExit) as end:
        try:
            runpy.run_path(str(path), run_name="__main__")
        except ModuleNotFoundError as error:
            if str(error.name).startswith("napari_vaesr") or (FOLDER / f"{error.name}.py").exists():
                raise
            pytest.skip(f"{error.name} is not installed")
    assert end.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_what_they_share_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    for path in sorted(set(FOLDER.glob("*.py")) - set(SCRIPTS)):
        runpy.run_path(str(path), run_name=path.stem)

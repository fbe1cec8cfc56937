"""Every benchmark starts: what it needs of the package is there, and it says what it can do."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_vaesr import load_model
from napari_vaesr.zoo.registry import Model

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


def test_planes_along_z_are_measured_told_and_untold_where_they_can_be_told(
    monkeypatch, told_model_path, make_network, make_card
):
    """Lines keep their names where the model is told what was done, and have targets there alone."""
    monkeypatch.syspath_prepend(str(FOLDER))
    stacks = runpy.run_path(str(FOLDER / "stacks.py"), run_name="stacks")
    stack = np.random.default_rng(0).random((15, 12, 12))  # too few planes for a factor of 4
    whats = ["Z×2, averaged", "Z×3, averaged", "Z×3, left out"]
    listens = load_model(told_model_path)
    deaf = listens.card.network.model_copy(update={"sections": False})
    for model in (listens, Model(make_card(network=deaf, calibration={}), make_network(deaf))):
        found = list(stacks["axial_gains"]("some", stack, model))
        told, untold = ([each for each in found if each.told == is_told] for is_told in (True, False))
        assert [each.what for each in told] == whats
        assert [each.what for each in untold] == (whats if model is listens else [])
        for one, other in zip(told, untold, strict=model is listens):
            assert one.gain != other.gain and one.scores["cubic"] == other.scores["cubic"]
            assert str(other).startswith(f"some {one.what}, not told: model ")

    lines_of = runpy.run_path(str(FOLDER / "microscopy_quality.py"), run_name="quality")["stack_lines"]
    neighbours = [stacks["Gain"]("some", f"×2, {photons} photons", {}, 1.0) for photons in (50, 100)]
    monkeypatch.setitem(lines_of.__globals__, "stacks", lambda data: [("some", "ZYX", stack)])
    monkeypatch.setitem(lines_of.__globals__, "context_gains", lambda *_: neighbours)
    wanted = {line.what: line.wanted for line in lines_of(Path(), listens, 1)}
    assert wanted["planes along Z over linear and cubic: average in dB"] == "≥ 0.50"
    assert wanted["planes along Z over linear and cubic: average in dB, not told"] == "reported"
    for what in whats:
        assert wanted[f"some {what}, over linear and cubic"] == "≥ 0.00"
        assert wanted[f"some {what}, over linear and cubic: not told"] == "reported"

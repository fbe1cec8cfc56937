"""Scales are measured on images, on their rows or on stacks, by their name on the card."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_vaesr.imaging.region import Factors
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.training import truths
from napari_vaesr.training.truths import Truths

FILES = [Path("em/a_0.png"), Path("em/a_1.png"), Path("em/b.png"), Path("cells/c.png")]


@pytest.fixture
def measured(monkeypatch):
    """What each measurement is asked for, in the place of measurements."""
    asked = []
    for name in ("spreads_of_file", "spreads_of_rows", "spreads_of_stacks"):
        monkeypatch.setattr(truths, name, lambda model, *given, name=name: asked.append((name, *given)) or [])
    return asked


def test_each_scale_has_its_measure(measured):
    way, told = Degradation(), []
    own = Truths(FILES, [Path("stacks")], way, fewest=2)
    for scale, measure, factor in (("8", "spreads_of_file", 8), ("3x1", "spreads_of_rows", 3)):
        measured.clear()
        assert own.has_domains(scale) and own.steps(scale) == 4
        assert own.spreads("model", scale, lambda: told.append(1)) == []
        images = (3, 3, 3, 2), ("a", "a", "b", "c")
        assert measured == [
            (measure, path, factor, way, count, name)
            for path, count, name in zip(FILES, *images, strict=True)
        ]
    assert len(told) == 8
    measured.clear()
    assert not own.has_domains("Z=4,Y=2,X=2") and own.steps("Z=4,Y=2,X=2") == 0
    own.spreads("model", "Z=4,Y=2,X=2", told.clear)
    assert measured == [("spreads_of_stacks", [Path("stacks")], Factors(Z=4, Y=2, X=2), way)] and told

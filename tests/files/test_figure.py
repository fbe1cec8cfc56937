from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.figure import _round_length, write_figure


def plane(shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.mark.parametrize(
    ("source", "mean", "std"),
    [
        (plane((40, 60)), plane((80, 120)), plane((80, 120))),
        (plane((40, 60)), plane((80, 120)), None),
        (np.zeros((40, 60, 3), np.uint8), np.zeros((120, 180, 3), np.uint8), plane((120, 180))),
        (np.zeros((1, 1), np.uint16), np.zeros((2, 2), np.uint16), np.zeros((2, 2), np.float32)),
    ],
    ids=["grey", "mean only", "colour", "constant pixel"],
)
def test_it_draws(tmp_path, source, mean, std):
    path = tmp_path / "figure.png"
    write_figure(path, source, mean, std, 0.25, "micrometer", title="nuclei")
    drawn = imagecodecs.png_decode(path.read_bytes())
    assert drawn.shape[1] > 500 and drawn.shape[-1] in (3, 4)
    assert len(np.unique(drawn)) > 10
    assert [child.name for child in tmp_path.iterdir()] == ["figure.png"]


@pytest.mark.parametrize("title", ["a$^$b.tif", "caf\udce9.tif"])
def test_names_of_files_are_no_formulas_and_not_always_text(tmp_path, title):
    write_figure(tmp_path / "a.png", plane((8, 8)), plane((16, 16)), None, title=title)
    assert imagecodecs.png_decode((tmp_path / "a.png").read_bytes()).size


def test_the_uncertainty_adds_a_panel(tmp_path):
    widths = []
    for std in (None, plane((80, 80))):
        write_figure(tmp_path / "a.png", plane((40, 40)), plane((80, 80)), std)
        widths.append(imagecodecs.png_decode((tmp_path / "a.png").read_bytes()).shape[1])
    assert widths[1] == pytest.approx(1.5 * widths[0], rel=0.01)


def test_it_cannot_be_half_written(tmp_path):
    with pytest.raises(VaesrError, match="does not exist"):
        write_figure(tmp_path / "no" / "a.png", plane((4, 4)), plane((8, 8)), None)


@pytest.mark.parametrize(
    ("length", "expected"), [(12.8, 10), (4.99, 2), (5, 5), (0.031, 0.02), (1, 1), (999, 500)]
)
def test_bars_have_round_lengths(length, expected):
    assert _round_length(length) == pytest.approx(expected)

"""Letters for axes that are called by words."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from napari_vaesr.imaging.axis_names import axis_letters, told_axes


@pytest.mark.parametrize(
    ("names", "types", "letters"),
    [
        (("time", "Channel", " z ", "row", "col"), (), "TCZYX"),
        (("a", "b", "c"), ("space", "space", "space"), "ZYX"),
        (("t", "c", "u", "v"), ("time", "channel", "space", "space"), "TCYX"),
        (("y", "x", "rgb"), (), "YXS"),
        (("y", "phase"), (), None),
        (("y", "row"), (), None),
        ((), (), None),
    ],
)
def test_usual_names_have_letters_and_others_none(names, types, letters):
    assert axis_letters(names, types) == letters


def test_arrays_tell_their_axes_if_there_are_as_many():
    pixels = np.zeros((3, 4))
    assert told_axes(SimpleNamespace(dims=("row", "col"), shape=pixels.shape)) == "YX"
    assert told_axes(SimpleNamespace(dims=("row",), shape=pixels.shape)) is None
    assert told_axes(pixels) is None

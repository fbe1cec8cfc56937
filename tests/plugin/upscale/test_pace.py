"""A preview is as large as there is time for, and what is quick comes first."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.plugin.upscale.pace import (
    Pace,
    _speed_key,
    left_out,
    patient_part,
    planes_in_words,
    takes_patience,
)


def test_planes_as_they_are_come_first():
    volume = make_settings(scale={"Z": 4, "Y": 2, "X": 2}, sections="thick")
    flat = volume.flat
    assert (flat.scale, flat.sections) == (2, "unknown")
    assert takes_patience(volume) and not takes_patience(flat)
    assert left_out(volume, flat) == " of the plane as it is (Run makes 4 times as many along Z);"
    assert left_out(volume, volume) == left_out(flat, flat) == ""
    assert (patient_part(volume), patient_part(flat)) == ("planes along Z", "")
    assert planes_in_words(volume, "CZYX", (1, 4, 9, 9)) == " in 4 planes"
    assert planes_in_words(flat, "CZYX", (1, 1, 9, 9)) == ""
    alone = make_settings(scale={"Z": 4}, sections="thick")
    assert alone.flat == alone, "nothing grows but Z"


def test_a_region_too_large_for_the_time_is_cut_to_its_middle():
    pace, settings = Pace(), make_settings(samples=4)
    whole = {"Z": range(3, 4), "Y": range(100, 1100), "X": range(0, 2000)}
    pace.learn(settings, {"Y": range(100), "X": range(100)}, halo=10, seconds=120**2 * 1e-5)
    fitting = pace.fitting(settings, whole, seconds=1.0)
    assert fitting["Z"] == range(3, 4)
    height, width = len(fitting["Y"]), len(fitting["X"])
    assert (height + 20) * (width + 20) == pytest.approx(1e5, rel=0.02)
    assert width == pytest.approx(2 * height, abs=2)
    assert sum(fitting["Y"]) / height == pytest.approx(599.5, abs=1)
    assert pace.fitting(settings, whole, seconds=100) == whole
    assert pace.fitting(settings, {"Y": range(9), "X": range(9)}, seconds=1e-9) == {
        "Y": range(9),
        "X": range(9),
    }


def test_along_z_the_first_pass_and_what_lies_above_and_below_are_reckoned_with():
    pace, settings = Pace(), make_settings(samples=4)
    view = {"Z": range(3, 4), "Y": range(100), "X": range(100)}
    pace.learn(settings, view, halo=10, seconds=120**2 * 1e-5, lengths={"Z": 60})
    volume = settings.model_copy(update={"scale": {"Z": 2, "Y": 2, "X": 2}})
    # 120 planes from either side, of 21 x 140 pixels: guessed from the plane as it is.
    assert pace.fitting(volume, view, seconds=2 * 120 * 21 * 140 * 1e-5, lengths={"Z": 60}) == view
    assert len(pace.fitting(volume, view, seconds=120 * 21 * 140 * 1e-5, lengths={"Z": 60})["Y"]) < 70
    planes = settings.model_copy(update={"scale": {"Z": 2}})
    assert len(pace.fitting(planes, view, seconds=1.0, lengths={"Z": 60})["Y"]) == 16, "nothing is known yet"
    pace.learn(planes, view, halo=10, seconds=1.0, lengths={"Z": 5})
    assert pace.fitting(planes, view, seconds=1.0, lengths={"Z": 5}) == view
    assert len(pace.fitting(planes, view, seconds=1.0, lengths={"Z": 10})["Y"]) < 70


def test_a_preview_keeps_its_size_though_speed_varies():
    pace, settings = Pace(), make_settings(samples=4)

    def size(extent, per_pixel):
        pace._seconds_per_pixel[_speed_key(settings)] = per_pixel
        fitting = pace.fitting(settings, extent, seconds=1.0)
        return len(fitting["Y"]), len(fitting["X"])

    view = {"Y": range(100, 500), "X": range(100, 700)}
    first = size(view, 1e-4)
    moved = {"Y": range(130, 531), "X": range(0, 430)}  # a pixel more or less, and to the edge of the image
    assert size(moved, 0.8e-4) == size(view, 1.3e-4) == size(moved, 1e-4) == first
    assert np.prod(size(view, 1e-4 / 2)) > 1.9 * np.prod(first), "grows where it is well worth it"
    assert np.prod(size(view, 2e-4)) < 0.6 * np.prod(first), "shrinks where it takes too long"
    assert size({"Y": range(50), "X": range(300)}, 1e-4)[0] <= 50, "never larger than what is visible"

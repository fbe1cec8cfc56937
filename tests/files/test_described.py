"""What files say about their pixels, brought to our words."""

from __future__ import annotations

import pytest

from napari_vaesr.files.described import Described, as_number, placed, sized


def test_what_one_does_not_tell_another_does():
    xml = Described(sizes={"X": (0.1, "micrometer")}, channel_names=("a",))
    tags = Described(
        sizes={"X": (9.0, None), "Y": (0.2, "micrometer")}, channel_names=("b",), colours=("FF0000",)
    )
    both = xml.over(tags)
    assert both.sizes == {"X": (0.1, "micrometer"), "Y": (0.2, "micrometer")}
    assert both.channel_names == ("a",) and both.colours == ("FF0000",)


def test_places_are_in_the_unit_of_the_pixels():
    told = Described(
        sizes={"Y": (0.5, "micrometer"), "X": (0.5, "micrometer")},
        starts={"Y": (1.0, "millimeter"), "X": (4.0, None)},
    )
    assert told.fields("YX", (3, 4))["offset"] == pytest.approx({"Y": 1000.0, "X": 2.0})


def test_looks_that_are_not_of_these_channels_count_for_nothing():
    told = Described(channel_names=("a", "b"), colours=("00FF00", "000000"), windows=((0, 1), None))
    assert told.fields("CYX", (2, 3, 4))["colours"] == ("00FF00", "")
    assert told.fields("CYX", (3, 3, 4))["colours"] == told.fields("CYX", (3, 3, 4))["windows"] == ()


def test_a_lone_channel_keeps_its_name():
    told = Described(channel_names=("DAPI",))
    for axes, shape in (("YX", (3, 4)), ("CYX", (1, 3, 4))):
        assert told.fields(axes, shape)["channel_names"] == ("DAPI",)
        assert told.left_out("cells.tif", axes, shape) == []
    assert told.fields("YXS", (3, 4, 3))["channel_names"] == ()


def test_names_of_other_channels_are_left_out_and_told():
    told = Described(channel_names=("DAPI", "GFP", "RFP"))
    for axes, shape, count in (("CYX", (2, 3, 4), 2), ("YX", (3, 4), 1)):
        assert told.fields(axes, shape)["channel_names"] == ()
        (said,) = told.left_out("cells.tif", axes, shape)
        assert "cells.tif (DAPI, GFP, RFP) are left out" in said and said.endswith(f"is {count}.")


def test_numbers_that_make_no_sense_are_passed_over():
    numbers = [("Y", "0.5", "µm"), ("X", "wide", "µm"), ("Z", -1, "µm")]
    assert sized(numbers) == {"Y": (0.5, "micrometer")}
    assert set(placed(numbers)) == {"Y", "Z"}
    assert as_number(None) == 0.0 and as_number("x", 3.0) == 3.0 and as_number("1e-3") == 0.001

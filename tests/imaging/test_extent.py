from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.extent import (
    checked_part,
    format_extent,
    parse_extent,
    picked_axes,
    recorded_extent,
    select,
)

AXES = Axes("TZYX", (3, 4, 20, 30))


@given(
    st.dictionaries(
        st.sampled_from("TZYX"), st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=4
    )
)
def test_what_is_written_is_read_again(parts):
    extent = {name: range(start, start + length) for name, (start, length) in parts.items()}
    assert parse_extent(format_extent(extent)) == extent


def test_a_single_index_and_spaces():
    assert parse_extent(" t=3, y = 0:5 ") == {"T": range(3, 4), "Y": range(5)}


@pytest.mark.parametrize("text", ["", "Z", "Z=", "Z=1:", "Z=1,Z=2", "Z=-1", "Z=1:2:3"])
def test_what_cannot_be_read_is_told(text):
    with pytest.raises(VaesrError, match="cannot be read"):
        parse_extent(text)


def test_planes_rows_and_columns():
    assert select({}, AXES) == (None, range(20), range(30))
    assert select({"Y": range(3, 9)}, AXES) == (None, range(3, 9), range(30))
    planes, rows, columns = select({"T": range(1, 3), "Z": range(2, 3)}, AXES)
    assert planes == [6, 10] and rows == range(20) and columns == range(30)


@pytest.mark.parametrize(
    "extent", [{"C": range(1)}, {"Z": range(0)}, {"Z": range(2, 5)}, {"Y": range(0, 20, 2)}]
)
def test_what_is_not_in_the_image_is_refused(extent):
    with pytest.raises(VaesrError, match="please"):
        select(extent, AXES)


@pytest.mark.parametrize("part", [slice(1, 3), 3, range(0, 4, 2), None])
def test_what_is_no_range_is_refused(part):
    with pytest.raises(VaesrError, match=r"extent of Z is .*, please write a range such as range\(10, 20\)"):
        select({"Z": part}, AXES)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, unique=True).map(sorted), min_size=2, max_size=2))
def test_the_same_indices_along_every_axis_make_an_array(picked):
    """They may have gaps; the same planes in another order, or without one of them, make none."""
    axes = Axes("TZYX", (10, 10, 20, 30))
    planes = [axes.plane_number({"T": t, "Z": z}) for t in picked[0] for z in picked[1]]
    made = picked_axes(axes, planes, range(5), range(7))
    assert made == Axes("TZYX", (len(picked[0]), len(picked[1]), 5, 7))
    if len(planes) > 1:
        with pytest.raises(VaesrError, match="block"):
            picked_axes(axes, planes[::-1], range(5), range(7))
    if min(map(len, picked)) > 1:
        with pytest.raises(VaesrError, match="block"):
            picked_axes(axes, planes[1:], range(5), range(7))


def test_all_planes_or_none():
    assert picked_axes(AXES, None, range(2), range(30)) == Axes("TZYX", (3, 4, 2, 30))
    with pytest.raises(VaesrError, match="at least one"):
        picked_axes(AXES, [], range(2), range(30))


@pytest.mark.parametrize("part", [range(0), range(5, 18), range(-1, 3), range(0, 8, 2)])
def test_a_part_is_inside(part):
    assert checked_part("rows", None, 17) == range(17)
    assert checked_part("rows", range(3, 17), 17) == range(3, 17)
    with pytest.raises(VaesrError, match="rows"):
        checked_part("rows", part, 17)


@given(st.data())
def test_a_record_tells_its_extent(data):
    extent = {}
    for name, length in zip(AXES.names, AXES.shape, strict=True):
        start = data.draw(st.integers(0, length - 1))
        extent[name] = range(start, data.draw(st.integers(start + 1, length)))
    planes, rows, columns = select(extent, AXES)
    told = recorded_extent(
        {
            "axes": AXES.names,
            "input": {"shape": list(AXES.shape)},
            "extent": {
                "planes": planes,
                "rows": [rows.start, rows.stop],
                "columns": [columns.start, columns.stop],
            },
        }
    )
    assert select(told, AXES) == (planes, rows, columns)
    assert all(
        len(part) < dict(zip(AXES.names, AXES.shape, strict=True))[name] for name, part in told.items()
    )


def test_planes_with_gaps_are_no_extent():
    record = {
        "axes": "ZYX",
        "input": {"shape": [4, 20, 30]},
        "extent": {"planes": [0, 2], "rows": [0, 20], "columns": [0, 30]},
    }
    with pytest.raises(VaesrError, match="gaps"):
        recorded_extent(record)

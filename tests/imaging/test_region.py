from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.region import Factors, Region

AXES = Axes("TZYX", (3, 4, 20, 30))


@given(
    st.dictionaries(
        st.sampled_from("TZYX"), st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=4
    )
)
def test_what_is_written_is_read_again(parts):
    region = Region({name: range(start, start + length) for name, (start, length) in parts.items()})
    again = Region.parse(str(region))
    assert again == region and hash(again) == hash(region)


def test_a_single_index_and_spaces():
    assert Region.parse(" t=3, y = 0:5 ") == {"T": range(3, 4), "Y": range(5)}


@pytest.mark.parametrize("text", ["", "Z", "Z=", "Z=1:", "Z=1,Z=2", "Z=-1", "Z=1:2:3"])
def test_what_cannot_be_read_is_told(text):
    with pytest.raises(VaesrError, match="cannot be read"):
        Region.parse(text)


@pytest.mark.parametrize("extent", [[0, 5], (range(3),), 7])
def test_an_extent_without_letters_is_told(extent):
    with pytest.raises(VaesrError, match="a range for each axis"):
        Region.asked(extent)


def test_axes_that_are_not_named_are_whole():
    whole = Region().of(AXES.lengths)
    assert whole == {"T": range(3), "Z": range(4), "Y": range(20), "X": range(30)}
    assert whole.size == 3 * 4 * 20 * 30 and "".join(whole) == AXES.names
    part = Region(T=range(1, 3), Z=range(2, 3)).of(AXES.lengths)
    assert AXES.planes_of(part) == [6, 10] and AXES.of_region(part).shape == (2, 1, 20, 30)
    assert part.less_whole(AXES.lengths) == {"T": range(1, 3), "Z": range(2, 3)}


@pytest.mark.parametrize(
    "extent", [{"C": range(1)}, {"Z": range(0)}, {"Z": range(2, 5)}, {"Y": range(0, 20, 2)}]
)
def test_what_is_not_in_the_image_is_refused(extent):
    with pytest.raises(VaesrError, match="please"):
        Region(extent).of(AXES.lengths)


@pytest.mark.parametrize("part", [slice(1, 3), 3, range(0, 4, 2), None])
def test_what_is_no_range_is_refused(part):
    with pytest.raises(VaesrError, match=r"extent of Z is .*, please write a range such as range\(10, 20\)"):
        Region({"Z": part}).of(AXES.lengths)


@given(st.data())
def test_a_part_of_a_part_lies_where_it_did(data):
    def part_of(whole):
        start = data.draw(st.integers(whole.start, whole.stop - 1))
        return range(start, data.draw(st.integers(start + 1, whole.stop)))

    factors = Factors({name: data.draw(st.integers(1, 4)) for name in "ZYX"})
    outer = Region({name: part_of(range(length)) for name, length in AXES.lengths.items()})
    inner = Region({name: part_of(part) for name, part in outer.items()})
    inside = inner.enlarged(factors).within(outer.enlarged(factors))
    for name, where in inside.items():
        pixels = range(AXES.lengths[name] * factors.along(name))
        whole = pixels[outer[name].start * factors.along(name) : outer[name].stop * factors.along(name)]
        assert whole[where] == inner.enlarged(factors)[name]
        assert where.start >= 0
    # The corner of the first pixel is that of the source's.
    for name, index in inner.first_pixel(factors).items():
        assert index - 0.5 / factors.along(name) == pytest.approx(inner[name].start - 0.5)


@given(st.dictionaries(st.sampled_from("ZYX"), st.integers(1, 16)))
def test_factors_are_read_as_they_are_written(by_axis):
    factors = Factors(by_axis)
    assert Factors.parse(str(factors)) == factors == Factors.of(factors.setting)
    assert all(factors.along(name) == by_axis.get(name, 1) for name in "TCZYX")
    assert factors.size == by_axis.get("Z", 1) * by_axis.get("Y", 1) * by_axis.get("X", 1)


def test_a_number_is_the_factor_of_rows_and_columns():
    assert Factors.parse("3") == Factors.of(3) == {"Y": 3, "X": 3}
    assert Factors.of({"Y": 2, "X": 2}).setting == 2 and Factors.of(2).suffix == "x2"
    assert Factors.parse(" z=4, Y=2,x=2") == {"Z": 4, "Y": 2, "X": 2}
    assert Factors(Z=4, Y=2, X=2).suffix == "z4y2x2" and str(Factors(Z=3)) == "Z=3"


@pytest.mark.parametrize("text", ["", "Z", "Z=", "Z=1,Z=2", "2.5", "Z=-1", "x2"])
def test_factors_that_cannot_be_read_are_told(text):
    with pytest.raises(VaesrError, match=r"scale .* cannot be read"):
        Factors.parse(text)


def test_an_extent_is_asked_for_in_words_in_ranges_or_not_at_all():
    part = Region(Z=range(2, 5))
    assert Region.asked("Z=2:5") == Region.asked({"Z": range(2, 5)}) == part
    assert Region.asked(None) == Region.asked("") == Region.asked({}) == Region()


@pytest.mark.parametrize(
    ("factors", "letter"),
    [(Factors.of(2), ""), (Factors(), ""), (Factors(Z=2.5, Y=2, X=2), "Z"), (Factors(T=2), "T")],
)
def test_the_axis_across_planes_is_known_by_its_letter(factors, letter):
    assert factors.across == letter

from __future__ import annotations

import pickle
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
import zarr
from dask.callbacks import Callback
from hypothesis import given
from hypothesis import strategies as st

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes, Source, default_axes
from napari_vaesr.imaging.region import Factors, Region


@st.composite
def named_arrays(draw, letters="TCZYXS"):
    extra = draw(st.sets(st.sampled_from([letter for letter in letters if letter not in "YX"])))
    names = "".join(draw(st.permutations(sorted(extra | {"Y", "X"}))))
    lengths = {name: draw(st.integers(1, 4)) for name in names} | {"S": draw(st.sampled_from([3, 4]))}
    shape = tuple(lengths[name] for name in names)
    return names, np.arange(np.prod(shape)).reshape(shape)


@given(named_arrays(), st.data())
def test_read_plane_is_numpy_moveaxis_for_any_order(case, data):
    names, array = case
    axes = Axes.parse(names.lower(), array.shape)
    order = [names.index(name) for name in axes.loop_names + ("YXS" if axes.is_rgb else "YX")]
    expected = np.transpose(array, order).reshape(
        -1, *(array.shape[axis] for axis in order[len(axes.loop_names) :])
    )
    assert axes.plane_count == len(expected)
    n = data.draw(st.integers(0, axes.plane_count - 1))
    top, left = data.draw(st.integers(0, axes.height - 1)), data.draw(st.integers(0, axes.width - 1))
    rows, columns = slice(top, axes.height), slice(left, axes.width)
    np.testing.assert_array_equal(axes.read_plane(array, n, rows, columns), expected[n][rows, columns])
    assert axes.plane_number(axes.plane_coordinates(n)) == n
    assert axes.channel_of(n) == axes.plane_coordinates(n).get("C", 0)


@given(named_arrays())
def test_writing_every_plane_back_gives_the_array(case):
    names, array = case
    axes = Axes.parse(names, array.shape)
    written = np.zeros_like(array)
    everything = slice(None)
    for n in range(axes.plane_count):
        where = axes.output_selector(n, everything, everything)
        written[where] = axes.arrange_plane(axes.read_plane(array, n, everything, everything))
        np.testing.assert_array_equal(written[where], array[where])
    np.testing.assert_array_equal(written, array)


@given(named_arrays("TCZYX"), st.sampled_from(["ZX", "ZY", "XZ"]), st.data())
def test_planes_may_be_spanned_by_any_two_axes(case, plane, data):
    names, array = case
    if not set(plane) <= set(names):
        return
    axes = replace(Axes.parse(names, array.shape), plane=plane)
    n = data.draw(st.integers(0, axes.plane_count - 1))
    place = axes.plane_coordinates(n)
    assert set(place) == set(names) - set(plane)
    expected = array[tuple(place.get(name, slice(None)) for name in names)]
    expected = expected if axes.plane_names == plane else expected.T
    read = axes.read_plane(array, n, slice(None), slice(None))
    np.testing.assert_array_equal(read, expected)
    assert read.shape == (axes.height, axes.width)
    np.testing.assert_array_equal(
        axes.arrange_plane(read), array[axes.output_selector(n, slice(None), slice(None))]
    )


@given(named_arrays(), st.integers(1, 4))
def test_upscaled_shape_and_without_samples(case, scale):
    names, array = case
    axes = Axes.parse(names, array.shape)
    expected = array.repeat(scale, names.index("Y")).repeat(scale, names.index("X"))
    assert axes.upscaled(Factors.of(scale)).shape == expected.shape
    plain = axes.without_samples()
    assert plain.names == names.replace("S", "") and not plain.is_rgb
    assert plain.plane_count == axes.plane_count and (plain.height, plain.width) == (axes.height, axes.width)


@pytest.mark.parametrize(
    "lazy", [lambda a: da.from_array(a, chunks=2), lambda a: zarr.array(a, chunks=(2, 2, 2, 2))]
)
def test_lazy_arrays_read_like_numpy(lazy):
    array = np.random.default_rng(0).integers(0, 99, (3, 5, 2, 6))
    axes = Axes.parse("XZCY", array.shape)
    for n in range(axes.plane_count):
        expected = axes.read_plane(array, n, slice(1, 6, 2), slice(0, 3))
        actual = axes.read_plane(lazy(array), n, slice(1, 6, 2), slice(0, 3))
        assert isinstance(actual, np.ndarray)
        np.testing.assert_array_equal(actual, expected)


def test_one_bounded_read_per_plane():
    class Watched:
        shape, dtype = (4, 100, 100), np.dtype("u1")
        keys: list[object] = []  # noqa: RUF012

        def __getitem__(self, key):
            self.keys.append(key)
            return np.zeros((5, 6), "u1")

    array = Watched()
    Axes.parse("ZYX", array.shape).read_plane(array, 2, slice(0, 5), slice(4, 10))
    assert array.keys == [(2, slice(0, 5), slice(4, 10))]


@pytest.mark.parametrize(
    ("names", "shape", "says"),
    [
        ("ZYX", (5, 6), r"names? 3 axes.*\(5, 6\)"),
        ("TZ", (5, 6), r"\(5, 6\).*lack Y or X"),
        ("ZX", (5, 6), "lack Y or X"),
        ("YYX", (5, 6, 7), "twice"),
        ("QYX", (5, 6, 7), "hold 'Q'.*T time, C channel"),
        ("YXS", (5, 6, 2), "3 or 4 long"),
        ("ZYX", (0, 6, 7), "empty"),
        ("", (), "lack Y or X"),
    ],
)
def test_axes_that_do_not_fit_are_refused_in_one_sentence(names, shape, says):
    with pytest.raises(VaesrError, match=says) as caught:
        Axes.parse(names, shape)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_planes_that_do_not_exist_are_refused():
    axes = Axes.parse("TZYX", (2, 3, 4, 5))
    for n in (-1, 6):
        with pytest.raises(VaesrError, match="from 0 to 5"):
            axes.plane_coordinates(n)
    with pytest.raises(VaesrError, match="Axis Z is at None"):
        axes.plane_number({"T": 0})
    with pytest.raises(VaesrError, match="Axis T is at 2"):
        axes.plane_number({"T": 2, "Z": 0})
    assert axes.plane_number({"T": 1, "Z": 2, "Y": 99}) == 5


def test_default_axes_are_never_guessed():
    assert default_axes(2) == "YX"
    assert default_axes(3, rgb=True) == "YXS"
    assert default_axes(3) is None
    assert default_axes(4, rgb=True) is None
    assert default_axes(2, rgb=True) is None


@pytest.mark.parametrize("names", ["TCZYX", "CYX", "ZYXC", "ZYX", "YX"])
def test_planes_of_a_channel(names):
    axes = Axes.parse(names, [2, 3, 4, 5, 6][: len(names)])
    for channel in range(axes.shape[names.index("C")] if "C" in names else 1):
        expected = [n for n in range(axes.plane_count) if axes.channel_of(n) == channel]
        assert axes.planes_of_channel(channel) == expected


def test_callbacks_of_the_program_have_no_say_in_reading_lazy_pixels():
    called = []
    pixels = np.arange(24).reshape(2, 3, 4)
    source = Source.of(da.from_array(pixels, chunks=(1, 3, 4)) + 0, "ZYX")  # pixels alone are no task
    with Callback(pretask=lambda *about: called.append(about)):
        np.testing.assert_array_equal(
            source.read(Region({"Z": range(1, 2), "Y": range(3), "X": range(4)})), pixels[1:]
        )
        source.axes.read_plane(source.array, 0, slice(None), slice(None))
        assert not called
        np.asarray(source.array)
    assert called


def test_sources_can_be_sent_to_other_processes():
    source = Source.of(np.zeros((3, 4, 5)), "ZYX")
    again = pickle.loads(pickle.dumps(source))
    assert again.axes == source.axes and again.pixel_size == {}


@pytest.mark.parametrize(
    "names, shape, along",
    [
        ("TZYX", (4, 3, 8, 8), "Z"),
        ("TZYX", (4, 1, 8, 8), "T"),
        ("CYX", (2, 8, 8), None),
        ("YX", (8, 8), None),
    ],
)
def test_planes_are_stacked_along_z_and_else_in_time(names, shape, along):
    assert Axes.parse(names, shape).stacked_along == along


@pytest.mark.parametrize(
    ("plane", "letter"), [("YX", "Z"), ("ZX", "Y"), ("ZY", "X"), ("TX", "Y"), ("TY", "X")]
)
def test_an_axis_of_a_volume_lies_across_a_plane(plane, letter):
    assert replace(Axes.parse("TZYX", (2, 3, 4, 5)), plane=plane).across == letter

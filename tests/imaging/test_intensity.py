from __future__ import annotations

import time

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.intensity import (
    IntensityScaling,
    check_array,
    check_finite,
    fit_scalings,
)
from napari_vaesr.imaging.noise import estimate_noise


@given(
    st.sampled_from([np.uint8, np.uint16, np.int16]),
    st.floats(-70_000, 70_000),
    st.floats(1e-3, 1e6),
)
def test_integers_come_back_exactly(dtype, offset, gain):
    limits = np.iinfo(dtype)
    values = np.arange(limits.min, limits.max + 1).astype(dtype)
    scaling = IntensityScaling(offset=offset, gain=gain)
    unit = scaling.to_unit(values)
    assert unit.dtype == np.float32
    back = scaling.from_unit(unit, dtype)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, values)


@given(st.floats(-100, 100), st.floats(1e-2, 1e3), st.integers(0, 2**32 - 1))
def test_floats_come_back_unclipped(offset, gain, seed):
    values = np.random.default_rng(seed).normal(0, 1000, 50)
    scaling = IntensityScaling(offset=offset, gain=gain)
    back = scaling.from_unit(scaling.to_unit(values), np.float32)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, values, rtol=1e-6, atol=1e-6 * (abs(offset) + 1000))


def test_only_the_output_dtype_clips_and_it_rounds():
    scaling = IntensityScaling(offset=10, gain=100)
    unit = np.array([-1, 0.004, 0.006, 3])
    np.testing.assert_array_equal(scaling.from_unit(unit, np.uint8), [0, 10, 11, 255])
    np.testing.assert_allclose(scaling.from_unit(unit, np.float32), [-90, 10.4, 10.6, 310], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.uint64])
def test_clipping_never_wraps_around(dtype):
    limits = np.iinfo(dtype)
    ends = IntensityScaling(offset=0, gain=1).from_unit([-1e30, 7.0, 1e30], dtype)
    assert ends.tolist() == [limits.min, 7, limits.max]


def test_std_keeps_the_gain_but_not_the_offset():
    std = IntensityScaling(offset=1000, gain=200).std_from_unit(np.float32([0, 0.5]))
    assert std.dtype == np.float32 and std.tolist() == [0, 100]


@pytest.mark.parametrize("gain", [0, -1, np.nan, np.inf])
def test_a_gain_that_cannot_be_undone_is_refused(gain):
    with pytest.raises(ValidationError):
        IntensityScaling(offset=0, gain=gain)


def test_methods():
    values = np.linspace(100, 1100, 10_001)
    image = values.reshape(1, -1)
    axes = Axes.parse("YX", image.shape)
    (percentile,) = fit_scalings(image, axes, "percentile")
    assert percentile.offset == pytest.approx(101) and percentile.gain == pytest.approx(998)
    (minmax,) = fit_scalings(image, axes, "minmax")
    assert (minmax.offset, minmax.gain) == (100, 1000)
    assert fit_scalings(image, axes, "dtype") == (minmax,)
    assert fit_scalings(image.astype(np.uint16), axes, "dtype") == (minmax,)
    for unit_range in ((image % 256).astype(np.uint8), image / 1100):
        (full,) = fit_scalings(unit_range, axes, "dtype")
        assert (full.offset, full.gain) == (0, 255 if unit_range.dtype == np.uint8 else 1)


def test_one_scaling_per_channel_and_alpha_left_out():
    image = np.stack([np.linspace(0, top, 64).reshape(8, 8) for top in (1, 10, 100)], axis=-1)
    scalings = fit_scalings(image, Axes.parse("YXC", image.shape), "minmax")
    assert [scaling.gain for scaling in scalings] == [1, 10, 100]
    rgba = np.concatenate([image, np.full((8, 8, 1), 1)], axis=-1)
    assert [s.gain for s in fit_scalings(rgba, Axes.parse("YXS", rgba.shape), "minmax")] == [100]


@pytest.mark.parametrize("method", ["percentile", "minmax", "dtype"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7)])
def test_a_constant_image_works(method, dtype, shape):
    image = np.full(shape, 7, dtype)
    (scaling,) = fit_scalings(image, Axes.parse("YX", shape), method)
    unit = scaling.to_unit(image)
    assert np.isfinite(unit).all()
    np.testing.assert_array_equal(scaling.from_unit(unit, dtype), image)


@pytest.mark.parametrize("value", [0, 1e-300, 0.5, 1 - 2**-24, -3e5, 1e30])
def test_what_is_made_of_constant_floats_is_less_than_float32_tells_apart(value):
    image = np.full((9, 8), value, np.float64)
    (scaling,) = fit_scalings(image, Axes.parse("YX", image.shape), "percentile")
    held = np.float32(value)
    assert scaling.fits_float32 and scaling.gain * 0.01 <= max(float(np.spacing(abs(held))), 1e-30)
    assert scaling.from_unit(0.01, np.float32) == pytest.approx(held, rel=0, abs=1e-30)


def test_floats_that_were_not_all_looked_at_may_be_anything():
    stack = np.full((40, 9, 8), 0.5, np.float32)
    (scaling,) = fit_scalings(stack, Axes.parse("ZYX", stack.shape), "percentile")
    assert scaling.gain == 1


def test_an_almost_empty_image_falls_back_to_its_extremes():
    image = np.zeros((100, 100), np.uint16)
    image[3, 4] = 50
    (scaling,) = fit_scalings(image, Axes.parse("YX", image.shape), "percentile")
    assert (scaling.offset, scaling.gain) == (0, 50)


def test_a_bright_spot_in_the_noise_of_rounding_falls_back_to_its_extremes():
    image = np.random.default_rng(0).random((100, 100)) * 1e-20
    image[3, 4] = 50
    (scaling,) = fit_scalings(image, Axes.parse("YX", image.shape), "percentile")
    assert scaling.offset < 1e-20 and scaling.gain == pytest.approx(50)


def test_lazy_and_eager_agree_from_few_planes():
    image = np.random.default_rng(1).gamma(2, 100, (40, 2, 30, 20)).astype(np.uint16)
    axes = Axes.parse("ZCYX", image.shape)
    read = []

    def block(block_info):
        location = block_info[None]["array-location"]
        read.append(location[0][0])
        return image[tuple(slice(*ends) for ends in location)]

    lazy = da.map_blocks(
        block, chunks=((1,) * 40, (1, 1), 30, 20), dtype=image.dtype, meta=image[:0, :0, :0, :0]
    )
    assert fit_scalings(lazy, axes, "percentile") == fit_scalings(image, axes, "percentile")
    looked_at, neighbours = {0, 6, 11, 17, 22, 28, 33, 39}, {1, 12, 23, 34}
    assert set(read) == looked_at | neighbours


def test_the_sample_is_bounded(monkeypatch):
    monkeypatch.setattr("napari_vaesr.imaging.intensity.VALUES_PER_PLANE", 100)
    monkeypatch.setattr("napari_vaesr.imaging.intensity.NOISE_BLOCK", 10)
    image = np.zeros((50, 40), np.uint8)
    seen = []

    class Watched:
        shape, dtype = image.shape, image.dtype

        def __getitem__(self, key):
            seen.append(image[key].size)
            return image[key]

    fit_scalings(Watched(), Axes.parse("YX", image.shape), "minmax")
    assert sum(seen) <= 100 + 10**2


@pytest.mark.parametrize("shape", [(900, 700), (1200, 1100)], ids=["read once", "read in part"])
@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_white_noise_is_measured_and_structure_is_not(shape, dtype):
    rng = np.random.default_rng(0)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    structure = 2000 + 1500 * np.sin(rows / 30) * np.cos(columns / 25)
    for noise in (0, 60.0):
        image = (structure + noise * rng.standard_normal(shape)).astype(dtype)
        (scaling,) = fit_scalings(image, Axes.parse("YX", shape), "percentile")
        assert scaling.noise * scaling.gain == pytest.approx(noise, abs=3 if dtype is np.float32 else 4)


def test_noise_is_that_of_each_channel_and_of_luma():
    rng = np.random.default_rng(0)
    image = rng.normal(0, 1, (2, 64, 64)) * np.array([1, 4])[:, None, None]
    quiet, loud = fit_scalings(image, Axes.parse("CYX", image.shape), "dtype")
    assert loud.noise * loud.gain == pytest.approx(4 * quiet.noise * quiet.gain, rel=0.1)
    grey = np.repeat(image[0, ..., None], 3, axis=-1)
    (colour,) = fit_scalings(grey, Axes.parse("YXS", grey.shape), "dtype")
    assert colour.noise == pytest.approx(quiet.noise, rel=1e-6)
    assert estimate_noise(image[0, :1]) == 0


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((4, 4), bool), "boolean"),
        (np.zeros((4, 4), complex), "complex"),
        (np.zeros((4, 4), object), "dtype object"),
        (np.zeros((4, 4), "datetime64[s]"), "dtype datetime64"),
        (np.full((4, 4), np.nan), "NaN"),
        (np.full((4, 4), np.inf, np.float32), "NaN or infinite"),
        (np.array([[-1e308, 1e308]]), "from -1e\\+308 to 1e\\+308, are beyond what float32"),
        (np.array([[0, 1e38]]), "float32 can hold"),
        (np.array([[0, 1e-40]]), "float32 can hold"),
    ],
)
def test_bad_images_are_refused_in_one_sentence(image, says):
    with pytest.raises(VaesrError, match=says) as caught:
        fit_scalings(image, Axes.parse("YX", image.shape), "minmax")
    assert str(caught.value).count(". ") == 0


def test_what_float32_can_not_tell_apart_is_refused():
    axes = Axes.parse("YX", (16, 16))
    image = 1e9 + np.random.default_rng(0).random((16, 16))
    with pytest.raises(VaesrError, match=r"differ by .* around 1e\+09, too little.*please subtract"):
        fit_scalings(image, axes, "minmax")
    for fine in (image - image.mean(), image.round().astype(np.int64), image.astype(np.float32)):
        fit_scalings(fine, axes, "minmax")
    (scaling,) = fit_scalings(np.full((16, 16), 1e9), axes, "minmax")
    assert scaling.offset == 1e9


@pytest.mark.parametrize("span", [1, 1000])
def test_whole_numbers_that_float64_can_not_tell_apart_are_refused(span):
    axes = Axes.parse("YX", (16, 16))
    image = np.random.default_rng(0).integers(0, span + 1, (16, 16)) + 2**60
    with pytest.raises(VaesrError, match=r"too little for float64 to tell apart, please subtract"):
        fit_scalings(image, axes, "minmax")
    for fine in (image - 2**60, np.full((16, 16), 2**60), 1000 * image.astype(np.int32)):
        fit_scalings(fine, axes, "minmax")


def test_check_array_knows_empty_and_foreign_shapes():
    axes = Axes.parse("YX", (4, 4))
    with pytest.raises(VaesrError, match="empty"):
        check_array(np.zeros((0, 4)), axes)
    with pytest.raises(VaesrError, match=r"\(5, 4\)"):
        check_array(np.zeros((5, 4)), axes)
    check_array(np.zeros((4, 4)), axes)


def test_the_plane_that_is_not_finite_is_named():
    stack = np.zeros((3, 2, 4, 5), np.float32)
    stack[1, 1, 2, 3] = np.inf
    with pytest.raises(VaesrError, match="infinite values at T 11, C 1, please"):
        check_finite(stack, "TCYX", {"T": 10, "C": 0})
    with pytest.raises(VaesrError, match="infinite values at T 1, C 1, please"):
        fit_scalings(stack, Axes.parse("TCYX", stack.shape), "minmax")
    with pytest.raises(VaesrError, match="infinite values, please"):
        check_finite(stack[1, 1], "YX")


def test_check_finite_passes_integers_and_finite_floats():
    check_finite(np.ones((2, 2), np.uint8))
    check_finite(np.ones((2, 2)))
    with pytest.raises(VaesrError):
        check_finite(np.float32([0, np.nan]))


def test_a_stack_of_many_planes_takes_no_time():
    """napari waits for this when a file is opened."""
    shape = (1000, 2, 500, 1, 1)
    axes = Axes.parse("TCZYX", shape)
    start = time.thread_time()
    fit_scalings(np.broadcast_to(np.uint8(7), shape), axes, "percentile")
    assert time.thread_time() - start < 5


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("places", [[11], [11, 12, 13], [0, 30]])
def test_blank_frames_say_nothing_of_the_others(dtype: str, places: list[int]) -> None:
    cell = np.random.default_rng(0).poisson(60 + 40 * np.eye(48)).astype(dtype)
    movie = np.zeros((31, 48, 48), dtype)
    movie[places] = cell
    (found,) = fit_scalings(movie, Axes("TYX", movie.shape), "minmax")
    (alone,) = fit_scalings(cell, Axes("YX", cell.shape), "minmax")
    assert found.offset == 0 and found.gain == cell.max()
    assert found.noise * found.gain == pytest.approx(alone.noise * alone.gain) and alone.noise > 0


def test_all_frames_may_be_blank() -> None:
    movie = np.zeros((20, 16, 16), np.uint16)
    (found,) = fit_scalings(movie, Axes("TYX", movie.shape), "percentile")
    assert (found.offset, found.gain, found.noise) == (0, 1, 0)

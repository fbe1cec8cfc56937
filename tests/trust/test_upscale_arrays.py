"""Arrays of other libraries, masks and transparency through the Python door."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr

from napari_vaesr import upscale
from napari_vaesr.errors import VaesrError


@pytest.fixture
def small(tiny_model_path):
    def small(image, axes=None, **options):
        return upscale(image, axes, model=tiny_model_path, samples=2, device="cpu", **options)

    return small


PIXELS = np.random.default_rng(0).integers(0, 255, (3, 8, 9)).astype(np.uint8)


@pytest.mark.parametrize("lazy", [False, True])
def test_what_is_masked_is_refused(small, lazy):
    image = np.ma.masked_array(PIXELS[0].astype(float), mask=PIXELS[0] > 200)
    image.data[image.mask] = 1e20
    with pytest.raises(VaesrError, match="masked"):
        small(da.from_array(image, asarray=False) if lazy else image)
    image.mask = False
    assert small(image).mean.shape == (16, 18)


def test_dimensions_of_xarray_are_axes(small):
    xarray = pytest.importorskip("xarray")
    for dims, axes in (
        (("time", "y", "x"), "TYX"),
        (("channel", "row", "col"), "CYX"),
        (("z", "y", "x"), "ZYX"),
    ):
        result = small(xarray.DataArray(PIXELS, dims=dims))
        assert result.axes == axes
        np.testing.assert_array_equal(result.mean, small(PIXELS, axes).mean)
    assert small(xarray.DataArray(PIXELS, dims=("time", "y", "x")), "ZYX").axes == "ZYX"
    with pytest.raises(VaesrError, match="axes"):
        small(xarray.DataArray(PIXELS))


def test_dimensions_of_zarr_are_axes(small):
    array = zarr.create_array({}, data=PIXELS, dimension_names=["z", "y", "x"])
    assert small(array).axes == "ZYX"


@pytest.mark.parametrize("lazy", [False, True])
def test_a_quantity_is_its_numbers(small, lazy):
    pint = pytest.importorskip("pint")
    pixels = da.from_array(PIXELS[0], chunks=5) if lazy else PIXELS[0]
    result = small(pint.UnitRegistry().Quantity(pixels, "count"))
    np.testing.assert_array_equal(result.mean, small(PIXELS[0]).mean)


def test_an_array_that_is_elsewhere_is_one_sentence(small):
    class Far:
        shape, dtype, ndim = (8, 9), np.dtype("f4"), 2

        def __getitem__(self, key):
            return self

        def __array__(self, *args, **kwargs):
            raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    with pytest.raises(VaesrError, match="NumPy array"):
        small(Far())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_is_hidden_has_no_part_in_what_is_seen(small, dtype):
    """Red below transparent pixels, green beside them."""
    opaque = 1.0 if dtype == np.float32 else np.iinfo(dtype).max
    image = np.zeros((12, 12, 4), dtype)
    image[:, :6, 0], image[:, 6:, 1], image[:, 6:, 3] = opaque, opaque / 2, opaque
    result = small(image, "YXS").mean.astype(float) / opaque
    assert result.min() >= 0 and result[..., 3].max() <= 1
    image[:, :6, 0] = 0
    np.testing.assert_array_equal(small(image, "YXS").mean.astype(float) / opaque, result)


def test_opaque_colours_are_as_without_alpha(small):
    colours = np.random.default_rng(0).integers(0, 255, (8, 9, 3)).astype(np.uint8)
    with_alpha = np.concatenate([colours, np.full((8, 9, 1), 255, np.uint8)], -1)
    result = small(with_alpha, "YXS").mean
    np.testing.assert_array_equal(result[..., :3], small(colours, "YXS").mean)
    assert (result[..., 3] == 255).all()


def test_alpha_of_another_range_is_refused(small):
    with pytest.raises(VaesrError, match="alpha"):
        small(np.full((8, 9, 4), 200, np.float32), "YXS")

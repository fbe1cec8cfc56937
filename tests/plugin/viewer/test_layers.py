from __future__ import annotations

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer

from napari_vaesr.engine.result import Result
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.region import Factors
from napari_vaesr.plugin.viewer.layers import (
    layer_tuples,
    lazy_uncertainty_limits,
    uncertainty_limits,
    unique_name,
)


def upscaled_shape(shape, axes, scale):
    factors = Factors.of(scale)
    return tuple(n * factors.along(name) for n, name in zip(shape, axes, strict=True))


oblique = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")  # napari, on showing such a layer


ROTATED = {
    "scale": (2.0, 0.3, 0.5),
    "translate": (5.0, -3.0, 11.0),
    "rotate": (20.0, 30.0, 40.0),
    "shear": (0.1, -0.2, 0.3),
    "affine": np.array([[1.1, 0.2, 0, 3], [0, 0.9, 0.1, -2], [0.05, 0, 1, 7], [0, 0, 0, 1.0]]),
}


@oblique
@pytest.mark.parametrize("scale", [2, 3, 4, {"Z": 3}, {"Z": 4, "Y": 2, "X": 2}], ids=str)
@pytest.mark.parametrize("axes", ["ZYX", "YXZ"])
def test_world_corners_agree_to_a_billionth_of_a_pixel(scale, axes, fake_result, corners):
    layer = Image(np.zeros((4, 6, 8), "uint16"), name="cells", **ROTATED)
    made = layer_tuples(fake_result(upscaled_shape((4, 6, 8), axes, scale)), layer, axes, scale)
    for mean_or_spread in made:
        np.testing.assert_allclose(corners(Layer.create(*mean_or_spread)), corners(layer), rtol=0, atol=3e-10)


@oblique
def test_a_single_plane_lies_where_it_was_in_the_stack(fake_result, corners):
    layer = Image(np.zeros((4, 6, 8), "uint16"), **ROTATED)
    mean, _ = layer_tuples(fake_result((1, 12, 16)), layer, "ZYX", 2, origin={"Z": 3})
    mean = Layer.create(*mean)
    expected = [layer.data_to_world((2.5, -0.5, -0.5)), layer.data_to_world((3.5, 5.5, 7.5))]
    np.testing.assert_allclose(corners(mean), expected, rtol=0, atol=1e-9)
    # A pixel of the source shares its centre with the middle of the block that replaced it.
    np.testing.assert_allclose(mean.data_to_world((0, 4.5, 6.5)), layer.data_to_world((3, 2, 3)), atol=1e-9)


def test_units_labels_and_record_are_kept(fake_result):
    layer = Image(
        np.zeros((4, 6, 8), "uint16"), units=("um", "um", "um"), axis_labels=("z", "y", "x"), name="cells"
    )
    viewer = ViewerModel()
    viewer.add_layer(layer)
    for made in layer_tuples(fake_result((4, 12, 16)), layer, "ZYX", 2):
        viewer.add_layer(Layer.create(*made))
    assert [each.name for each in viewer.layers] == ["cells", "cells x2 mean", "cells x2 std"]
    for made in viewer.layers[1:]:
        assert made.units == layer.units
        assert made.axis_labels == layer.axis_labels
        told = made.metadata["napari_vaesr"]
        assert told["made"] == "by hand" and told["source"]["name"] == "cells"
        assert told["layer"]["role"] == made.name.split()[-1]
    assert len({made.metadata["napari_vaesr"]["layer"]["result"] for made in viewer.layers[1:]}) == 1
    assert viewer.layers.extent.units == layer.units  # napari gives up on units that disagree


def test_the_mean_looks_like_its_source_and_the_spread_does_not_cover_it(fake_result):
    layer = Image(
        np.zeros((6, 8), "uint16"),
        colormap="green",
        contrast_limits=(3, 99),
        gamma=0.7,
        blending="additive",
        opacity=0.6,
        interpolation2d="linear",
    )
    mean, spread = (Layer.create(*made) for made in layer_tuples(fake_result((12, 16)), layer, "YX", 2))
    for attribute in ("contrast_limits", "gamma", "blending", "opacity", "interpolation2d"):
        assert getattr(mean, attribute) == getattr(layer, attribute), attribute
    assert mean.colormap.name == "green" and mean.visible
    assert spread.colormap.name == "inferno" and not spread.visible
    assert spread.contrast_limits[0] == 0 and 4 < spread.contrast_limits[1] <= 5


@pytest.mark.parametrize("rgb", [False, True])
def test_the_bounds_of_an_interval_look_like_the_mean(rgb, fake_result, corners):
    shape = (8, 10, 3) if rgb else (8, 10)
    layer = Image(np.zeros(shape, np.uint8), rgb=rgb, name="cells")
    result = fake_result((16, 20, 3) if rgb else (16, 20), rgb=rgb)
    result = replace(result, uncertainty=np.stack([result.uncertainty, result.uncertainty + 3]))
    mean, lower, upper = (
        Layer.create(*each) for each in layer_tuples(result, layer, "YXS" if rgb else "YX", 2, "interval")
    )
    assert [each.name for each in (lower, upper)] == ["cells x2 lower", "cells x2 upper"]
    assert not lower.visible and not lower.rgb and lower.data.shape == (16, 20)
    np.testing.assert_allclose(upper.data - lower.data, 3, rtol=1e-5)
    assert lower.contrast_limits == layer.contrast_limits
    np.testing.assert_allclose(corners(lower), corners(mean))


def test_a_colour_image_keeps_its_colours_and_has_a_grey_spread(fake_result, corners):
    layer = Image(np.zeros((6, 8, 3), "uint8"), rgb=True)
    mean, spread = (
        Layer.create(*made)
        for made in layer_tuples(fake_result((12, 16, 3), rgb=True, dtype="uint8"), layer, "YXS", 2)
    )
    assert mean.rgb and mean.data.shape == (12, 16, 3)
    assert not spread.rgb and spread.data.shape == (12, 16)
    np.testing.assert_allclose(corners(mean), corners(layer))


def test_three_wide_grey_images_are_not_taken_for_colour(fake_result):
    layer = Image(np.zeros((40, 40, 3), "uint8"), rgb=False)
    mean, spread = (Layer.create(*made) for made in layer_tuples(fake_result((40, 80, 6)), layer, "ZYX", 2))
    assert not mean.rgb and not spread.rgb and mean.ndim == 3


def test_no_uncertainty_no_layer(fake_result):
    layer = Image(np.zeros((6, 8)))
    assert len(layer_tuples(fake_result((12, 16), uncertainty=False), layer, "YX", 2)) == 1


def test_lazy_results_are_not_computed_when_added():
    def explode(block):
        raise AssertionError("computed")

    lazy = da.zeros((4, 12, 16), chunks=(1, 12, 16), dtype="uint16").map_blocks(
        explode, meta=np.zeros((), "uint16")
    )
    layer = Image(np.zeros((4, 6, 8), "uint16"), contrast_limits=(0, 9))
    result = Result(lazy, None, None, {}, "")
    data, attributes, kind = layer_tuples(result, layer, "ZYX", 2)[0]
    assert data.name == lazy.name and attributes["contrast_limits"] == [0, 9] and kind == "image"


def test_names_never_overwrite_a_layer(fake_result):
    assert unique_name("a", ["b"]) == "a"
    assert unique_name("a", ["a", "a [1]"]) == "a [2]"
    layer = Image(np.zeros((6, 8)), name="a")
    taken = ["a", "a x2 mean", "a x2 relative"]
    names = [
        attributes["name"]
        for _, attributes, _ in layer_tuples(
            fake_result((12, 16)), layer, "YX", 2, uncertainty="relative", taken_names=taken
        )
    ]
    assert names == ["a x2 mean [1]", "a x2 relative [1]"]


def test_limits_of_the_uncertainty():
    assert uncertainty_limits(np.zeros((4, 4), "float32")) == (0, 1)
    assert uncertainty_limits(np.full((4, 4), np.nan, "float32")) == (0, 1)
    assert uncertainty_limits(np.full((2, 3000, 3000), 4, "float32")) == (0, 4)
    assert lazy_uncertainty_limits((100, 300), "std") == (0, 20)
    assert lazy_uncertainty_limits((100, 300), "variance") == (0, 400)
    assert lazy_uncertainty_limits((5, 5), "relative")[1] > 0


def test_upscale_layer_without_a_viewer(tiny_model_path, corners):
    from napari_vaesr import upscale, upscale_layer

    pixels = np.random.default_rng(0).integers(0, 4000, (2, 12, 16)).astype("uint16")
    layer = Image(pixels, name="cells", scale=(2, 0.5, 0.5), axis_labels=("z", "y", "x"))
    settings = {
        "model": tiny_model_path,
        "scale": 3,
        "samples": 4,
        "uncertainty": "relative",
        "device": "cpu",
    }
    mean, spread = (Layer.create(*made) for made in upscale_layer(layer, **settings))
    assert [mean.name, spread.name] == ["cells x3 mean", "cells x3 relative"]
    np.testing.assert_array_equal(mean.data, upscale(pixels, "ZYX", **settings).mean)
    np.testing.assert_allclose(corners(mean), corners(layer), atol=1e-9)
    with pytest.raises(VaesrError, match="axes"):
        upscale_layer(Image(pixels, name="cells"), **settings)


def test_a_layer_without_intensities_is_refused(tiny_model_path):
    from napari_vaesr import upscale_layer

    with pytest.raises(VaesrError, match="a layer of Labels"):
        upscale_layer(Labels(np.zeros((8, 9), int), name="nuclei"), model=str(tiny_model_path))


@pytest.mark.parametrize("stepped", ["Z", "Y", "X"])
@pytest.mark.parametrize("scale", [2, 3, 4, 6])
def test_every_plane_of_a_part_is_shown_as_the_slider_steps(scale, stepped, fake_result):
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((40, 40, 40), "uint16"), scale=(0.29, 0.26, 0.26))
    axis = "ZYX".index(stepped)
    shape = [4, 4, 4]
    shape[axis] = 3 * scale
    made = fake_result(tuple(shape))
    made.mean[:] = np.arange(3 * scale).reshape([-1 if each == axis else 1 for each in range(3)])
    tuples = layer_tuples(made, layer, "ZYX", {stepped: scale}, origin={stepped: 37})
    mean = viewer.add_layer(Layer.create(*tuples[0]))
    viewer.dims.order = (axis, *(each for each in range(3) if each != axis))
    shown = set()
    for step in range(37 * scale - scale, viewer.dims.nsteps[axis]):
        viewer.dims.set_current_step(axis, step)
        if not mean._slice.empty:
            shown.add(int(mean._slice.image.view[0, 0]))
    assert shown == set(range(3 * scale))

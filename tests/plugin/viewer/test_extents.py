from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer, Shapes

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.viewer.extents import chosen_extent
from napari_vaesr.plugin.viewer.task import UpscaleTask


@pytest.fixture
def movie():
    """A time lapse of stacks, of pixels that are not square."""
    pixels = np.random.default_rng(0).integers(0, 255, (3, 4, 40, 60)).astype("uint8")
    return Image(pixels, name="movie", scale=(5, 2, 0.5, 0.25), translate=(0, 0, 10, 20))


@pytest.fixture
def viewer(movie):
    viewer = ViewerModel()
    viewer.add_layer(movie)
    viewer.dims.set_current_step(0, 1)
    viewer.dims.set_current_step(1, 2)
    viewer.canvas.size = (100, 200)
    # Rows 10 to 14 and columns 20 to 39: their outer edges fill the window.
    viewer.scene.camera.zoom = 40
    viewer.scene.camera.center = (0, 10 + 0.5 * 12, 20 + 0.25 * 29.5)
    return viewer


@pytest.mark.parametrize(
    ("planes", "expected"),
    [
        ("plane", {"T": range(1, 2), "Z": range(2, 3)}),
        ("time", {"T": range(1, 2)}),
        ("range", {"T": range(3), "Z": range(1, 3)}),
        ("all", {}),
    ],
)
def test_planes(viewer, movie, planes, expected):
    ranges = {"T": (0, 2), "Z": (1, 2)}
    assert chosen_extent(viewer, movie, "TZYX", planes, "whole", ranges) == expected


def test_the_visible_region_is_what_fits_the_window(viewer, movie):
    seen = chosen_extent(viewer, movie, "TZYX", "all", "visible")
    assert seen == {"Y": range(10, 15), "X": range(20, 40)}
    viewer.scene.camera.zoom /= 100
    assert chosen_extent(viewer, movie, "TZYX", "all", "visible") == {"Y": range(40), "X": range(60)}


def test_the_visible_region_of_a_rotated_layer_holds_all_that_is_seen():
    layer = Image(np.zeros((100, 100)), rotate=30, scale=(0.5, 2))
    viewer = ViewerModel()
    viewer.add_layer(layer)
    viewer.scene.camera.zoom = 60
    viewer.scene.camera.center = (0, *layer.data_to_world((50, 50)))
    seen = chosen_extent(viewer, layer, "YX", "all", "visible")
    height, width = np.array(viewer.canvas.size) / 60 / 2
    for y in (-height, height):
        for x in (-width, width):
            row, column = layer.world_to_data(np.add(viewer.scene.camera.center[1:], (y, x)))
            assert seen["Y"].start - 0.5 <= row <= seen["Y"].stop - 0.5
            assert seen["X"].start - 0.5 <= column <= seen["X"].stop - 0.5


def test_other_displays(viewer, movie):
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.shape = (1, 2)
    seen = chosen_extent(viewer, movie, "TZYX", "all", "visible")
    assert seen == {"Y": range(10, 15), "X": range(25, 35)}
    viewer.canvas.grid.enabled = False
    viewer.dims.order = (0, 2, 1, 3)  # a side view, of Z and X
    assert set(chosen_extent(viewer, movie, "TZYX", "all", "visible")) == {"X"}
    viewer.dims.ndisplay = 3
    assert chosen_extent(viewer, movie, "TZYX", "all", "visible") == {}


def test_out_of_view_is_told(viewer, movie):
    viewer.scene.camera.center = (0, 1000, 0)
    with pytest.raises(VaesrError, match="'movie' is not in view"):
        chosen_extent(viewer, movie, "TZYX", "all", "visible")


def test_a_rectangle_drawn_over_the_layer(viewer, movie):
    # From the outer edge of pixel (4, 8) to that of pixel (9, 19), in world units.
    corners = np.array([[10 + 0.5 * 3.5, 20 + 0.25 * 7.5], [10 + 0.5 * 9.5, 20 + 0.25 * 19.5]])
    shapes = Shapes([np.array([[0, 0], [1, 1]]), corners], shape_type="rectangle")
    assert chosen_extent(viewer, movie, "TZYX", "all", "rectangle", shapes=shapes) == {
        "Y": range(4, 10),
        "X": range(8, 20),
    }
    shapes.selected_data = {0}
    with pytest.raises(VaesrError, match="does not touch"):
        chosen_extent(viewer, movie, "TZYX", "all", "rectangle", shapes=shapes)
    for nothing in (None, Shapes()):
        with pytest.raises(VaesrError, match="Draw a rectangle"):
            chosen_extent(viewer, movie, "TZYX", "all", "rectangle", shapes=nothing)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_an_extent_is_in_its_place_to_a_billionth_of_a_pixel(tiny_model_path, finished):
    layer = Image(
        np.random.default_rng(1).integers(0, 255, (3, 20, 30)).astype("uint8"),
        scale=(2.0, 0.3, 0.5),
        translate=(5.0, -3.0, 11.0),
        rotate=(20.0, 30.0, 40.0),
        shear=(0.1, -0.2, 0.3),
        affine=np.array([[1.1, 0.2, 0, 3], [0, 0.9, 0.1, -2], [0.05, 0, 1, 7], [0, 0, 0, 1.0]]),
    )
    settings = make_settings(model=str(tiny_model_path), samples=3, device="cpu", precision="float32")
    extent = {"Z": range(1, 3), "Y": range(4, 11), "X": range(7, 19)}
    task = UpscaleTask(layer, "ZYX", settings, extent, keep_samples=True)
    mean, spread, samples = (Layer.create(*made) for made in task.layers(finished(task), []))
    whole = finished(UpscaleTask(layer, "ZYX", settings))
    assert np.abs(mean.data.astype(int) - whole.mean[1:3, 8:22, 14:38]).max() <= 1
    assert samples.data.shape == (3, *mean.data.shape)
    for inside, source in (((-0.5,) * 3, (0.5, 3.5, 6.5)), ((1.5, 13.5, 23.5), (2.5, 10.5, 18.5))):
        expected = layer.data_to_world(source)
        for made in (mean, spread):
            np.testing.assert_allclose(made.data_to_world(inside), expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(samples.data_to_world((2, *inside)), (2, *expected), rtol=0, atol=1e-9)


def test_nothing_outside_of_the_extent_is_computed(movie, tiny_model_path):
    settings = make_settings(model=str(tiny_model_path), samples=2, device="cpu")
    whole = next(step.total for step in UpscaleTask(movie, "TZYX", settings).steps() if step.total)
    part = {"T": range(1, 2), "Z": range(2, 3), "Y": range(10, 15), "X": range(20, 40)}
    steps = [step for step in UpscaleTask(movie, "TZYX", settings, part).steps() if step.total]
    assert steps[-1].done == steps[-1].total == whole / 12 * (5 * 20) / (40 * 60)


@pytest.mark.parametrize("other", [("nm", "nm", "nm"), ("um", "nm", "nm")], ids=["beside", "of its own"])
def test_what_is_on_show_where_the_viewer_measures_in_another_unit(other):
    """napari shows micrometres in nanometres as soon as a layer, or an axis, has these."""
    pixels = np.zeros((9, 40, 60), "uint8") + np.arange(9, dtype="uint8")[:, None, None]
    viewer = ViewerModel()
    viewer.canvas.size = (100, 200)
    own = ("um",) * 3 if other[0] == "nm" else other
    sizes = {"um": 1.0, "nm": 1000.0}
    layer = viewer.add_image(
        pixels, scale=[size * sizes[unit] for size, unit in zip((2, 0.5, 0.25), own, strict=True)], units=own
    )
    viewer.add_image(pixels, scale=(2000, 500, 250), units=("nm",) * 3)
    viewer.dims.set_point(0, 3 * 2000)
    assert np.all(np.asarray(layer._slice.image.raw) == 3), "napari shows plane 3"
    # Rows 10 to 14 and columns 20 to 39: their outer edges fill the window.
    viewer.scene.camera.zoom = 0.04
    viewer.scene.camera.center = (0, 500 * 12, 250 * 29.5)
    expected = {"Z": range(3, 4), "Y": range(10, 15), "X": range(20, 40)}
    assert chosen_extent(viewer, layer, "ZYX", "plane", "visible") == expected
    corners = np.array([[0.5 * 9.5, 0.25 * 19.5], [0.5 * 14.5, 0.25 * 39.5]])
    shapes = viewer.add_shapes([corners], shape_type="rectangle", units=("um", "um"))
    assert chosen_extent(viewer, layer, "ZYX", "plane", "rectangle", shapes=shapes) == expected


@pytest.mark.filterwarnings("ignore:Non-orthogonal")
@pytest.mark.parametrize("place", [(1, 0), (0, 1)], ids=["planes shifted", "planes tilted"])
def test_what_napari_shows_of_a_sheared_stack_is_meant(place):
    affine = np.eye(4)
    affine[place] = 2
    affine[:3, 3] = 5, 0, 9
    pixels = np.arange(8 * 20 * 20).reshape(8, 20, 20)
    viewer = ViewerModel()
    layer = viewer.add_image(pixels, affine=affine)
    viewer.canvas.size, viewer.scene.camera.zoom = (60, 60), 10
    viewer.scene.camera.center = (0, 10.5, 9 + 10.5)  # rows and columns 8 to 13, as they are drawn
    shapes = viewer.add_shapes([np.array([[7.5, 9 + 7.5], [13.5, 9 + 13.5]])])
    for point in (5, 9):
        viewer.dims.point = (point, *viewer.dims.point[1:])
        seen = np.asarray(layer._slice.image.raw)[19, 19] // 400
        expected = {"Z": range(seen, seen + 1), "Y": range(8, 14), "X": range(8, 14)}
        assert chosen_extent(viewer, layer, "ZYX", "plane", "visible") == expected
        assert chosen_extent(viewer, layer, "ZYX", "plane", "rectangle", shapes=shapes) == expected

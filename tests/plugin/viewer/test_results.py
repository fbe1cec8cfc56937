from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Layer, Shapes

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.inspect.line_profile import line_of, line_profile
from napari_vaesr.plugin.viewer.layers import STD_KEY
from napari_vaesr.plugin.viewer.results import result_of, results
from napari_vaesr.plugin.viewer.sources import source_of
from napari_vaesr.plugin.viewer.status import show_std_in_status, std_at_cursor
from napari_vaesr.plugin.viewer.task import UpscaleTask


def make(viewer, layer, axes, model_path, extent=None, **changes):
    """Upscale and add the layers; returns the result as found among the layers, and as the engine gave it."""
    settings = make_settings(
        **{"model": str(model_path), "samples": 4, "device": "cpu", "precision": "float32", **changes}
    )
    task = UpscaleTask(layer, axes, settings, extent or {})
    steps = task.steps()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made = end.value
            break
    viewer.layers.extend(Layer.create(*each) for each in task.layers(made, []))
    return results(viewer.layers)[-1], made


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def cells(viewer):
    pixels = np.random.default_rng(0).integers(100, 4000, (3, 12, 16)).astype("uint16")
    return viewer.add_image(pixels, name="cells", scale=(2, 0.5, 0.25), units=("um",) * 3)


@pytest.mark.parametrize("kind", ["std", "variance", "relative", "interval"])
@pytest.mark.parametrize("kept", [True, False], ids=["with its std", "from what is shown"])
def test_every_kind_follows_from_any_other(viewer, cells, tiny_model_path, kind, kept):
    shown, made = make(viewer, cells, "ZYX", tiny_model_path, uncertainty=kind)
    if not kept:
        for layer in shown.uncertainty:
            layer.metadata.pop(STD_KEY, None)
    # A mean of integers was rounded and clipped after the relative uncertainty had been taken.
    sure = np.ones(made.std.shape, bool) if kept or kind != "relative" else made.mean > 500
    reach = made.record["calibration"][0]["interval"]
    for name, expected in (("std", made.std), ("variance", made.std**2), ("width", 2 * reach * made.std)):
        np.testing.assert_allclose(shown.map(name)[sure], expected[sure], rtol=5e-3, atol=0.1)
    relative, _ = make(ViewerModel(), cells, "ZYX", tiny_model_path, uncertainty="relative")
    bright = made.mean > 500
    np.testing.assert_allclose(
        shown.map("relative")[bright], np.asarray(relative.uncertainty[0].data)[bright], rtol=0.01
    )


def test_channels_have_their_own_darkest_intensity(viewer, tiny_model_path):
    pixels = np.random.default_rng(0).random((2, 8, 10)).astype("float32") * [[[1]], [[1000]]]
    layer = viewer.add_image(pixels.astype("float32"), name="two")
    shown, made = make(viewer, layer, "CYX", tiny_model_path, uncertainty="relative")
    np.testing.assert_allclose(shown.map("relative"), made.uncertainty, rtol=1e-4)
    part, made = make(viewer, layer, "CYX", tiny_model_path, {"C": range(1, 2)}, uncertainty="relative")
    np.testing.assert_allclose(part.map("relative"), made.uncertainty, rtol=1e-4)


def test_colour_and_lazy_results(viewer, tiny_model_path):
    pixels = np.random.default_rng(0).integers(0, 255, (8, 10, 3)).astype("uint8")
    layer = viewer.add_image(pixels, rgb=True, name="tissue")
    shown, made = make(viewer, layer, "YXS", tiny_model_path)
    assert shown.luma().shape == made.std.shape == (16, 20)
    assert shown.map("relative").shape == (16, 20)
    shown.mean.data = da.from_array(shown.mean.data)
    shown.uncertainty[0].data = da.from_array(shown.uncertainty[0].data)
    for kind in ("variance", "relative", "width"):
        assert isinstance(shown.map(kind), da.Array)


def test_results_are_found_by_what_they_are_not_by_name(viewer, cells, tiny_model_path):
    first, _ = make(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    second, _ = make(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1, 2)})
    first.mean.name, first.uncertainty[0].name = "a", "b"
    viewer.layers.move(1, 4)
    assert {each.identity for each in results(viewer.layers)} == {first.identity, second.identity}
    assert result_of(second.uncertainty[0], viewer.layers).mean is second.mean
    assert result_of(cells, viewer.layers) is None
    viewer.layers.remove(first.uncertainty[0])
    assert [each.identity for each in results(viewer.layers)] == [second.identity]


def test_the_source_is_found_after_it_was_renamed(viewer, cells, tiny_model_path):
    shown, _ = make(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    assert source_of(shown.record, viewer.layers) is cells
    cells.name = "renamed"
    assert source_of(shown.record, viewer.layers) is cells
    other = viewer.add_image(cells.data + np.uint16(7), name="of the same size")
    viewer.layers.move(viewer.layers.index(other), 0)
    assert source_of(shown.record, viewer.layers) is cells
    viewer.layers.remove(cells)
    assert source_of(shown.record, viewer.layers) is None


def test_the_source_is_found_by_a_record_that_tells_less_of_its_intensities(viewer, cells, tiny_model_path):
    shown, _ = make(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    older = [{name: each[name] for name in ("offset", "gain", "noise")} for each in shown.record["intensity"]]
    cells.name = "renamed"
    assert source_of({**shown.record, "intensity": older}, viewer.layers) is cells
    darker = [{**each, "offset": each["offset"] - 7} for each in older]
    assert source_of({**shown.record, "intensity": darker}, viewer.layers) is None


def test_the_status_bar_shows_value_and_std(viewer, cells, tiny_model_path):
    shown, made = make(viewer, cells, "ZYX", tiny_model_path)
    show_std_in_status(viewer)
    show_std_in_status(viewer)
    viewer.layers.selection.active = shown.mean
    viewer.mouse_over_canvas = True
    viewer.cursor.position = shown.mean.data_to_world((1, 5, 7))
    viewer.update_status_from_cursor()
    expected = f"{made.mean[1, 5, 7]} ± {made.std[1, 5, 7]:.3g}"
    assert viewer.status["coordinates"].endswith(expected), viewer.status
    assert std_at_cursor(viewer) == made.std[1, 5, 7]
    viewer.layers.selection.active = cells
    viewer.update_status_from_cursor()
    assert "±" not in viewer.status["coordinates"]
    viewer.layers.selection.active = shown.mean
    viewer.cursor.position = (0, 1000, 1000)
    viewer.update_status_from_cursor()
    assert std_at_cursor(viewer) is None


def test_a_profile_reads_mean_and_band_along_the_line(viewer, cells, tiny_model_path):
    shown, made = make(viewer, cells, "ZYX", tiny_model_path)
    ends = [shown.mean.data_to_world((0, 5, first))[1:] for first in (3, 13)]
    shapes = Shapes([np.array(ends)], shape_type="line")
    point = shown.mean.data_to_world((2, 0, 0))
    profile = line_profile(shown, line_of(shapes, viewer.dims.units), point, (1, 2), viewer.dims.units)
    reach = made.record["calibration"][0]["interval"]
    np.testing.assert_allclose(profile.mean, made.mean[2, 5, 3:14], rtol=1e-6)
    half = reach * made.std[2, 5, 3:14]
    np.testing.assert_allclose(profile.upper, made.mean[2, 5, 3:14] + half, rtol=1e-4)
    np.testing.assert_allclose(profile.lower, made.mean[2, 5, 3:14] - half, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(profile.distance, np.arange(11) * 0.125, atol=1e-9)
    assert profile.unit == "µm"


def test_another_layer_of_a_smaller_unit_changes_no_place(viewer, cells, tiny_model_path):
    shown, made = make(viewer, cells, "ZYX", tiny_model_path)
    viewer.add_image(np.zeros((40, 50)), scale=(100, 100), units=("nm", "nm"))
    assert f"{viewer.dims.units[-1]:~P}" == "nm"
    viewer.dims.set_point(0, 4000)
    viewer.layers.selection.active = shown.mean
    micrometres = np.array(shown.mean.data_to_world((2, 5, 7)))
    viewer.cursor.position = 1000 * micrometres
    assert std_at_cursor(viewer) == made.std[2, 5, 7]
    ends = [shown.mean.data_to_world((0, 5, first))[1:] for first in (3, 13)]
    for line, unit in ((np.array(ends), "um"), (1000 * np.array(ends), "nm")):
        shapes = viewer.add_shapes([line], shape_type="line", units=(unit, unit))
        profile = line_profile(
            shown, line_of(shapes, viewer.dims.units), viewer.dims.point, (1, 2), viewer.dims.units
        )
        np.testing.assert_allclose(profile.mean, made.mean[2, 5, 3:14], rtol=1e-6)
        np.testing.assert_allclose(profile.distance, np.arange(11) * 125, atol=1e-6)
        assert profile.unit == "nm"


def test_a_profile_of_a_lazy_result_computes_the_box_around_the_line(viewer, cells, tiny_model_path):
    shown, made = make(viewer, cells, "ZYX", tiny_model_path)
    computed = []

    def block(values, block_id):
        computed.append(block_id)
        return values

    blocks = da.from_array(made.mean, chunks=(1, 8, 8))
    shown.mean.data = blocks.map_blocks(
        block, dtype=made.mean.dtype, meta=np.empty((0,) * 3, made.mean.dtype)
    )
    computed.clear()
    line = [shown.mean.data_to_world((0, 9, first)) for first in (1, 6)]
    line_profile(shown, line, shown.mean.data_to_world((1, 0, 0)), (1, 2), viewer.dims.units)
    assert set(computed) <= {(1, 1, 0)}


def test_a_line_beside_the_result_is_told(viewer, cells, tiny_model_path):
    shown, _ = make(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
    line = [shown.mean.data_to_world((0, 5, 3)), shown.mean.data_to_world((0, 5, 9))]
    with pytest.raises(VaesrError, match="does not touch"):
        line_profile(shown, line, cells.data_to_world((2, 0, 0)), (1, 2), viewer.dims.units)


def test_the_selected_line_is_taken_and_other_shapes_are_not():
    lines = [np.array([[0, 0], [1, 1]]), np.array([[2, 2], [3, 3.0]])]
    shapes = Shapes(lines, shape_type="line")
    shapes.add([[0, 0], [0, 1], [1, 1], [1, 0]], shape_type="rectangle")
    np.testing.assert_array_equal(line_of(shapes, None), lines[1])
    shapes.selected_data = {0, 2}
    np.testing.assert_array_equal(line_of(shapes, None), lines[0])
    assert line_of(Shapes(), None) is None and line_of(None, None) is None


def test_layers_of_others_are_passed_over(viewer):
    viewer.add_image(np.zeros((4, 4)), metadata={"napari_vaesr": "something else"})
    viewer.add_layer(Image(np.zeros((4, 4)), metadata={"napari_vaesr": {"made": "before"}}))
    assert results(viewer.layers) == []

"""Mean and band along a line that was drawn."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.layers import Shapes

from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.inspect.line_profile import line_of, line_profile
from napari_vaesr.plugin.viewer.status import std_at_cursor


def test_a_profile_reads_mean_and_band_along_the_line(make_result, viewer, cells, tiny_model_path):
    shown, made = make_result(viewer, cells, "ZYX", tiny_model_path)
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


def test_another_layer_of_a_smaller_unit_changes_no_place(make_result, viewer, cells, tiny_model_path):
    shown, made = make_result(viewer, cells, "ZYX", tiny_model_path)
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


def test_a_profile_of_a_lazy_result_computes_the_box_around_the_line(
    make_result, viewer, cells, tiny_model_path
):
    shown, made = make_result(viewer, cells, "ZYX", tiny_model_path)
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


def test_a_line_beside_the_result_is_told(make_result, viewer, cells, tiny_model_path):
    shown, _ = make_result(viewer, cells, "ZYX", tiny_model_path, {"Z": range(1)})
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

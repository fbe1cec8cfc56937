"""The status bar tells the standard deviation under the cursor."""

from __future__ import annotations

from napari_vaesr.plugin.viewer.status import show_std_in_status, std_at_cursor


def test_the_status_bar_shows_value_and_std(make_result, viewer, cells, tiny_model_path):
    shown, made = make_result(viewer, cells, "ZYX", tiny_model_path)
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

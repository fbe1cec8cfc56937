from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer
from napari.utils.theme import get_theme
from PIL import Image
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.inspect.panel import InspectPanel
from napari_vaesr.plugin.viewer.look import relative_of
from napari_vaesr.plugin.viewer.task import UpscaleTask
from napari_vaesr.trust.certainty import least_sure_tenth


@pytest.fixture(scope="session")
def upscale(finished):
    def upscale(viewer, layer, tiny_model_path, extent=None, **changes):
        settings = make_settings(
            **{
                "model": str(tiny_model_path),
                "samples": 4,
                "device": "cpu",
                "precision": "float32",
                **changes,
            }
        )
        task = UpscaleTask(layer, "ZYX", settings, extent or {})
        taken = [each.name for each in viewer.layers]
        layers = [Layer.create(*each) for each in task.layers(finished(task), taken)]
        viewer.layers.extend(layers)
        return layers

    return upscale


@pytest.fixture
def cells(viewer):
    pixels = np.random.default_rng(0).integers(100, 4000, (3, 12, 16)).astype("uint16")
    layer = viewer.add_image(pixels, name="cells", scale=(2, 0.5, 0.5), units=("um",) * 3)
    viewer.dims.set_current_step(0, 1)
    return layer


@pytest.fixture
def panel(viewer, cells, tiny_model_path, qtbot, upscale):
    upscale(viewer, cells, tiny_model_path)
    panel = InspectPanel(viewer)
    qtbot.addWidget(panel.native)
    return panel


def test_without_a_result_the_panel_says_what_to_do(viewer, qtbot, cells, tiny_model_path, upscale):
    panel = InspectPanel(viewer)
    qtbot.addWidget(panel.native)
    assert panel.result is None and "Upscale an image" in panel.status.value
    assert not panel.maps.enabled and not panel.origin.enabled
    mean, _ = upscale(viewer, cells, tiny_model_path)
    assert (
        panel.result is not None
        and panel.result.mean is mean
        and panel.maps.enabled
        and not panel.status.value
    )


def test_everything_has_a_tooltip(panel):
    for section in (panel.maps, panel.profile, panel.samples):
        assert all(each.tooltip for each in section)
    assert panel.choice.tooltip and panel.origin.python_button.tooltip


def test_a_record_that_is_complete_only_in_the_end_is_told(panel):
    mean = panel.result.mean
    told = mean.metadata[KEY]
    mean.metadata = {**mean.metadata, KEY: {**told, "settings": {**told["settings"], "seed": 77}}}
    assert "seed 77" in panel.origin.words.value


def test_the_result_of_the_active_layer_is_chosen_and_kept(viewer, cells, tiny_model_path, qtbot, upscale):
    first, _ = upscale(viewer, cells, tiny_model_path)
    upscale(viewer, cells, tiny_model_path, seed=1)
    viewer.layers.selection.active = first
    panel = InspectPanel(viewer)
    qtbot.addWidget(panel.native)
    assert panel.result.mean is first
    upscale(viewer, cells, tiny_model_path, seed=2)
    first.name = "renamed"
    panel.reset_choices()
    assert panel.result.mean is first
    viewer.layers.remove(first)
    assert panel.result is not None and panel.result.mean is not first
    viewer.layers.clear()
    assert panel.result is None


@pytest.mark.parametrize("kind", ["variance", "relative", "width"])
def test_another_kind_replaces_the_map_and_goes_back(viewer, panel, kind):
    layer = panel.result.uncertainty[0]
    before = np.array(layer.data)
    panel.maps.kind.value = kind
    assert layer.name == f"cells x2 {kind}" and len(viewer.layers) == 3
    assert not np.allclose(layer.data, before)
    assert layer.contrast_limits[1] == pytest.approx(float(np.percentile(layer.data, 99.8)), rel=1e-5)
    panel.maps.kind.value = "std"
    np.testing.assert_array_equal(layer.data, before)
    assert layer.name == "cells x2 std"


def test_an_interval_gets_a_map_beside_its_bounds(viewer, cells, tiny_model_path, qtbot, upscale):
    mean, lower, upper = upscale(viewer, cells, tiny_model_path, uncertainty="interval")
    panel = InspectPanel(viewer)
    qtbot.addWidget(panel.native)
    assert panel.maps.kind.value == "width"
    panel.maps.visible_map.value = True
    (made,) = (layer for layer in viewer.layers if layer.name == "cells x2 width")
    np.testing.assert_allclose(made.data, upper.data - lower.data, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(made.data_to_world((0, 1, 2)), mean.data_to_world((0, 1, 2)))
    assert made.visible and made.colorbar.visible and panel.result.uncertainty == (made,)


def test_the_colour_bar_comes_with_the_map(panel):
    layer = panel.result.uncertainty[0]
    panel.maps.visible_map.value = True
    assert layer.visible and layer.colorbar.visible
    panel.maps.visible_map.value = False
    assert not layer.visible and not layer.colorbar.visible


def test_hatching_begins_with_the_least_sure_tenth_and_moves_with_the_slider(viewer, panel):
    relative = relative_of(panel.result)
    assert panel.maps.threshold.value == min(max(round(100 * least_sure_tenth(relative)), 1), 100)
    panel.maps.veil.value = True
    (veil,) = (layer for layer in viewer.layers if layer.name == "cells x2 unsure")
    mean = panel.result.mean
    assert viewer.layers.index(veil) == viewer.layers.index(mean) + 1
    on_stripes = veil.data > 0
    assert 0.1 < on_stripes.mean() < 0.5  # the mean is seen between them
    np.testing.assert_array_equal(veil.data[on_stripes], relative[on_stripes])
    for percent in (20, 60):
        panel.maps.threshold.value = percent
        low, high = veil.contrast_limits
        assert low < percent / 100 < high
        values = veil.data.ravel()
        opacity = veil.colormap.map(np.clip((values - low) / (high - low), 0, 1))[:, 3]
        assert (opacity[values > high] == 1).all() and (opacity[values < low] == 0).all()
        assert f"{100 * (relative > percent / 100).mean():.0f} % of the pixels" in panel.status.value
    np.testing.assert_allclose(veil.data_to_world((1, 2, 3)), mean.data_to_world((1, 2, 3)))
    panel.maps.veil.value = False
    assert veil not in viewer.layers


def test_a_line_is_plotted_and_followed(viewer, panel, qtbot):
    viewer.canvas.size = (200, 200)
    viewer.scene.camera.zoom = 25
    viewer.scene.camera.center = (0, 3, 4)
    panel.profile.button.native.click()
    qtbot.waitUntil(lambda: panel.profile.plot.profile is not None, timeout=60000)
    first = panel.profile.plot.profile
    assert first.unit == "µm" and first.distance[-1] == pytest.approx(4, abs=0.3)
    shapes = viewer.layers["profile line"]
    shapes.data = [shapes.data[0] + [1, 0]]
    qtbot.waitUntil(lambda: panel.profile.plot.profile is not first, timeout=60000)
    second = panel.profile.plot.profile
    viewer.dims.set_current_step(0, 2)
    qtbot.waitUntil(lambda: panel.profile.plot.profile is not second, timeout=60000)
    viewer.theme = "light"
    qtbot.waitUntil(
        lambda: panel.profile.plot.ground == get_theme("light").background.as_hex(), timeout=60000
    )
    viewer.layers.remove(shapes)
    qtbot.waitUntil(lambda: panel.profile.plot.profile is None, timeout=60000)


def draw(panel, qtbot):
    panel.samples.draw_button.native.click()
    qtbot.waitUntil(lambda: not panel.samples.runner.is_running, timeout=60000)


def test_samples_of_what_is_visible_are_a_layer_that_plays(viewer, panel, cells, qtbot):
    viewer.canvas.size = (100, 100)
    viewer.scene.camera.zoom = 25  # 8 x 8 pixels
    viewer.scene.camera.center = (0, 0.5 * 5.5, 0.5 * 7.5)
    panel.samples.number.value = 6
    draw(panel, qtbot)
    samples = viewer.layers["cells x2 samples"]
    assert samples.data.shape == (6, 1, 16, 16) and samples.axis_labels[0] == "sample"
    assert viewer.scene.camera.zoom == 25
    np.testing.assert_allclose(samples.data_to_world((2, 0, 0.5, 0.5)), (2, *cells.data_to_world((1, 2, 4))))
    # Four samples made the mean: the first four of these are they.
    mean = np.asarray(panel.result.mean.data)[1, 4:20, 8:24]
    drawn = samples.data[:4, 0]
    whole = (drawn > 0).all(axis=0)  # integers are clipped at 0
    np.testing.assert_allclose(drawn.mean(axis=0)[whole], mean[whole], atol=2)
    assert viewer.dims.ndim == 4
    start = viewer.dims.current_step[0]
    panel.samples.play_button.native.click()
    qtbot.waitUntil(lambda: viewer.dims.current_step[0] != start, timeout=60000)
    assert panel.samples.is_playing
    viewer.layers.remove(samples)
    qtbot.waitUntil(lambda: not panel.samples.is_playing, timeout=60000)


def test_of_a_result_of_a_part_samples_are_of_that_part(viewer, cells, tiny_model_path, qtbot, upscale):
    part = {"Z": range(1, 2), "Y": range(4, 10), "X": range(2, 12)}
    mean, _ = upscale(viewer, cells, tiny_model_path, part)
    panel = InspectPanel(viewer)
    qtbot.addWidget(panel.native)
    viewer.canvas.size = (400, 400)
    viewer.scene.camera.zoom = 400 / 6  # 12 x 12 pixels, of which the result has 6 x 8
    viewer.scene.camera.center = (0, 0.5 * 4.5, 0.5 * 5.5)
    draw(panel, qtbot)
    samples = viewer.layers["cells x2 samples"]
    assert samples.data.shape == (16, 1, 12, 20)
    np.testing.assert_allclose(samples.extent.world[:, 1:], mean.extent.world)
    viewer.dims.set_current_step(1, 0)
    draw(panel, qtbot)
    assert panel.samples._viewer.layers[-1] is samples
    assert panel.status.value.startswith("'cells x2 mean' does not reach what is on show")


def test_samples_need_the_source(viewer, panel, cells):
    viewer.layers.remove(cells)
    panel.samples.draw_button.native.click()
    assert "'cells' is no longer there" in panel.status.value and not panel.samples.runner.is_running


def test_drawing_samples_is_cancelled(viewer, panel, qtbot):
    panel.samples.draw_button.native.click()
    assert panel.samples.draw_button.text == "Cancel"
    panel.samples.draw_button.native.click()
    qtbot.waitUntil(lambda: not panel.samples.runner.is_running, timeout=60000)
    assert len(viewer.layers) == 3 and panel.samples.draw_button.text == "Draw"


def test_the_source_removed_while_samples_are_drawn(viewer, panel, cells, qtbot):
    panel.samples.draw_button.native.click()
    viewer.layers.remove(cells)
    qtbot.waitUntil(lambda: not panel.samples.runner.is_running, timeout=60000)
    assert len(viewer.layers) == 2


def test_python_is_copied_and_what_cannot_be_is_told(panel):
    panel.origin.python_button.native.click()
    assert "upscale(" in QApplication.clipboard().text()
    panel.origin.command_button.native.click()
    assert "no command line" in panel.status.value
    assert "Model test-tiny" in panel.origin.words.value


def test_from_the_menu_in_a_window_that_is_closed_while_samples_are_drawn(
    window, tiny_model_path, qtbot, upscale
):
    from napari._app_model import get_app_model

    layer = window.add_image(np.random.default_rng(0).integers(0, 255, (2, 64, 64)).astype("uint16"))
    upscale(window, layer, tiny_model_path)
    get_app_model().commands.execute_command("napari-vaesr.inspect").result()
    (dock,) = (each for name, each in window.window._wrapped_dock_widgets.items() if "Inspect" in name)
    panel = dock.inner_widget()
    panel.samples.draw_samples()
    panel.samples.play()
    runner = panel.samples.runner
    dock.destroyOnClose()
    qtbot.waitUntil(lambda: not runner.is_running, timeout=60000)
    upscale(window, layer, tiny_model_path)
    assert not [each for each in window.layers if "samples" in each.name]


@pytest.mark.parametrize("name", ["typed", "typed.v2"])
def test_what_is_saved_without_an_ending_can_be_opened(viewer, panel, qtbot, monkeypatch, tmp_path, name):
    monkeypatch.setattr(
        QFileDialog,
        "getSaveFileName",
        lambda parent, title, start, filters: (str(tmp_path / name), filters.split(";;")[0]),
    )
    export = panel.export
    panel.profile.add_line()
    panel.profile.draw()
    draw(panel, qtbot)
    buttons = (export.figure_button, export.movie_button, export.profile_button)
    for button, kind in zip(buttons, ("png", "gif", "csv"), strict=True):
        button.native.click()
        file = tmp_path / f"{name}.{kind}"
        assert panel.status.value == f"Saved {file.name}." and file.stat().st_size > 0
    with Image.open(tmp_path / f"{name}.png") as figure, Image.open(tmp_path / f"{name}.gif") as movie:
        assert figure.format == "PNG" and movie.format == "GIF"
    assert (tmp_path / f"{name}.csv").read_text().startswith("distance (µm),mean")
    # The same again, over files that are there: nothing is written unasked.
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    viewer.dims.set_current_step(1, 0)  # another plane; the first axis is that of the samples
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.No)
    for button in buttons:
        button.native.click()
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    monkeypatch.setattr(QMessageBox, "question", lambda *_: QMessageBox.StandardButton.Yes)
    export.figure_button.native.click()
    assert (tmp_path / f"{name}.png").read_bytes() != before[tmp_path / f"{name}.png"]


def test_what_cannot_be_saved_is_told(panel, monkeypatch, tmp_path, messages):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "typed"), ""))
    panel.export.movie_button.native.click()
    panel.export.profile_button.native.click()
    assert ["no samples" in messages()[0], "no line" in messages()[1]] == [True, True]
    assert not list(tmp_path.iterdir())


def test_a_line_is_measured_on_samples(panel, viewer, cells, qtbot):
    """Along the line, the mean of the samples' profiles is that of the result: the same pixels are read."""
    panel.profile.add_line()
    panel.profile.draw()
    profile = panel.profile.plot.profile
    panel.profile.measures.measure()
    qtbot.waitUntil(lambda: not panel.profile.measures.runner.is_running, timeout=60000)
    words = panel.profile.measures.words.value
    assert words.startswith("Width at half maximum") and f"{profile.mean.mean():.0f}" in words
    viewer.dims.set_current_step(0, 0)
    panel.profile.draw()
    assert not panel.profile.measures.words.value, "that of another plane is forgotten"
    viewer.layers.remove(cells)
    panel.profile.measures.measure()
    assert "no longer there" in panel.status.value

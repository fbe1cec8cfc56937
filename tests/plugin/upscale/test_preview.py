from __future__ import annotations

import time

import numpy as np
import pytest

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.plugin.upscale.pace import _speed_key
from napari_vaesr.plugin.upscale.preview import live_settings
from napari_vaesr.vae.config import NetworkConfig


@pytest.fixture
def stack(viewer):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 48, 64)).astype("uint16")
    viewer.add_image(pixels, name="cells", scale=(2, 0.5, 0.5), units=("um",) * 3)
    viewer.canvas.size = (200, 200)
    viewer.dims.set_current_step(0, 2)
    look_at(viewer, 24, 32)
    return viewer.layers[0]


def look_at(viewer, row, column, side=16):
    """Fill the window with a square of the source."""
    viewer.scene.camera.zoom = 200 / (0.5 * side)
    viewer.scene.camera.center = (0, 0.5 * (row - 0.5), 0.5 * (column - 0.5))


def previewed(widget, qtbot):
    """Wait for a preview, and return its layers."""
    qtbot.waitUntil(lambda: not widget.preview.runner.is_running, timeout=60000)
    return [layer for layer in widget._viewer.layers if "preview" in layer.name]


def test_a_preview_is_what_the_run_gives_there(viewer, stack, qtbot, make_widget):
    widget = make_widget(viewer)
    widget.preview.button.native.click()
    mean, spread = previewed(widget, qtbot)
    assert [mean.name, spread.name] == [f"cells x2 preview {role} (test-tiny)" for role in ("mean", "std")]
    assert mean.data.shape == (1, 32, 32) and mean.visible and not spread.visible
    assert "16 × 16 pixels" in widget.status.value
    np.testing.assert_allclose(mean.data_to_world((0, 0.5, 0.5)), stack.data_to_world((2, 16, 24)))
    assert list(viewer.layers).index(mean) == 1

    widget.run_button.native.click()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60000)
    assert [layer.name for layer in viewer.layers] == ["cells", "cells x2 mean", "cells x2 std"]
    whole = viewer.layers[1].data
    assert np.abs(mean.data.astype(int) - whole[:, 32:64, 48:80]).max() <= 1


def test_a_second_preview_updates_the_first(viewer, stack, qtbot, make_widget):
    widget = make_widget(viewer)
    widget.preview.make()
    mean, spread = previewed(widget, qtbot)
    spread.visible, mean.opacity = True, 0.7
    stack.contrast_limits = (3, 99)
    assert tuple(mean.contrast_limits) == (3, 99), "contrast is linked to the source"
    look_at(viewer, 10, 20, side=20)
    viewer.dims.set_current_step(0, 3)
    widget.preview.make()
    again = previewed(widget, qtbot)
    assert again[0] is mean and again[1] is spread and len(viewer.layers) == 3
    assert mean.data.shape == (1, 40, 40) and spread.visible and mean.opacity == 0.7
    np.testing.assert_allclose(mean.data_to_world((0, 0.5, 0.5)), stack.data_to_world((3, 0, 10)))


def test_pixels_that_were_painted_over_are_previewed_as_they_are_run(viewer, stack, qtbot, make_widget):
    widget = make_widget(viewer)
    widget.preview.button.native.click()
    previewed(widget, qtbot)
    stack.data[...] = stack.data // 4
    stack.refresh()
    widget.preview.button.native.click()
    mean = previewed(widget, qtbot)[0].data
    anew = make_widget(viewer)
    anew.preview.button.native.click()
    np.testing.assert_array_equal(previewed(anew, qtbot)[0].data, mean)


def test_a_live_preview_follows_what_is_painted_over_and_is_made_once(viewer, stack, qtbot, make_widget):
    widget = make_widget(viewer)
    made, make = [], widget.preview.runner.submit
    widget.preview.runner.submit = lambda task: (made.append(task), make(task))
    widget.preview.live.value = True
    before = previewed(widget, qtbot)[0].data
    count = len(made)

    stack.data[2, :32] = stack.data[2, :32] // 4
    stack.refresh()
    qtbot.waitUntil(lambda: len(made) > count, timeout=10000)
    after = previewed(widget, qtbot)[0].data
    assert (after != before).any()
    np.testing.assert_array_equal(live_anew(viewer, qtbot, make_widget), after)

    count = len(made)
    stack.refresh()
    stack.data[0] = 0
    stack.refresh()  # another plane
    stack.contrast_limits, stack.colormap = (5, 90), "green"
    labels = viewer.add_labels(np.zeros(stack.data.shape, int))
    labels.paint((2, 20, 30), 1)
    qtbot.waitUntil(lambda: not widget.preview._timer.isActive(), timeout=10000)
    assert len(made) == count and not widget.preview.runner.is_running

    widget.preview.live.value = False
    stack.data[2, 32:] = stack.data[2, 32:] * 4
    stack.refresh()
    widget.preview.live.value = True
    after = previewed(widget, qtbot)[0].data
    np.testing.assert_array_equal(live_anew(viewer, qtbot, make_widget), after)


def live_anew(viewer, qtbot, make_widget):
    """Pixels of a live preview of a panel that knows nothing of the image yet."""
    widget = make_widget(viewer)
    widget.preview.live.value = True
    made = previewed(widget, qtbot)[0].data
    widget.preview.live.value = False
    widget.preview.layers.remove()
    return made


def test_the_selection_stays_with_the_source(viewer, stack, qtbot, make_widget):
    widget = make_widget(viewer)
    viewer.layers.selection.active = stack
    widget.preview.make()
    previewed(widget, qtbot)
    assert viewer.layers.selection.active is stack and widget.form.layer.value is stack


def test_live_previews_follow_the_view_and_the_settings(viewer, stack, qtbot, make_widget):
    widget = make_widget(viewer)
    widget.preview.live.value = True
    mean, spread = previewed(widget, qtbot)
    first = mean.data.copy()

    look_at(viewer, 30, 40)
    qtbot.waitUntil(lambda: mean.translate[1] > 11 - 0.2, timeout=60000)
    assert "per second" in widget.status.value and "'tiny'" in widget.status.value

    previewed(widget, qtbot)
    assert not np.array_equal(mean.data, first)
    before = spread.data.copy()
    widget.form.told["seed"].value = 7  # other samples, of the same mean
    qtbot.waitUntil(lambda: not np.array_equal(spread.data, before), timeout=60000)

    widget.preview.live.value = False
    before = mean.translate.copy()
    look_at(viewer, 10, 10)
    qtbot.wait(400)
    np.testing.assert_array_equal(mean.translate, before)


def test_live_goes_on_after_its_layers_are_gone(viewer, stack, qtbot, make_widget):
    widget = make_widget(viewer)
    widget.preview.live.value = True
    previewed(widget, qtbot)
    widget.preview.live.value = False
    widget.preview.layers.remove()  # as Run does
    assert len(viewer.layers) == 1
    widget.preview.live.value = True
    assert len(previewed(widget, qtbot)) == 2


def test_many_changes_make_few_previews_and_the_newest_wins(viewer, stack, qtbot, make_widget, monkeypatch):
    widget = make_widget(viewer)
    made = []
    show = widget.preview.layers.show
    widget.preview.layers.show = lambda tuples, source: (made.append(tuples), show(tuples, source))
    widget.preview.live.value = True
    mean = previewed(widget, qtbot)[0]
    made.clear()
    # So that a busy machine makes no pause of the waits below.
    monkeypatch.setattr("napari_vaesr.plugin.upscale.preview_controls.SETTLED", 1000)
    for column in range(20, 40):
        look_at(viewer, 24, column)
        qtbot.wait(5)
    newest = stack.data_to_world((2, 16, 31))
    qtbot.waitUntil(lambda: np.allclose(mean.data_to_world((0, 0.5, 0.5)), newest), timeout=60000)
    assert 1 <= len(made) <= 2


def test_a_newer_preview_stops_an_older_one(viewer, stack, qtbot, monkeypatch, make_widget):
    import napari_vaesr.engine.job

    started, ended = [], []

    class Slow(napari_vaesr.engine.job.UpscaleJob):
        def __iter__(self):
            started.append(self.settings.seed)
            try:
                for step in super().__iter__():
                    for _ in range(20):
                        time.sleep(0.01)
                        yield step
                ended.append(self.settings.seed)
            finally:
                pass

    monkeypatch.setattr(napari_vaesr.engine.job, "UpscaleJob", Slow)
    widget = make_widget(viewer)
    widget.preview.make()
    qtbot.waitUntil(lambda: started == [0], timeout=60000)
    for seed in (1, 2, 3):
        widget.form.told["seed"].value = seed
        widget.preview.make()
    mean, _ = previewed(widget, qtbot)
    assert started == [0, 3] and ended == [3]
    assert mean.metadata["napari_vaesr"]["settings"]["seed"] == 3


def test_the_source_removed_while_it_is_previewed(viewer, stack, qtbot, messages, make_widget):
    widget = make_widget(viewer)
    widget.preview.live.value = True
    viewer.layers.remove(stack)
    assert not previewed(widget, qtbot)
    assert not widget.preview.live.value and any("'cells' was removed" in each for each in messages())


def test_a_preview_goes_with_its_source(viewer, stack, qtbot, make_widget):
    widget = make_widget(viewer)
    widget.preview.make()
    previewed(widget, qtbot)
    viewer.layers.remove(stack)
    qtbot.waitUntil(lambda: not viewer.layers, timeout=60000)


def test_the_panel_closed_while_it_previews(window, qtbot):
    window.add_image(np.zeros((256, 256), "uint8") + np.arange(256, dtype="uint8"), name="cells")
    dock, widget = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    widget.preview.live.value = True
    runner = widget.preview.runner
    dock.destroyOnClose()
    qtbot.waitUntil(lambda: not runner.is_running, timeout=60000)
    window.scene.camera.zoom *= 2
    qtbot.wait(300)
    assert not runner.is_running and len(window.layers) == 1


def test_the_visible_region_of_a_real_window(registry, make_napari_viewer, qtbot):
    window = make_napari_viewer(show=True)
    layer = window.add_image(np.random.default_rng(0).random((400, 500)).astype("float32"), name="cells")
    _, widget = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    window.scene.camera.zoom *= 8
    qtbot.wait(100)
    widget.form.extent.region.value = "visible"
    extent = widget.form.chosen_extent()
    low, high = layer.corner_pixels  # napari's own, a pixel more or less
    for axis, name in enumerate("YX"):
        assert abs(extent[name].start - low[axis]) <= 1 and abs(extent[name].stop - 1 - high[axis]) <= 1


def test_what_is_out_of_view_is_told(viewer, stack, make_widget):
    widget = make_widget(viewer)
    viewer.scene.camera.center = (0, 1000, 1000)
    widget.preview.make()
    assert "not in view" in widget.status.value and not widget.preview.runner.is_running


def test_an_error_ends_the_live_preview_with_one_sentence(viewer, stack, qtbot, make_widget):
    widget = make_widget(viewer)
    stack.data = np.full(stack.data.shape, np.nan, "float32")
    widget.preview.live.value = True
    previewed(widget, qtbot)
    assert "NaN" in widget.status.value and not widget.preview.live.value


def test_live_settings_prefer_the_small_model_that_can_make_the_scale():
    settings = make_settings(model="microscopy", scale=2, samples=16)
    flat, deep = NetworkConfig(scales=(2,)), NetworkConfig(scales=(2,), row_factors=(2,))
    assert live_settings(settings, {"tiny": flat}).model == "tiny"
    assert live_settings(settings, {"tiny": flat}).samples == 4
    other = NetworkConfig(scales=(3,), row_factors=(2,))
    assert live_settings(settings, {"tiny": other}).model == "microscopy"
    along_z = settings.model_copy(update={"scale": {"Z": 4}})
    assert live_settings(along_z, {"tiny": deep}).model == "tiny"
    assert live_settings(along_z, {"tiny": flat}).model == "microscopy"
    told = along_z.model_copy(update={"sections": "thick"})
    assert live_settings(told, {"tiny": deep}).sections == "unknown"
    assert live_settings(told, {"tiny": flat}).sections == "thick", "it is made by the other"
    listens = deep.model_copy(update={"conditioned": True, "sections": True})
    assert live_settings(told, {"tiny": listens}).sections == "thick"
    camera = settings.model_copy(update={"noise": 3.0})
    assert live_settings(camera, {"tiny": flat}).noise == "auto"
    assert live_settings(camera, {"tiny": listens}).noise == 3.0
    assert live_settings(settings.model_copy(update={"samples": 2}), {}).samples == 2


def test_the_layers_are_named_for_what_they_show(viewer, stack, qtbot, make_widget):
    widget = make_widget(viewer)
    widget.preview.make()
    mean, spread = previewed(widget, qtbot)
    assert mean.name == "cells x2 preview mean (test-tiny)"
    widget.preview.live.value = True
    previewed(widget, qtbot)
    qtbot.waitUntil(lambda: mean.name == "cells x2 preview mean (tiny)", timeout=60000)
    assert spread.name == "cells x2 preview std (tiny)" and mean in viewer.layers


@pytest.mark.parametrize("live", [False, True])
def test_the_first_preview_grows_as_far_as_time_allows(viewer, stack, qtbot, monkeypatch, live, make_widget):
    monkeypatch.setattr("napari_vaesr.plugin.upscale.pace.FIRST_PIXELS", 20**2)
    widget = make_widget(viewer)
    look_at(viewer, 24, 32, side=40)
    monkeypatch.setattr(widget.preview._pace, "learn", lambda settings, *_, **__: quick(settings))

    def quick(settings):
        widget.preview._pace._seconds_per_pixel[_speed_key(settings)] = 1e-9

    if live:
        widget.preview.live.value = True
    else:
        widget.preview.make()
    qtbot.waitUntil(lambda: "40 × 40 pixels" in widget.status.value, timeout=60000)
    mean = previewed(widget, qtbot)[0]
    assert mean.data.shape == (1, 80, 80) and "middle" not in widget.status.value

from __future__ import annotations

import subprocess
import sys

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.inspect.maps import show_kind
from napari_vaesr.plugin.upscale.form import TOOLTIPS
from napari_vaesr.plugin.viewer.results import results
from napari_vaesr.plugin.viewer.shortcuts import LIVE, PREVIEW, RUN
from napari_vaesr.plugin.viewer.sources import source_of
from napari_vaesr.plugin.viewer.status import SIGN, std_at_cursor


def test_opening_the_panel_imports_no_torch():
    code = (
        "import sys, napari_vaesr.plugin.upscale.panel, napari_vaesr.plugin.io.reader;"
        "from napari_vaesr.zoo.registry import models; models();"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_panel_follows_layer_and_model(viewer, pixels, make_widget):
    widget = make_widget(viewer)
    assert not widget.run_button.enabled and "Open an image" in widget.status.value
    viewer.add_image(pixels(), name="stack", axis_labels=("t", "y", "x"))
    viewer.add_image(pixels((12, 16)), name="plane")
    viewer.add_labels(np.zeros((12, 16), int))
    widget.reset_choices()
    form = widget.form
    assert [layer.name for layer in form.layer.choices] == ["stack", "plane"]
    form.layer.value = viewer.layers["plane"]
    assert form.axes.value == "YX" and not form.extent.planes.enabled
    assert widget.status.value == "1 plane of 16 × 12 pixels to 32 × 24."
    form.layer.value = viewer.layers["stack"]
    assert form.axes.value == "TYX" and form.extent.planes.enabled
    form.extent.planes.value = "all"
    assert widget.status.value == "3 planes of 16 × 12 pixels to 32 × 24."
    form.axes.value = "YX"
    assert not widget.run_button.enabled and "(3, 12, 16)" in widget.status.value
    form.axes.value = "zyx"
    assert widget.run_button.enabled
    assert list(form.scale.choices) == [2, 3, 4, 6, 8, 9, 12, 16]
    assert "Random weights" in form.model.tooltip


def test_nothing_can_be_run_once_the_last_layer_has_gone(window, pixels):
    window.add_image(pixels(), name="stack", axis_labels=("z", "y", "x"))
    _, widget = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    assert widget.run_button.enabled and "1 plane" in widget.status.value
    window.layers.clear()
    assert widget.status.value == "Open an image to begin."
    assert not widget.run_button.enabled and not widget.preview.enabled


def test_everything_has_a_tooltip(viewer, make_widget):
    widget = make_widget(viewer)
    buttons = [widget.run_button, widget.cancel_button, *widget.preview]
    inputs = [*widget.form, *widget.form.advanced]
    assert all(each.tooltip for each in [*buttons, *inputs])
    parts = (TOOLTIPS, widget.form.told, widget.form.factors.widgets, widget.form.extent.widgets)
    assert sum(map(len, parts)) + 1 == len(inputs)  # the model's is its description


def test_a_run_adds_layers_and_a_second_run_adds_more(viewer, messages, pixels, make_widget, run_to_end):
    source = viewer.add_image(pixels(), name="cells", scale=(2, 1, 1), units=("um", "um", "um"))
    viewer.dims.set_point(0, 2.0)
    widget = make_widget(viewer)
    run_to_end(widget)
    assert [layer.name for layer in viewer.layers] == ["cells", "cells x2 mean", "cells x2 std"]
    mean, spread = viewer.layers[1:]
    assert mean.data.shape == (1, 24, 32) and mean.units == source.units
    assert mean.data_to_world((0, 0.5, 0.5)) == pytest.approx(source.data_to_world((1, 0, 0)))
    assert not spread.visible and mean.visible and source.visible
    assert widget.run_button.enabled and not widget.cancel_button.enabled
    assert "x2 mean" in widget.status.value
    # Random weights make what departs from the image, and nothing else is to be told.
    assert all("Made small again" in each for each in messages())

    widget.form.layer.value = source
    run_to_end(widget)
    assert [layer.name for layer in viewer.layers[3:]] == ["cells x2 mean [1]", "cells x2 std [1]"]
    np.testing.assert_array_equal(viewer.layers[3].data, mean.data)


def test_one_sample_says_that_there_is_no_uncertainty(viewer, messages, pixels, make_widget, run_to_end):
    viewer.add_image(pixels((12, 16)), name="cells")
    widget = make_widget(viewer)
    widget.form.samples.value = 1
    run_to_end(widget)
    assert len(viewer.layers) == 2
    assert any("no uncertainty" in message for message in messages())


def test_a_lazy_run_computes_only_what_is_shown(viewer, monkeypatch, pixels, make_widget, run_to_end):
    from napari_vaesr.engine.lazy import _Chunks

    computed = []
    real = _Chunks._upscale
    monkeypatch.setattr(
        _Chunks, "_upscale", lambda chunks, key, stop: computed.append(key) or real(chunks, key, stop)
    )
    monkeypatch.setattr(_Chunks, "_compute_ahead", lambda *_: None)
    viewer.add_image(pixels((5, 12, 16)), name="cells")
    widget = make_widget(viewer)
    widget.form.axes.value = "ZYX"
    widget.form.extent.planes.value = "all"
    widget.form.lazy.value = True
    run_to_end(widget)
    _, mean, spread = viewer.layers
    assert mean.data.shape == (5, 24, 32) and mean.visible and not spread.visible
    spread.visible = True
    viewer.dims.set_current_step(0, 4)
    shown = set(computed)
    assert len(computed) == len(shown) < 4, "mean and std of a plane together"
    assert (4, 0, 0) in shown and (3, 0, 0) not in shown


@pytest.mark.parametrize("kind", ["rgb", "multiscale", "dask"])
def test_all_kinds_of_image_layer(viewer, kind, pixels, make_widget, run_to_end):
    if kind == "rgb":
        viewer.add_image(pixels((12, 16, 3), "uint8"), rgb=True, name="a")
    elif kind == "multiscale":
        viewer.add_image(
            [pixels((12, 16)), pixels((6, 8))], multiscale=True, name="a", contrast_limits=(0, 255)
        )
    else:
        viewer.add_image(da.from_array(pixels((12, 16)), chunks=5), name="a", contrast_limits=(0, 255))
    run_to_end(make_widget(viewer))
    mean, spread = viewer.layers[1:]
    assert mean.rgb == (kind == "rgb") and spread.data.shape == (24, 32)


def test_an_additive_source_steps_back_for_its_mean(viewer, pixels, make_widget, run_to_end):
    source = viewer.add_image(pixels((12, 16)), blending="additive", colormap="green")
    run_to_end(make_widget(viewer))
    assert not source.visible and viewer.layers[1].visible


def test_bad_pixels_are_one_notification(viewer, messages, pixels, make_widget, run_to_end):
    plane = pixels((12, 16), "float32")
    plane[3, 3] = np.nan
    viewer.add_image(plane, contrast_limits=(0, 255))
    widget = make_widget(viewer)
    run_to_end(widget)
    assert len(viewer.layers) == 1
    assert len(messages()) == 1 and "NaN" in messages()[0] and "\n" not in messages()[0]
    assert widget.status.value == messages()[0] and widget.run_button.enabled


def slow_stack(planes=50):
    return np.zeros((planes, 48, 48), "uint16") + np.arange(48, dtype="uint16")


def start_slow_run(widget, viewer, qtbot):
    widget.form.extent.planes.value = "all"
    widget.run()
    qtbot.waitUntil(lambda: widget.progress.value > 0, timeout=60000)
    task = widget.runner.task
    return task


def test_cancel_adds_nothing_and_releases_the_engine(viewer, qtbot, messages, make_widget, idle):
    viewer.add_image(slow_stack(), name="cells", contrast_limits=(0, 48))
    widget = make_widget(viewer)
    task = start_slow_run(widget, viewer, qtbot)
    widget.cancel_button.native.click()
    qtbot.waitUntil(idle(widget), timeout=60000)
    assert len(viewer.layers) == 1 and task.pixels is None
    assert "Cancelled" in widget.status.value and not messages()
    assert widget.run_button.enabled


def test_the_layer_removed_while_it_is_upscaled(viewer, qtbot, messages, make_widget, idle):
    viewer.add_image(slow_stack(), name="cells", contrast_limits=(0, 48))
    widget = make_widget(viewer)
    start_slow_run(widget, viewer, qtbot)
    viewer.layers.clear()
    qtbot.waitUntil(idle(widget), timeout=60000)
    assert len(viewer.layers) == 0
    assert len(messages()) == 1 and "'cells' was removed" in messages()[0]


def test_a_layer_that_gets_other_axes_while_it_is_upscaled(viewer, qtbot, messages, make_widget, idle):
    layer = viewer.add_image(slow_stack(), name="cells", contrast_limits=(0, 48))
    widget = make_widget(viewer)
    start_slow_run(widget, viewer, qtbot)
    layer.data = layer.data[0]
    qtbot.waitUntil(idle(widget), timeout=60000)
    assert len(viewer.layers) == 1 and not widget.cancel_button.enabled
    assert "'cells' got other axes" in widget.status.value and widget.run_button.enabled


def test_the_panel_closed_while_running(window, qtbot, messages, idle):
    window.add_image(slow_stack(), name="cells", contrast_limits=(0, 48))
    dock, widget = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    start_slow_run(widget, window, qtbot)
    dock.destroyOnClose()
    qtbot.waitUntil(idle(widget), timeout=60000)
    assert len(window.layers) == 1 and any("panel was closed" in message for message in messages())


def test_the_window_closed_while_running(window, qtbot, idle):
    window.add_image(slow_stack(), name="cells", contrast_limits=(0, 48))
    _, widget = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    task = start_slow_run(widget, window, qtbot)
    window.close()
    qtbot.waitUntil(idle(widget), timeout=60000)
    assert task.pixels is None


def test_in_a_real_window_from_the_menu(window, pixels, run_to_end):
    from napari._app_model import get_app_model

    layer = window.add_image(
        pixels(),
        name="cells",
        rotate=(0, 0, 30),
        scale=(2, 0.5, 0.5),
        translate=(1, 2, 3),
        blending="translucent",
    )
    get_app_model().commands.execute_command("napari-vaesr.upscale").result()
    (dock,) = (each for name, each in window.window._wrapped_dock_widgets.items() if "Upscale" in name)
    widget = dock.inner_widget()
    assert widget.form.layer.value is layer
    widget.form.extent.planes.value = "all"
    run_to_end(widget)
    mean = window.layers["cells x2 mean"]
    for corner, inside in (((-0.5,) * 3, (-0.5,) * 3), ((2.5, 23.5, 31.5), (2.5, 11.5, 15.5))):
        np.testing.assert_allclose(mean.data_to_world(corner), layer.data_to_world(inside), atol=1e-9)


def test_the_entries_in_layers_and_plugins(window):
    from napari._app_model import get_app_model

    menus = get_app_model().menus
    for menu, title in (
        ("napari/layers/filter", "Upscale with uncertainty (VAE super-resolution)"),
        ("napari/layers/visualize", "Inspect uncertainty (VAE super-resolution)"),
        ("napari/plugins/napari-vaesr", "Upscale with uncertainty (VAE super-resolution)"),
        ("napari/plugins/napari-vaesr", "Inspect uncertainty (VAE super-resolution)"),
    ):
        titles = [item.command.title for item in menus.get_menu(menu) if hasattr(item, "command")]
        assert title in titles, menu


def test_wrong_preferences_are_told_and_the_panel_opens_anyway(viewer, monkeypatch, messages, make_widget):
    def refuse():
        raise VaesrError("The setting device is 'toaster'.")

    monkeypatch.setattr("napari_vaesr.plugin.upscale.form.starting_settings", refuse)
    widget = make_widget(viewer)
    assert any("toaster" in message for message in messages())
    assert widget.form.told["device"].value == "auto"


def test_a_preferred_model_file_is_offered(viewer, monkeypatch, tiny_model_path, tmp_path, make_widget):
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path))
    preferred = make_settings(model=str(tiny_model_path), scale=3)
    monkeypatch.setattr("napari_vaesr.plugin.upscale.form.starting_settings", lambda: preferred)
    form = make_widget(viewer).form
    assert form.settings().model == str(tiny_model_path) and form.settings().scale == 3


def test_renaming_a_layer_keeps_the_choice(window, pixels):
    window.add_image(pixels((12, 16)), name="first")
    window.add_image(pixels(), name="second")
    _, widget = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    widget.form.layer.value, widget.form.axes.value = window.layers["second"], "TYX"
    window.layers["second"].name = "renamed"
    assert widget.form.layer.value is window.layers["renamed"]
    assert widget.form.axes.value == "TYX"


def test_shortcuts_work_while_the_panel_is_open(window, qtbot, pixels):
    window.add_image(pixels((12, 16)), name="cells")
    dock, _ = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    keys = {str(key): action for key, action in window.keymap.items()}
    assert {PREVIEW, LIVE, RUN} <= keys.keys()
    keys[PREVIEW](window)
    qtbot.waitUntil(lambda: any("preview mean" in layer.name for layer in window.layers), timeout=60000)
    keys[RUN](window)
    qtbot.waitUntil(lambda: "cells x2 mean" in window.layers, timeout=60000)
    dock.destroyOnClose()
    assert not {PREVIEW, LIVE, RUN} & {str(key) for key in window.keymap}


def test_the_order_of_tab_is_that_on_the_screen(viewer, pixels, make_widget):
    widget = make_widget(viewer)
    viewer.add_image(pixels(), name="cells")
    widget.reset_choices()
    inputs = [widget.form.layer, widget.form.model, widget.form.samples, widget.form.extent.region]
    inputs += [widget.preview.button, widget.run_button, widget.cancel_button]
    chain, current = [], widget.native
    while (current := current.nextInFocusChain()) is not widget.native:
        chain.append(current)
    places = [chain.index(each.native) for each in inputs]
    assert places == sorted(places)


def test_two_viewers_do_not_mix(registry, qtbot, pixels, make_widget):
    from napari.components import ViewerModel

    viewers = [ViewerModel(), ViewerModel()]
    widgets = [make_widget(each) for each in viewers]
    for each in viewers:
        each.add_image(pixels((12, 16)), name="cells")
    for widget in widgets:
        widget.reset_choices()
        widget.run()
    qtbot.waitUntil(lambda: not any(widget.runner.is_running for widget in widgets), timeout=60000)
    for each in viewers:
        assert [layer.name for layer in each.layers] == ["cells", "cells x2 mean", "cells x2 std"]


def test_a_source_renamed_while_running_and_in_three_dimensions(viewer, qtbot, pixels, make_widget):
    source = viewer.add_image(pixels(), name="cells")
    viewer.dims.ndisplay = 3
    widget = make_widget(viewer)
    widget.form.extent.planes.value = "all"
    widget.run()
    source.name = "renamed"
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60000)
    assert viewer.layers[1].name == "renamed x2 mean" and viewer.layers[1].data.shape == (3, 24, 32)


def test_layers_linked_by_the_user_stay_linked(viewer, pixels, make_widget, run_to_end):
    source = viewer.add_image(pixels((12, 16)), name="cells")
    widget = make_widget(viewer)
    run_to_end(widget)
    mean = viewer.layers[1]
    viewer.layers.link_layers([source, mean])
    source.contrast_limits = (7, 77)
    assert tuple(mean.contrast_limits) == (7, 77)
    widget.form.layer.value = source
    run_to_end(widget)
    assert tuple(viewer.layers[3].contrast_limits) == (7, 77)


def test_a_rectangle_drawn_after_it_was_chosen_is_taken_and_followed(viewer, pixels, make_widget, run_to_end):
    viewer.add_image(pixels((12, 16)), name="cells")
    widget = make_widget(viewer)
    widget.form.extent.region.value = "rectangle"
    assert "Draw a rectangle" in widget.status.value
    assert not widget.run_button.enabled and widget.preview.enabled
    shapes = viewer.add_shapes(name="parts")
    shapes.add([[2, 3], [5.4, 9.4]], shape_type="rectangle")
    assert widget.run_button.enabled and widget.status.value == "1 plane of 7 × 4 pixels to 14 × 8."
    shapes.data = [np.array([[0, 0], [5.4, 9.4]])]
    assert widget.status.value == "1 plane of 10 × 6 pixels to 20 × 12."
    run_to_end(widget)
    assert viewer.layers["cells x2 mean"].data.shape == (12, 20)
    viewer.layers.remove(shapes)
    assert not widget.run_button.enabled


def test_the_outlook_follows_the_shape_that_is_selected(viewer, pixels, make_widget):
    viewer.add_image(pixels((12, 16)), name="cells")
    shapes = viewer.add_shapes([[[0, 0], [5.4, 9.4]], [[2, 3], [5.4, 9.4]]], shape_type="rectangle")
    widget = make_widget(viewer)
    widget.form.layer.value = viewer.layers["cells"]
    widget.form.extent.region.value = "rectangle"
    assert widget.status.value == "1 plane of 7 × 4 pixels to 14 × 8."
    shapes.selected_data = {0}
    assert widget.status.value == "1 plane of 10 × 6 pixels to 20 × 12."
    assert widget.form.chosen_extent() == {"Y": range(6), "X": range(10)}


def test_the_outlook_follows_the_view_where_that_is_the_region(viewer, pixels, make_widget):
    viewer.add_image(pixels((12, 16)), name="cells")
    viewer.canvas.size = (100, 100)
    widget = make_widget(viewer)
    widget.form.extent.region.value = "visible"
    viewer.scene.camera.center = (0, 5.5, 7.5)
    viewer.scene.camera.zoom = 25
    assert widget.status.value == "1 plane of 4 × 4 pixels to 8 × 8."
    viewer.canvas.size = (100, 200)
    assert widget.status.value == "1 plane of 8 × 4 pixels to 16 × 8."


def test_axes_that_are_a_guess_are_told(viewer, pixels, make_widget):
    viewer.add_image(pixels((2, 3, 12, 16)), name="cells")
    widget = make_widget(viewer)
    assert "TZYX is a guess" in widget.status.value and widget.form.axes.native.styleSheet()
    widget.form.axes.value = "CZYX"
    assert "guess" not in widget.status.value and not widget.form.axes.native.styleSheet()


def test_results_are_no_sources(viewer, pixels, make_widget, run_to_end):
    viewer.add_image(pixels(), name="cells", axis_labels=("z", "y", "x"))
    widget = make_widget(viewer)
    run_to_end(widget)
    widget.reset_choices()
    assert len(viewer.layers) == 3
    assert [layer.name for layer in widget.form.layer.choices] == ["cells"]


def test_the_mean_of_a_channel_lies_right_above_it(viewer, pixels, make_widget, run_to_end):
    low, high = viewer.add_image(pixels((2, 12, 16)), channel_axis=0, name=["low", "high"])
    widget = make_widget(viewer)
    widget.form.layer.value = low
    run_to_end(widget)
    names = [layer.name for layer in viewer.layers]
    assert names == ["low", "low x2 mean", "low x2 std", "high"]
    assert viewer.layers["low x2 mean"].blending == low.blending and high.blending == "additive"
    widget.form.layer.value = high
    run_to_end(widget)
    assert viewer.layers["high x2 mean"].blending == "additive" and not high.visible


def test_a_number_half_typed_moves_no_other_end(viewer, qtbot, pixels, make_widget):
    viewer.add_image(pixels((32, 12, 16)), axis_labels=("z", "y", "x"))
    widget = make_widget(viewer)
    widget.form.extent.planes.value = "range"
    ends = widget.form.extent.ranges["Z"]
    ends.first.value = 24
    box = ends.last.native
    box.selectAll()
    qtbot.keyClicks(box, "31")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    assert ends.ends == (24, 31)


def test_a_range_along_an_axis_of_one_plane_is_that_plane(viewer, pixels, make_widget):
    viewer.add_image(pixels((3, 4, 12, 16)), axis_labels=("t", "z", "y", "x"))
    widget = make_widget(viewer)
    widget.form.extent.planes.value = "range"
    widget.form.extent.ranges["Z"].first.value = 2
    viewer.add_image(pixels((5, 1, 12, 16)), axis_labels=("t", "z", "y", "x"))
    widget.reset_choices()
    widget.form.layer.value = viewer.layers[-1]
    assert widget.form.extent.planes.value == "range" and widget.status.value.startswith("5 planes of")


def test_after_a_run_before_after_and_certainty_are_offered(viewer, pixels, make_widget, run_to_end):
    source = viewer.add_image(pixels(), name="cells", axis_labels=("z", "y", "x"))
    viewer.dims.set_point(0, 2)
    widget = make_widget(viewer)
    assert not widget.look.visible
    run_to_end(widget)
    look = widget.look
    assert look.sentence.value.endswith(".") and "plane 2, row" in look.sentence.value
    look.buttons["certainty"].native.click()
    assert viewer.layers["cells x2 certainty"].visible and not viewer.layers["cells x2 mean"].visible
    look.buttons["before"].native.click()
    assert source.visible and not viewer.layers["cells x2 certainty"].visible
    look.swipe_button.native.click()
    assert look.swipe is not None and "swipe line, drag it" in viewer.layers
    viewer.layers.remove(viewer.layers["cells x2 mean"])
    assert look.swipe is None and "swipe line, drag it" not in viewer.layers and not look.result


def test_the_selected_layer_is_taken(viewer, pixels, make_widget):
    first = viewer.add_image(pixels((12, 16)), name="first")
    second = viewer.add_image(pixels((12, 16)), name="second")
    widget = make_widget(viewer)
    assert widget.form.layer.value is second
    viewer.layers.selection.active = first
    assert widget.form.layer.value is first
    viewer.layers.selection.active = viewer.add_labels(np.zeros((12, 16), int))
    assert widget.form.layer.value is first


def test_panels_are_tabs_of_one_another(window, qtbot):
    docks = [
        window.window.add_plugin_dock_widget("napari-vaesr", name)[0]
        for name in ("Upscale with uncertainty", "Inspect uncertainty", "Fine-tune a model")
    ]
    main = docks[0].parent()
    qtbot.waitUntil(lambda: set(main.tabifiedDockWidgets(docks[0])) == set(docks[1:]), timeout=60000)
    assert [dock.windowTitle() for dock in docks] == ["Upscale", "Inspect", "Fine-tune"]


@pytest.fixture
def growing(viewer, qtbot, monkeypatch, pixels, make_widget):
    """A widget whose run shows its planes as they are done."""
    monkeypatch.setattr("napari_vaesr.plugin.upscale.panel.EVERY_SECONDS", 0)
    viewer.add_image(pixels((12, 48, 64)), name="cells", axis_labels=("z", "y", "x"))
    widget = make_widget(viewer)
    widget.form.extent.planes.value = "all"
    widget.run_button.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=60000)
    return widget


def test_planes_appear_as_they_are_done(viewer, qtbot, growing, idle):
    mean, std = viewer.layers[1:]
    assert growing.runner.is_running and not mean.data[-1].any()
    qtbot.waitUntil(idle(growing), timeout=60000)
    assert list(viewer.layers)[1:] == [mean, std] and mean.data[-1].any()
    assert std.contrast_limits[1] == pytest.approx(np.percentile(std.data, 99.8), rel=0.1)
    assert not std.visible and growing.look.result.mean is mean
    assert "cells x2 mean" in growing.status.value


def test_a_result_that_grew_stays_the_one_it_was(viewer, qtbot, growing, idle):
    began, told = results(viewer.layers)[0].identity, []
    mean, std = viewer.layers[1:]
    mean.events.metadata.connect(lambda _: told.append((mean.data[-1].any(), std.metadata[KEY]["layer"])))
    qtbot.waitUntil(idle(growing), timeout=60000)
    assert results(viewer.layers)[0].identity == began
    assert told == [(True, {"role": "std", "result": began})], "all is there when the mean says so"


def test_what_was_done_to_growing_layers_leaves_no_halves(viewer, qtbot, growing, idle):
    viewer.layers.remove("cells x2 mean")
    qtbot.waitUntil(idle(growing), timeout=60000)
    assert [layer.name for layer in viewer.layers] == ["cells", "cells x2 mean", "cells x2 std"]


def test_a_kind_that_was_chosen_while_planes_grew_is_not_what_a_layer_is_called(viewer, qtbot, growing, idle):
    viewer.layers["cells x2 mean"].name = "mine"
    std = show_kind(viewer, results(viewer.layers)[0], "relative")
    assert std.name == "mine relative"
    qtbot.waitUntil(idle(growing), timeout=60000)
    assert [layer.name for layer in viewer.layers] == ["cells", "mine", "cells x2 std"]
    assert std.metadata[KEY]["layer"]["role"] == "std"


def test_the_panel_follows_the_data_of_its_layer(viewer, pixels, make_widget):
    layer = viewer.add_image(pixels((12, 16)), name="cells")
    widget = make_widget(viewer)
    layer.data = pixels((10, 8))
    assert widget.status.value == "1 plane of 8 × 10 pixels to 16 × 20."
    layer.data = pixels((3, 12, 16))
    assert widget.form.axes.value == "ZYX" and "16 × 12 pixels" in widget.status.value


def test_the_source_of_a_run_is_known_by_another_name(viewer, pixels, make_widget, run_to_end):
    source = viewer.add_image(pixels((12, 16)), name="cells")
    widget = make_widget(viewer)
    run_to_end(widget)
    source.name = "renamed"
    viewer.add_image(pixels((12, 16)) + np.uint16(7), name="cells")
    assert source_of(results(viewer.layers)[0].record, viewer.layers) is source


def test_a_cancelled_run_takes_its_planes_away(viewer, qtbot, growing, idle):
    growing.cancel()
    qtbot.waitUntil(idle(growing), timeout=60000)
    assert len(viewer.layers) == 1


def test_time_and_memory_are_told_before_a_run(window, qtbot, pixels):
    window.add_image(pixels(), name="cells", axis_labels=("z", "y", "x"))
    _, widget = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    window.window.show()
    qtbot.waitUntil(lambda: "About" in widget.status.value, timeout=60000)
    assert "s on cpu" in widget.status.value and "B." in widget.status.value


def test_what_the_network_is_told_comes_from_the_form(viewer, make_widget):
    form = make_widget(viewer).form
    form.model.value = next(name for name, card in form._cards.items() if card.network.conditioned)
    told = form.told
    told["noise"].value, told["blur"].value, told["context"].value = "gain=2,read=3", "0.5", "none"
    settings = form.settings()
    assert (settings.noise.gain, settings.noise.read, settings.blur) == (2.0, 3.0, 0.5)
    assert settings.context == "none"
    form.model.value = next(name for name, card in form._cards.items() if not card.network.conditioned)
    assert form.settings().noise == "auto" and not told["noise"].enabled


def test_a_layer_for_a_rectangle_may_be_made_after_it_is_asked_for(window, pixels):
    window.add_image(pixels((12, 16)), name="cells")
    _, widget = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    widget.form.extent.region.value = "rectangle"
    shapes = window.add_shapes()  # napari selects it before it says that it is there
    assert widget.form.extent.shapes.value is shapes
    shapes.add_rectangles([[2, 2], [10, 12]])
    assert "11 × 9 pixels" in widget.status.value


def test_the_status_bar_tells_the_std_where_the_panel_was_opened_by_name(window, pixels, run_to_end):
    window.add_image(pixels((12, 16)), name="cells")
    _, widget = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    run_to_end(widget)
    mean = window.layers["cells x2 mean"]
    window.layers.selection.active = mean
    window.cursor.position = mean.data_to_world((5, 5))
    assert std_at_cursor(window) is not None
    told = dict.fromkeys(("layer_base", "source_type", "plugin"), "")
    window.status = {**told, "coordinates": " [5 5]: 7", "value": "7"}
    assert SIGN in window.status["coordinates"]

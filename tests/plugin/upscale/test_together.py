"""Selected layers, upscaled and looked at together."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.inspect.provenance import as_python
from napari_vaesr.plugin.viewer.layers import upscale_layer

SETTINGS = {"samples": 4, "device": "cpu", "precision": "float32"}


@pytest.fixture
def channels(viewer, pixels):
    """Three channels of one image, selected, and a plane of another shape below them."""
    viewer.add_image(pixels((8, 8)), name="other")
    names = ["red", "green", "blue"]
    channels = viewer.add_image(pixels((3, 12, 16)), channel_axis=0, name=names, colormap=names)
    viewer.layers.selection = set(channels)
    return channels


def test_selected_layers_are_upscaled_one_after_another(viewer, channels, make_widget, run_to_end):
    widget = make_widget(viewer)
    assert (
        not widget.form.together.box.native.isHidden()
        and widget.form.together.box.text == "All 3 selected layers"
    )
    assert widget.status.value == "3 layers, each 1 plane of 16 × 12 pixels to 32 × 24."
    run_to_end(widget)
    assert [layer.name for layer in viewer.layers] == ["other"] + [
        f"{name}{end}" for name in ("red", "green", "blue") for end in ("", " x2 mean", " x2 std")
    ]
    assert "3 of 3 layers" in widget.status.value
    for source in channels:
        mean = viewer.layers[f"{source.name} x2 mean"]
        assert mean.blending == source.blending and mean.colormap.name == source.colormap.name
        assert mean.metadata[KEY]["source"]["name"] == source.name
        # The lowest covers its source, as napari blends it; the others would be added to theirs.
        assert source.visible == (source.name == "red") == (source.blending != "additive")
        own = upscale_layer(source, **dict(SETTINGS, model=widget.form.model.value))
        np.testing.assert_array_equal(mean.data, own[0][0])
    assert viewer.layers.selection == {viewer.layers[f"{source.name} x2 mean"] for source in channels}
    run_to_end(widget)  # the same again
    assert len(viewer.layers) == 16


def test_the_python_of_each_channel_makes_its_own_pixels(
    viewer, channels, monkeypatch, tmp_path, make_widget, run_to_end
):
    run_to_end(make_widget(viewer))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    for source in channels:
        mean = viewer.layers[f"{source.name} x2 mean"]
        made = {}
        exec(as_python(mean.metadata[KEY]), made)
        np.testing.assert_array_equal(made["result"].mean, mean.data)


def test_only_what_is_alike_goes_together(viewer, channels, make_widget):
    red, green, _ = channels
    widget = make_widget(viewer)
    viewer.layers.selection = {viewer.layers["other"], red, green}
    widget.form.layer.value = red
    assert widget.form.together.layers() == [red, green]
    assert widget.status.value.endswith("'other' is left out, for another shape or other axes.")
    widget.form.together.box.value = False
    assert widget.form.together.layers() == [red] and "left out" not in widget.status.value
    viewer.layers.selection = {green}
    assert widget.form.layer.value is green and widget.form.together.box.native.isHidden()


def test_cancel_keeps_the_channels_that_are_done(viewer, channels, make_widget, run_to_end):
    widget = make_widget(viewer)
    viewer.layers.events.inserted.connect(lambda event: event.value.name.endswith("std") and widget.cancel())
    run_to_end(widget)
    assert [layer.name for layer in viewer.layers if "x2" in layer.name] == ["red x2 mean", "red x2 std"]
    assert widget.status.value == "Cancelled; the results of 1 of 3 layers are kept."


def test_one_bar_is_of_all_channels_and_one_that_is_gone_is_passed_over(
    viewer, channels, qtbot, make_widget, idle
):
    _, green, _ = channels
    widget = make_widget(viewer)
    shares = []
    widget.progress.changed.connect(lambda value: shares.append(value / max(1, widget.progress.max)))
    widget.run()
    viewer.layers.remove(green)
    qtbot.waitUntil(idle(widget), timeout=60000)
    assert {layer.name for layer in viewer.layers if "mean" in layer.name} == {"red x2 mean", "blue x2 mean"}
    assert "2 of 3 layers" in widget.status.value and "'green' was removed" in widget.status.value
    rising = [share for share in shares if share > 0]
    assert rising == sorted(rising) and rising[0] <= 1 / 3 < rising[-1]


def test_channels_are_looked_at_together(viewer, channels, make_widget, run_to_end):
    widget = make_widget(viewer)
    run_to_end(widget)
    viewer.layers["other"].visible = False

    def seen():
        return sorted(layer.name for layer in viewer.layers if layer.visible)

    after = sorted(["red", *(f"{source.name} x2 mean" for source in channels)])  # the lowest mean covers red
    assert seen() == after
    buttons = widget.look.buttons
    buttons["before"].native.click()
    assert seen() == ["blue", "green", "red"]
    buttons["certainty"].native.click()
    assert seen() == ["blue x2 certainty"]
    viewer.layers.selection.active = viewer.layers["red x2 mean"]
    assert widget.look.sentence.value.startswith("red x2 mean: ")
    buttons["certainty"].native.click()
    assert seen() == ["red x2 certainty"]
    widget.look.grid_button.native.click()
    assert seen() == ["red", "red x2 certainty", "red x2 mean"]
    widget.look.grid_button.native.click()
    buttons["after"].native.click()
    assert seen() == after

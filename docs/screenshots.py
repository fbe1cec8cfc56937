"""Make the pictures of the viewer in docs/images anew, so that they stay true.

Needs a display with OpenGL; without: ``xvfb-run -a -s "-screen 0 1600x1000x24" python docs/screenshots.py``
Names after that, of `PICTURES`, take only some.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import napari
import numpy as np
import tifffile
from napari._qt.dialogs.qt_notification import NapariQtNotification
from napari.settings import get_plugin_settings, get_settings
from npe2 import PluginManager
from qtpy.QtWidgets import QApplication

from napari_vaesr import open_upscaled, sample_path
from napari_vaesr.plugin.upscale.panel import UpscalePanel

IMAGES = Path(__file__).parent / "images"
PLANE = 14  # two cells divide here


def main() -> None:
    """Take the screenshots that are named, or all of them."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        as_new(folder)
        for name in sys.argv[1:] or PICTURES:
            PICTURES[name]()


def as_new(folder: str) -> None:
    """Keep settings, choices and models in an empty folder, so that pictures do not depend on the user's."""
    os.environ["NAPARI_VAESR_CHOICES"] = f"{folder}/choices.json"
    os.environ["NAPARI_VAESR_MODELS"] = f"{folder}/models"
    get_settings(f"{folder}/settings.yaml")
    PluginManager.instance().discover()
    get_plugin_settings(path_dir=folder)


def widget_pictures() -> None:
    """Draw the panel before and after a run, and the looks at what it made."""
    viewer, widget = open_viewer()
    save(viewer, "panel")

    upscale(viewer, widget)
    zoom_in(viewer)
    save(viewer, "mean")

    widget.look.buttons["certainty"].native.click()
    save(viewer, "certainty")
    viewer.reset_view()
    widget.look.go_button.native.click()
    save(viewer, "least-sure")
    widget.look.grid_button.native.click()
    viewer.reset_view()
    zoom_in(viewer, 6)
    save(viewer, "side-by-side")
    widget.look.swipe_button.native.click()
    viewer.reset_view()
    zoom_in(viewer)
    widget.look.swipe.move(130)
    save(viewer, "swipe")
    widget.look.stop()
    viewer.close()


def volume_pictures() -> None:
    """Draw a stack that is half done, and its joint map in 3-D."""
    viewer, widget = open_viewer()
    widget.form.samples.value = 4
    widget.form.extent.planes.value = "range"
    ends = widget.form.extent.ranges["Z"]
    ends.first.value, ends.last.value = 4, 34
    viewer.dims.set_current_step(0, 6)
    widget.run()
    wait_until(lambda: widget.progress.value > 0.4 * widget.progress.max > 0 and len(viewer.layers) > 1)
    save(viewer, "growing")
    wait_until(lambda: not widget.runner.is_running)
    widget.look.buttons["certainty"].native.click()
    viewer.dims.ndisplay = 3
    viewer.reset_view()
    viewer.scene.camera.angles = (20, -25, 120)
    viewer.scene.camera.zoom *= 1.4
    save(viewer, "joint-3d")
    viewer.close()


def calm_pictures() -> None:
    """Draw the panels as tabs, and the estimate before a run, in a small window."""
    viewer, widget = open_viewer()
    viewer.window.resize(1280, 720)
    for title in ("Inspect uncertainty", "Fine-tune a model"):
        viewer.window.add_plugin_dock_widget("napari-vaesr", title)
    settled = time.monotonic() + 1
    wait_until(lambda: time.monotonic() > settled)
    widget.native.parent().raise_()
    widget.form.extent.planes.value = "all"
    wait_until(lambda: "About" in widget.status.value)
    save(viewer, "tabs")
    viewer.close()


def channels_picture() -> None:
    """Draw three layers upscaled in one run; planes of a stack stand for the channels of an image."""
    viewer = new_viewer()
    names = ["magenta", "green", "blue"]
    planes = tifffile.imread(sample_path("nuclei"))[[10, PLANE, 20]]
    channels = viewer.add_image(planes, channel_axis=0, name=names, colormap=names)
    _, widget = viewer.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    viewer.layers.selection = set(channels)
    upscale(viewer, widget)
    save(viewer, "channels")
    viewer.close()


def batch_picture() -> None:
    """Draw the panel for folders, with one file done, one being upscaled and one that cannot be read."""
    viewer = new_viewer()
    viewer.canvas.overlays.scale_bar.visible = False  # there is no image
    with tempfile.TemporaryDirectory() as folder, chdir(folder):  # names without the folder's own
        images = Path("plate")
        images.mkdir()
        stack = tifffile.imread(sample_path("nuclei"))
        for name, planes in (("well A1", stack[14:16]), ("well A2", stack[10:40])):
            tifffile.imwrite(images / f"{name}.ome.tif", planes, metadata={"axes": "ZYX"})
        (images / "well A3.ome.tif").write_bytes(b"cut off")
        _, panel = viewer.window.add_plugin_dock_widget("napari-vaesr", "Upscale files")
        panel.inputs.value, panel.output.value = "plate", "upscaled"
        panel.run()
        wait_until(lambda: panel.table.text(1, "status").startswith("running, "))
        save(viewer, "batch")
        panel.cancel()
        wait_until(lambda: not panel.is_running)
    viewer.close()


def reader_picture() -> None:
    """Draw a file opened with its upscaled mean."""
    viewer = new_viewer()
    open_upscaled(sample_path("nuclei"), viewer)
    viewer.dims.set_current_step(0, PLANE)
    wait_until(lambda: not viewer.layers[1].data.is_waited_for)
    zoom_in(viewer)
    save(viewer, "reader")
    viewer.close()


def preview_pictures() -> None:
    """Draw a live preview, and a rectangle over a range of planes that is to be upscaled."""
    viewer, widget = open_viewer()
    zoom_in(viewer)
    widget.preview.live.value = True
    wait_until(lambda: len(viewer.layers) > 1)
    wait_until(lambda: not widget.preview.runner.is_running)
    save(viewer, "preview")
    widget.preview.live.value = False

    widget.preview.layers.remove()
    height, width = viewer.layers[0].extent.world[1][-2:]
    corners = [[0.22 * height, 0.15 * width], [0.48 * height, 0.36 * width]]
    viewer.add_shapes(
        corners,
        shape_type="rectangle",
        name="two cells",
        face_color="transparent",
        edge_color="yellow",
        edge_width=0.2,
        units=viewer.layers[0].units[-2:],
    )
    widget.form.extent.planes.value = "range"
    widget.form.extent.ranges["Z"].first.value = PLANE - 2
    widget.form.extent.ranges["Z"].last.value = PLANE + 2
    widget.form.extent.region.value = "rectangle"
    save(viewer, "extent")
    viewer.close()


def inspect_pictures() -> None:
    """Draw what the second panel shows of a result, in the dark and in the light theme."""
    viewer, widget = open_viewer()
    upscale(viewer, widget)
    mean = viewer.layers["nuclei x2 mean"]
    _, panel = viewer.window.add_plugin_dock_widget("napari-vaesr", "Inspect uncertainty")
    zoom_in(viewer)

    panel.profile.add_line()
    ends = mean.data_to_world((0, 195, 60))[1:], mean.data_to_world((0, 120, 190))[1:]
    viewer.layers["profile line"].data = [np.array(ends)]
    viewer.layers.selection.active = mean
    save(viewer, "profile")
    viewer.layers.remove("profile line")

    panel.maps.kind.value = "relative"
    panel.maps.visible_map.value = True
    viewer.layers.selection.active = panel.result.uncertainty[0]
    save(viewer, "relative")
    panel.maps.visible_map.value = False

    panel.maps.veil.value = True
    save(viewer, "veil")
    panel.maps.veil.value = False

    get_settings().appearance.theme = viewer.theme = "light"
    panel.profile.add_line()
    panel.maps.veil.value = True
    viewer.layers.selection.active = mean
    save(viewer, "light")
    get_settings().appearance.theme = viewer.theme = "dark"
    viewer.layers.remove("profile line")
    panel.maps.veil.value = False

    panel.samples.draw_samples()
    wait_until(lambda: "nuclei x2 samples" in viewer.layers)
    panel.samples.next_sample()
    save(viewer, "samples")

    viewer.close()


def measure_picture() -> None:
    """Draw nuclei measured on samples, with one of them chosen."""
    viewer, widget = open_viewer()
    upscale(viewer, widget)
    wait_until(lambda: not widget.runner.is_running)
    _, panel = viewer.window.add_plugin_dock_widget("napari-vaesr", "Measure with error bars")
    panel.split.value = 25
    panel.measure()
    wait_until(lambda: not panel.runner.is_running)
    panel.table.selectRow(20)
    viewer.reset_view()  # all objects, not the chosen one alone
    save(viewer, "measure")
    viewer.close()


def check_picture() -> None:
    """Draw what a check of the visible region says."""
    viewer, widget = open_viewer()
    zoom_in(viewer, 1.5)
    widget.check.check()
    wait_until(lambda: not widget.check.runner.is_running)
    save(viewer, "check")
    viewer.close()


def preferences_picture() -> None:
    """Draw our page of napari's Preferences."""
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    viewer = new_viewer()
    dialog = PreferencesDialog(parent=viewer.window._qt_window)
    dialog.resize(900, 640)
    dialog.show()
    names = [dialog._list.item(row).text() for row in range(dialog._list.count())]
    dialog._list.setCurrentRow(
        next(row for row, name in enumerate(names) if "VAE" in name or "vaesr" in name)
    )
    settled = time.monotonic() + 1
    wait_until(lambda: time.monotonic() > settled)
    dialog.grab().save(str(IMAGES / "preferences.png"))
    dialog.close()
    viewer.close()


def new_viewer() -> napari.Viewer:
    """Open a viewer of the size of the pictures."""
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(1400, 860)
    viewer.canvas.overlays.scale_bar.visible = True
    return viewer


def open_viewer() -> tuple[napari.Viewer, UpscalePanel]:
    """Open a viewer with the sample in the middle of its stack and the panel docked."""
    viewer = new_viewer()
    viewer.open_sample("napari-vaesr", "nuclei")
    viewer.dims.set_current_step(0, PLANE)
    _, widget = viewer.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    return viewer, widget


def upscale(viewer: napari.Viewer, widget: UpscalePanel) -> None:
    """Run and wait for the new layers."""
    widget.run()
    wait_until(lambda: not widget.runner.is_running)


def zoom_in(viewer: napari.Viewer, factor: float = 3) -> None:
    """Show a few nuclei closely enough to see pixels."""
    camera = viewer.scene.camera
    camera.zoom *= factor
    height, width = viewer.layers[0].extent.world[1][-2:]
    camera.center = (0, 0.35 * height, 0.25 * width)


def save(viewer: napari.Viewer, name: str) -> None:
    """Let the window settle, then write docs/images/<name>.png."""
    settled = time.monotonic() + 1
    wait_until(lambda: time.monotonic() > settled)
    close_notifications(viewer)
    viewer.screenshot(IMAGES / f"{name}.png", canvas_only=False, flash=False)


def close_notifications(viewer: napari.Viewer) -> None:
    """Close what would lie over the image."""
    for told in viewer.window._qt_window.findChildren(NapariQtNotification):
        told.close()
    QApplication.processEvents()


def wait_until(condition: Callable[[], bool], timeout: float = 600) -> None:
    """Let the window live until something is true."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("The viewer did not get there in time.")
        QApplication.processEvents()
        time.sleep(0.01)


PICTURES: dict[str, Callable[[], None]] = {
    "panel": widget_pictures,
    "volume": volume_pictures,
    "calm": calm_pictures,
    "reader": reader_picture,
    "channels": channels_picture,
    "batch": batch_picture,
    "preview": preview_pictures,
    "inspect": inspect_pictures,
    "measure": measure_picture,
    "check": check_picture,
    "preferences": preferences_picture,
}

if __name__ == "__main__":
    main()

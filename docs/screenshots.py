"""Make the pictures of the viewer in docs/images anew, so that they stay true.

Needs a display with OpenGL; without: ``xvfb-run -a -s "-screen 0 1600x1000x24" python docs/screenshots.py``
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import napari
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication

from napari_vaesr.plugin.widget import UpscaleWidget
from napari_vaesr.samples import sample_path

IMAGES = Path(__file__).parent / "images"
PLANE = 14  # two cells divide here


def main() -> None:
    """Take all screenshots."""
    IMAGES.mkdir(exist_ok=True)
    # Not the user's own settings, so that the pictures do not depend on them.
    get_settings(tempfile.mkdtemp() + "/settings.yaml")
    widget_pictures()
    reader_picture()


def widget_pictures() -> None:
    """Draw the panel before, during and after a run, and what it made."""
    viewer, widget = open_viewer()
    save(viewer, "panel")

    widget.form.extent.planes.value = "all"
    widget.run()
    wait_until(lambda: widget.progress.value > 0.02 * widget.progress.max > 0)
    save(viewer, "running")
    widget.cancel()
    wait_until(lambda: widget.run_button.enabled)

    widget.form.extent.planes.value = "plane"
    widget.form.folded.expand()
    upscale(viewer, widget)
    zoom_in(viewer)
    save(viewer, "mean")

    for layer in viewer.layers:
        layer.visible = True
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.shape = (1, 3)
    viewer.reset_view()
    zoom_in(viewer, 6)
    save(viewer, "side-by-side")
    viewer.close()


def reader_picture() -> None:
    """Draw a file opened through the reader, with asynchronous rendering."""
    get_settings().experimental.async_ = True
    viewer = new_viewer()
    viewer.open(sample_path("nuclei"), plugin="napari-vaesr")
    viewer.dims.set_current_step(0, PLANE)
    time.sleep(1)
    wait_until(lambda: viewer.layers[1].loaded)
    zoom_in(viewer)
    save(viewer, "reader")
    viewer.close()
    get_settings().experimental.async_ = False


def new_viewer() -> napari.Viewer:
    """Open a viewer of the size of the pictures."""
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(1400, 860)
    viewer.canvas.overlays.scale_bar.visible = True
    return viewer


def open_viewer() -> tuple[napari.Viewer, UpscaleWidget]:
    """Open a viewer with the sample in the middle of its stack and the panel docked."""
    viewer = new_viewer()
    viewer.open_sample("napari-vaesr", "nuclei")
    viewer.dims.set_current_step(0, PLANE)
    _, widget = viewer.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    return viewer, widget


def upscale(viewer: napari.Viewer, widget: UpscaleWidget) -> None:
    """Run and wait for the new layers."""
    before = len(viewer.layers)
    widget.run()
    wait_until(lambda: len(viewer.layers) > before)


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
    viewer.screenshot(IMAGES / f"{name}.png", canvas_only=False, flash=False)


def wait_until(condition: Callable[[], bool], timeout: float = 600) -> None:
    """Let the window live until something is true."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("The viewer did not get there in time.")
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    main()

"""Make the pictures of the fine-tuning panel in docs/images anew, so that they stay true.

Needs a display with OpenGL; without: ``tools/with-display python docs/screenshots_finetune.py``. It trains
for some minutes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import napari
from screenshots import as_new, close_notifications, wait_until

from napari_vaesr.plugin.finetune.panel import FineTunePanel

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    """Take all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3, help="length of the training")
    parser.add_argument("--to", type=Path, default=IMAGES, help="folder of the pictures")
    parser.add_argument("--batch", type=int, help="patches per step; fewer where the machine is slow")
    given = parser.parse_args()
    folder = given.to
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as empty:
        as_new(empty)
        viewer, widget = open_viewer()
        widget.form.minutes.value = given.minutes
        if given.batch is not None:
            widget.form.batch.value = given.batch
        widget.start()
        wait_until(lambda: is_far(widget) or not widget.is_running)
        save(viewer, folder / "finetune-running.png")
        wait_until(lambda: not widget.is_running)
        print(widget.status.value, widget.advice.value)
        viewer.theme = "light"
        save(viewer, folder / "finetune-light.png")
        viewer.close()


def is_far(widget: FineTunePanel) -> bool:
    """Whether more than half of the steps are made; the check of the start has a bar of its own."""
    return widget.status.value.startswith("Step") and widget.progress.value > 0.6 * widget.progress.max > 0


def open_viewer() -> tuple[napari.Viewer, FineTunePanel]:
    """Open a viewer with the sample in the middle of its stack and the panel docked."""
    viewer = napari.Viewer(show_welcome_screen=False)
    viewer.window.resize(1500, 980)
    viewer.open_sample("napari-vaesr", "nuclei")
    viewer.dims.set_current_step(0, 14)
    dock, widget = viewer.window.add_plugin_dock_widget("napari-vaesr", "Fine-tune a model")
    dock.setMinimumWidth(400)
    return viewer, widget


def save(viewer: napari.Viewer, path: Path) -> None:
    """Let the window settle, then write a picture."""
    settled = time.monotonic() + 1.5
    wait_until(lambda: time.monotonic() > settled)
    close_notifications(viewer)
    viewer.screenshot(path, canvas_only=False, flash=False)


if __name__ == "__main__":
    main()

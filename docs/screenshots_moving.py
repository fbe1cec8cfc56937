"""Make the moving picture of the README anew: a live preview that follows, then before and after.

Needs a display with OpenGL; without: ``tools/with-display python docs/screenshots_moving.py``
"""

from __future__ import annotations

import tempfile
from time import monotonic

import napari
from PIL import Image
from screenshots import IMAGES, PLANE, as_new, open_viewer, upscale, wait_until, zoom_in

from napari_vaesr.plugin.upscale.panel import UpscalePanel

SIZE = (1100, 680)
"""Of the window."""


class Movie:
    """Frames of a window, each with the time that it is shown.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose window is filmed.
    """

    def __init__(self, viewer: napari.Viewer):
        self._viewer = viewer
        self._frames: list[Image.Image] = []
        self._milliseconds: list[int] = []

    def take(self, milliseconds: int) -> None:
        """Add what the window shows."""
        frame = self._viewer.screenshot(canvas_only=False, flash=False)
        self._frames.append(Image.fromarray(frame).convert("RGB"))
        self._milliseconds.append(milliseconds)

    def save(self, name: str) -> None:
        """Write docs/images/<name>.gif."""
        first, *others = (frame.quantize(256, dither=Image.Dither.NONE) for frame in self._frames)
        path = IMAGES / f"{name}.gif"
        first.save(path, save_all=True, append_images=others, duration=self._milliseconds, loop=0)
        print(f"{path.name}: {1 + len(others)} frames, {path.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Film a live preview, a run, and the looks at its result."""
    with tempfile.TemporaryDirectory() as folder:
        as_new(folder)
        viewer, widget = open_viewer()
        viewer.window.resize(*SIZE)
        viewer.canvas.overlays.scale_bar.visible = False
        viewer.layers["nuclei"].gamma = 0.7  # for the dim nuclei beside the bright ones
        zoom_in(viewer, 4)
        movie = Movie(viewer)
        film_live(viewer, widget, movie)
        film_looks(viewer, widget, movie)
        movie.save("live")
        viewer.close()


def film_live(viewer: napari.Viewer, widget: UpscalePanel, movie: Movie) -> None:
    """Switch the live preview on, scroll and move."""
    wait(1.5)
    movie.take(1200)
    widget.preview.live.value = True
    settle(widget)
    movie.take(1500)
    for plane in (PLANE + 1, PLANE + 2, PLANE):
        viewer.dims.set_current_step(0, plane)
        settle(widget)
        movie.take(500)
    _, height, width = viewer.layers["nuclei"].extent.world[1]
    _, row, column = viewer.scene.camera.center
    for step in range(1, 5):
        viewer.scene.camera.center = (0, row + 0.05 * step * height, column - 0.01 * step * width)
        settle(widget)
        movie.take(350 if step < 4 else 1500)
    widget.preview.live.value = False


def film_looks(viewer: napari.Viewer, widget: UpscalePanel, movie: Movie) -> None:
    """Run, then show before, after and certainty."""
    upscale(viewer, widget)
    viewer.reset_view()
    zoom_in(viewer, 2)
    for look in ("before", "after", "certainty"):
        widget.look.buttons[look].native.click()
        wait(0.5)
        movie.take(2500 if look == "certainty" else 1200)


def settle(widget: UpscalePanel) -> None:
    """Wait until the live preview shows what is in view."""
    wait(0.4)
    wait_until(lambda: not widget.preview.runner.is_running)
    wait(0.4)


def wait(seconds: float) -> None:
    """Let the window live for a while."""
    end = monotonic() + seconds
    wait_until(lambda: monotonic() > end)


if __name__ == "__main__":
    main()

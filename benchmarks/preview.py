"""Print how long previews take where planes become more along Z, and how near they come to the run.

    QT_QPA_PLATFORM=offscreen python benchmarks/preview.py STACK.tif

A panel without a window looks at the middle of a stack; every picture that it shows is timed, by the clock
and by the processor, which other work on the machine hardly changes.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from napari_vaesr.files.image import read_image
from napari_vaesr.plugin.upscale.panel import UpscalePanel

WINDOW = 800
"""Side of the canvas, in pixels of the screen."""


def looked_at(path: Path, side: int) -> ViewerModel:
    """Return a viewer that shows so many pixels of the middle plane of a stack."""
    viewer = ViewerModel()
    layer = viewer.add_image(np.asarray(read_image(path, axes="ZYX").data), name="stack")
    viewer.canvas.size = (WINDOW, WINDOW)
    planes, height, width = layer.data.shape
    viewer.dims.set_current_step(0, planes // 2)
    viewer.scene.camera.zoom = WINDOW / side
    viewer.scene.camera.center = (0, height / 2 - 0.5, width / 2 - 0.5)
    return viewer


def timed(widget: UpscalePanel, live: bool, limit: float) -> None:
    """Make a preview and print what is shown, and when."""
    preview, shown = widget.preview, []
    show, start, work = preview.layers.show, time.perf_counter(), time.process_time()

    def watched(tuples: object, source: object) -> None:
        show(tuples, source)
        shown.append((time.perf_counter() - start, time.process_time() - work))

    preview.layers.show = watched
    if live:
        preview.live.value = True
    else:
        preview.make()
    told = 0
    while preview.runner.is_running and time.perf_counter() - start < limit:
        QApplication.processEvents()
        time.sleep(0.005)
        for clock, processor in shown[told:]:
            shape = widget._viewer.layers[1].data.shape
            print(
                f"  {clock:.2f} s ({processor:.2f} s of the processor): {shape}; {widget.status.value}",
                flush=True,
            )
        told = len(shown)
    preview.stop()
    preview.layers.show = show


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stack", type=Path, help="with the axes ZYX")
    parser.add_argument("--model", default="microscopy")
    parser.add_argument("--side", type=int, default=113, help="pixels of the view")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--limit", type=float, default=200, help="seconds after which a preview is given up")
    options = parser.parse_args()
    application = QApplication.instance() or QApplication([])
    for live in (False, True):
        for scale in (2, 1):
            viewer = looked_at(options.stack, options.side)
            widget = UpscalePanel(viewer)
            form = widget.form
            form.axes.value, form.model.value = "ZYX", options.model
            form.samples.value, form.told["device"].value = options.samples, "cpu"
            form.scale.value, form.factors.depth.value = scale, 2
            print(f"{'live' if live else 'asked for'}, Y and X x{scale}, Z x2:", flush=True)
            timed(widget, live, options.limit)
    application.quit()


if __name__ == "__main__":
    main()

"""Layers are removed at any moment, while they are filled and followed: nothing breaks, nothing stays."""

from __future__ import annotations

import os
import random
import time
from types import SimpleNamespace

import numpy as np
import pytest
from napari.qt.threading import WorkerBase
from napari.utils.notifications import ErrorNotification, notification_manager
from qtpy.QtCore import QThreadPool

from napari_vaesr.plugin.inspect.panel import InspectPanel
from napari_vaesr.plugin.upscale.panel import UpscalePanel

SECONDS = float(os.environ.get("FUZZ_SECONDS", "6"))  # `make fuzz` takes a minute

ACTIONS = (
    *("run", "run", "run_lazy", "cancel", "live", "swipe", "side_by_side", "look", "look", "map"),
    *("scroll", "zoom", "select", "remove", "remove"),
)
"""The more often named, the more often done."""


@pytest.fixture
def undrawn(monkeypatch):
    """The canvas draws nothing: where images come and go this fast, napari alone crashes inside of OpenGL.

    (VisPy 0.17 with Mesa: ``glDrawArrays`` ends in a segmentation fault.) All else is as in any window.
    """
    monkeypatch.setattr("napari._vispy.canvas.NapariSceneCanvas.draw_visual", lambda *_: None)
    # Nothing of the graphics card has to be freed then, which takes a second for each layer.
    monkeypatch.setattr("napari._vispy.canvas.gc", SimpleNamespace(collect=lambda: 0))


class User:
    """Presses buttons of the panels and takes layers away, in a hurry.

    Parameters
    ----------
    viewer : napari.Viewer
        With a window.
    seed : int
        Decides what is done, and in which order.
    """

    def __init__(self, viewer, seed):
        self.viewer, self.chance = viewer, random.Random(seed)
        self.panel, self.inspect = UpscalePanel(viewer), InspectPanel(viewer)
        for title, panel in (("Upscale", self.panel), ("Inspect", self.inspect)):
            viewer.window.add_dock_widget(panel, name=title, tabify=True)
        self.done: set[str] = set()

    def act(self):
        """Do one thing that is possible now, more often than not taking a layer away."""
        if len(self.viewer.layers) < 2:
            self.add()
        name = self.chance.choice(ACTIONS)
        getattr(self, name)()
        self.done.add(name)

    def add(self):
        pixels = np.random.default_rng(0).integers(0, 255, (4, 96, 80, 3)).astype("uint8")
        rgb = self.chance.random() < 0.4
        self.viewer.add_image(pixels if rgb else pixels[..., 0], rgb=rgb, axis_labels=("z", "y", "x"))

    def run(self, lazy=False):
        self.panel.form.lazy.value = lazy
        self.panel.form.extent.planes.value = "all"
        self.panel.run()

    def run_lazy(self):
        self.run(lazy=True)

    def live(self):
        self.panel.preview.toggle_live()

    def swipe(self):
        self.panel.look.swipe_button.native.toggle()
        if self.panel.look.swipe is not None:
            self.panel.look.swipe.move(self.chance.randrange(160))

    def side_by_side(self):
        self.panel.look.grid_button.native.toggle()

    def look(self):
        self.panel.look.buttons[self.chance.choice(["before", "after", "certainty"])].native.click()

    def map(self):
        self.inspect.maps.veil.value = not self.inspect.maps.veil.value

    def scroll(self):
        self.viewer.dims.set_current_step(0, self.chance.randrange(4))

    def select(self):
        self.viewer.layers.selection.active = self.chance.choice(list(self.viewer.layers))

    def zoom(self):
        self.viewer.scene.camera.zoom *= self.chance.choice([0.5, 2])

    def remove(self):
        self.viewer.layers.remove(self.chance.choice(list(self.viewer.layers)))

    def cancel(self):
        self.panel.cancel()

    @property
    def is_waiting(self):
        runners = (self.panel.runner, self.panel.preview.runner, self.inspect.samples.runner)
        return any(runner.is_running for runner in runners)


@pytest.mark.usefixtures("registry", "undrawn")
def test_layers_go_while_they_are_made_and_followed(make_napari_viewer, qtbot, monkeypatch):
    monkeypatch.setattr("napari_vaesr.plugin.upscale.panel.EVERY_SECONDS", 0.0)  # results grow visibly
    start, others = len(notification_manager.records), set(WorkerBase._worker_set)  # of earlier tests
    viewer = make_napari_viewer(show=True)
    user = User(viewer, seed=0)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end or not {"run", "look", "remove"} <= user.done:
        user.act()
        qtbot.wait(user.chance.choice([0, 1, 5, 20, 80, 250]))
    user.panel.look.stop()
    user.panel.preview.stop()
    user.panel.cancel()
    while len(viewer.layers):
        viewer.layers.remove(viewer.layers[0])
        qtbot.wait(1)
    told = notification_manager.records[start:]
    assert not [each.message for each in told if isinstance(each, ErrorNotification)]
    qtbot.waitUntil(lambda: not user.is_waiting and WorkerBase._worker_set <= others, timeout=60000)
    qtbot.waitUntil(lambda: QThreadPool.globalInstance().activeThreadCount() == 0, timeout=60000)
    assert not viewer.canvas.grid.enabled and user.panel.look.swipe is None

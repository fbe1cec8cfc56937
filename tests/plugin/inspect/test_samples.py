from __future__ import annotations

import threading
import time

import numpy as np

import napari_vaesr.engine.upscaler
from napari_vaesr.plugin.upscale.panel import UpscalePanel


def test_playing_a_movie_that_is_computed_as_it_is_seen(window, asynchronous, qtbot, monkeypatch):
    """The window never computes itself, and what is on show in the end is the last image played."""
    moments = napari_vaesr.engine.upscaler.Upscaler.moments
    threads = []

    def slow(self, *arguments, **options):
        threads.append(threading.current_thread())
        for step in moments(self, *arguments, **options):
            time.sleep(0.01)
            yield step

    monkeypatch.setattr(napari_vaesr.engine.upscaler.Upscaler, "moments", slow)
    movie = np.random.default_rng(0).integers(0, 255, (30, 24, 32)).astype("uint8")
    window.add_image(movie, name="movie", contrast_limits=(0, 255))
    _, widget = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    assert isinstance(widget, UpscalePanel)
    widget.form.extent.planes.value = "all"
    widget.form.lazy.value = True
    widget.run()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60000)
    mean = window.layers["movie x2 mean"]
    for index in range(30):
        window.dims.set_current_step(0, index)
        qtbot.wait(5)
    qtbot.waitUntil(lambda: mean.loaded, timeout=60000)
    assert threads and threading.main_thread() not in threads
    np.testing.assert_array_equal(mean._data_view, np.asarray(mean.data[29]))

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import dask.array as da
import napari
import numpy as np
import pytest

from napari_vaesr.engine import lazy
from napari_vaesr.engine.stage import Stage
from napari_vaesr.engine.wanted import GivenUp, unwanted_test
from napari_vaesr.plugin.viewer import scrolling
from napari_vaesr.plugin.viewer.layers import as_scrolled


@pytest.fixture
def scrolled():
    """Planes of ones, twos, threes and fours; an unwanted one is noticed before its pixels are made."""

    def plane(block_id=None):
        if unwanted_test()():
            raise GivenUp
        return np.full((1, 2, 3), block_id[0] + 1, np.int16)

    return as_scrolled(da.map_blocks(plane, chunks=((1,) * 4, (2,), (3,)), dtype=np.int16))


@pytest.fixture
def latest(scrolled, monkeypatch):
    """A layer of a viewer; its latest request is the newest."""
    state = SimpleNamespace(_last_slice_id=1)
    layer = SimpleNamespace(data=scrolled, visible=True, _slicing_state=state)
    monkeypatch.setattr(napari.Viewer, "_instances", [SimpleNamespace(layers=[layer])])
    return layer


def ask(monkeypatch, scrolled, request, index):
    """What napari's slicing is given in its own thread."""
    monkeypatch.setattr(scrolling, "_slice_request", lambda: request)
    with ThreadPoolExecutor() as pool:
        pixels = pool.submit(lambda: scrolled[index]).result()
    assert isinstance(pixels, np.ndarray)
    return pixels


def test_a_wanted_plane_is_given_and_an_unwanted_one_changes_nothing(scrolled, latest, monkeypatch):
    np.testing.assert_array_equal(ask(monkeypatch, scrolled, 1, 2), np.full((2, 3), 3))
    latest._slicing_state._last_slice_id = 3
    np.testing.assert_array_equal(ask(monkeypatch, scrolled, 2, 1), np.full((2, 3), 3))
    np.testing.assert_array_equal(ask(monkeypatch, scrolled, 3, 3), np.full((2, 3), 4))
    latest._slicing_state._last_slice_id = 5
    assert not ask(monkeypatch, scrolled, 4, np.s_[:, 0]).any(), "nothing of that shape was shown"


def test_a_hidden_layer_wants_nothing_and_one_of_two_is_enough(scrolled, latest, monkeypatch):
    latest.visible = False
    assert not ask(monkeypatch, scrolled, 1, 2).any()
    copy = SimpleNamespace(data=scrolled, visible=True, _slicing_state=latest._slicing_state)
    monkeypatch.setattr(napari.Viewer, "_instances", [SimpleNamespace(layers=[latest, copy])])
    assert ask(monkeypatch, scrolled, 1, 2).all()


def test_where_napari_does_not_tell_planes_run_to_their_end(scrolled, latest, monkeypatch):
    del latest._slicing_state
    assert ask(monkeypatch, scrolled, 1, 2).all()
    monkeypatch.delattr(napari.Viewer, "_instances")
    assert ask(monkeypatch, scrolled, 1, 2).all()


def test_other_readers_get_a_dask_array_in_any_thread(scrolled, latest):
    latest._slicing_state._last_slice_id = 9
    with ThreadPoolExecutor() as pool:
        part = pool.submit(lambda: scrolled[1:3]).result()
        assert type(part) is type(scrolled * 2) is da.Array
        np.testing.assert_array_equal(pool.submit(part.compute).result()[:, 0, 0], [2, 3])


def test_who_keeps_moving_sees_a_plane_now_and_then(scrolled, latest, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(scrolling, "time", SimpleNamespace(monotonic=lambda: now[0]))
    shown = []
    for request in range(1, 40):
        latest._slicing_state._last_slice_id = request + 1
        shown.append(ask(monkeypatch, scrolled, request, request % 4)[0, 0] == request % 4 + 1)
        now[0] += 0.1
    assert not any(shown[1:10]) and any(shown[10:14])
    latest._slicing_state._last_slice_id = 99
    ask(monkeypatch, scrolled, 50, 1)
    now[0] += 5  # standing still, the plane passed last is not worth its time
    assert ask(monkeypatch, scrolled, 50, 3)[0, 0] != 4


@pytest.fixture
def endless(monkeypatch):
    """Plane 1 takes for ever; gives what tells that it began, and that it was given up."""
    began, ended = threading.Event(), threading.Event()
    real = Stage.compute

    def steps(job, block):
        work = real(job, block)
        if block["Z"].start != 1:
            return (yield from work)
        began.set()
        deadline = time.monotonic() + 200
        try:
            step = next(work)
            while time.monotonic() < deadline:
                time.sleep(0.01)
                yield step
            return (yield from work)
        except GeneratorExit:
            ended.set()
            raise

    monkeypatch.setattr(Stage, "compute", steps)
    monkeypatch.setattr(lazy._Chunks, "_compute_ahead", lambda *_: None)
    return began, ended


def test_a_plane_scrolled_past_makes_way_in_a_window(window, asynchronous, qtbot, endless):
    began, ended = endless
    movie = np.random.default_rng(0).integers(0, 255, (9, 24, 32)).astype("uint8")
    window.add_image(movie, name="movie", contrast_limits=(0, 255))
    window.dims.set_current_step(0, 8)
    _, widget = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    widget.form.extent.planes.value = "all"
    widget.form.lazy.value = True
    widget.run()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60000)
    mean, std = (window.layers[f"movie x2 {name}"] for name in ("mean", "std"))
    std.visible = True
    qtbot.waitUntil(lambda: mean.loaded and std.loaded, timeout=60000)
    before = mean._data_view
    window.dims.set_current_step(0, 1)
    assert began.wait(60)
    window.dims.set_current_step(0, 5)
    assert ended.wait(10)
    qtbot.waitUntil(lambda: mean.loaded and std.loaded, timeout=60000)
    for layer in (mean, std):
        np.testing.assert_array_equal(layer._data_view, np.asarray(layer.data[5]))
    assert not np.array_equal(before, mean._data_view)


def test_the_main_thread_never_waits_and_gets_the_plane_in_the_end(window, qtbot, endless):
    began, ended = endless
    movie = np.random.default_rng(0).integers(0, 255, (9, 24, 32)).astype("uint8")
    window.add_image(movie, name="movie", contrast_limits=(0, 255))
    window.dims.set_current_step(0, 8)
    _, widget = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale with uncertainty")
    widget.form.extent.planes.value = "all"
    widget.form.lazy.value = True
    widget.run()
    qtbot.waitUntil(lambda: "movie x2 mean" in window.layers, timeout=60000)
    mean, std = (window.layers[f"movie x2 {name}"] for name in ("mean", "std"))
    assert mean.visible
    std.visible = True
    window.dims.set_current_step(0, 1)
    np.testing.assert_array_equal(mean._data_view, movie[1].repeat(2, 0).repeat(2, 1), "its source meanwhile")
    assert mean.data.is_waited_for and np.isnan(std._data_view).all()
    window.layers.selection.active = mean
    told = {"layer_base": "", "source_type": "", "plugin": "", "coordinates": "[1 2 3]: 7"}
    window.status = told
    assert window.status["coordinates"] == "[1 2 3]: 7 (not upscaled yet)"
    qtbot.waitUntil(began.is_set, timeout=60000)
    window.dims.set_current_step(0, 5)
    qtbot.waitUntil(ended.is_set, timeout=60000)
    qtbot.waitUntil(lambda: not (mean.data.is_waited_for or std.data.is_waited_for), timeout=60000)
    for layer in (mean, std):
        np.testing.assert_array_equal(layer._data_view, np.asarray(layer.data[5]))
    window.dims.set_current_step(0, 4)
    std.visible = mean.visible = False
    qtbot.waitUntil(lambda: mean.data._work is std.data._work is None, timeout=60000)
    mean.visible = True
    qtbot.waitUntil(lambda: not mean.data.is_waited_for, timeout=60000)
    np.testing.assert_array_equal(mean._data_view, np.asarray(mean.data[4]))

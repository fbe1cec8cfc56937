"""Folders upscaled from the viewer: listed, run, stopped, gone on with, and opened."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QFileDialog

import napari_vaesr.batch.inputs
from napari_vaesr.batch.queue import Queue
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.batch.panel import HINT, BatchPanel
from napari_vaesr.plugin.viewer.results import results


@pytest.fixture(autouse=True)
def preferred(monkeypatch):
    settings = make_settings(model="test-tiny", samples=4, device="cpu", precision="float32")
    monkeypatch.setattr("napari_vaesr.plugin.batch.panel.starting_settings", lambda: settings)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for name, shape in (("a", (2, 12, 16)), ("b", (3, 12, 16))):
        pixels = np.random.default_rng(0).integers(0, 4000, shape).astype("uint16")
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", pixels, metadata={"axes": "ZYX"}, ome=True)
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    return tmp_path / "in"


def make_panel(viewer, qtbot, folder):
    panel = BatchPanel(viewer)
    qtbot.addWidget(panel.native)
    panel.inputs.value, panel.output.value = str(folder), str(folder.parent / "out")
    panel.samples.value = 2
    return panel


def finish(panel, qtbot):
    qtbot.waitUntil(lambda: not panel.is_running, timeout=60000)


def statuses(panel):
    return [panel.table.text(number, "status") for number in range(panel.table.rowCount())]


def test_it_lists_what_it_would_do(viewer, qtbot, folder):
    panel = make_panel(viewer, qtbot, folder)
    assert panel.status.value == HINT
    panel.list_files()
    finish(panel, qtbot)
    assert statuses(panel) == ["waiting", "waiting", "failed"]
    cells = [panel.table.text(1, name) for name in ("file", "size", "scale", "result")]
    assert cells == ["b.tif", "3 × 12 × 16", "×2", "3 × 24 × 32"]
    assert all(panel.table.text(1, name) for name in ("time", "memory", "disk"))
    assert "broken" in panel.table.item(2, 0).toolTip()
    assert panel.status.value.startswith("3 files, 1 failed; about") and "in all" in panel.status.value
    assert not (folder.parent / "out").exists()


def test_planes_along_z_are_made_by_a_factor_or_as_the_sizes_of_a_file_say(viewer, qtbot, folder):
    panel = make_panel(viewer, qtbot, folder)
    assert panel.factors.depth.choices == (1,)  # this model makes none
    panel.model.value = "tiny"
    panel.factors.depth.value = 2
    assert panel.settings().factors == {"Z": 2, "Y": 2, "X": 2}
    panel.list_files()
    finish(panel, qtbot)
    assert [panel.table.text(number, "result") for number in (0, 1)] == ["4 × 24 × 32", "6 × 24 × 32"]
    panel.factors.depth.value = "exact"
    sized = np.zeros((3, 12, 16), "uint16")
    told = {"axes": "ZYX", "PhysicalSizeZ": 2, "PhysicalSizeY": 1, "PhysicalSizeX": 1}
    tifffile.imwrite(folder / "b.tif", sized, metadata=told, ome=True)
    panel.list_files()
    finish(panel, qtbot)
    assert statuses(panel) == ["failed", "waiting", "failed"]
    assert "voxels" in panel.table.item(0, 0).toolTip()
    assert panel.table.text(1, "result") == "12 × 24 × 32"


def test_what_planes_are_is_asked_where_it_can_be_told(viewer, qtbot, folder, monkeypatch, told_model_path):
    last = make_settings(model=str(told_model_path), scale={"Z": 2}, sections="thin", device="cpu")
    monkeypatch.setattr("napari_vaesr.plugin.batch.panel.starting_settings", lambda: last)
    panel = make_panel(viewer, qtbot, folder)
    assert not panel.factors.sections.enabled and panel.settings().sections == "unknown"
    panel.factors.depth.value = 2
    assert panel.factors.sections.enabled and panel.settings().sections == "thin"
    panel.factors.sections.value = "thick"
    panel.run()
    finish(panel, qtbot)
    assert statuses(panel)[:2] == ["done", "done"]
    panel.open_result(0)
    (shown,) = results(viewer.layers)
    assert shown.mean.metadata[KEY]["settings"]["sections"] == "thick"
    panel.model.value = "photo"
    assert not panel.factors.sections.enabled and panel.settings().sections == "unknown"


def test_it_runs_passes_over_what_is_done_and_opens_a_result(viewer, qtbot, folder):
    panel = make_panel(viewer, qtbot, folder)
    panel.run()
    assert panel.cancel_button.enabled and not panel.run_button.enabled
    finish(panel, qtbot)
    assert statuses(panel) == ["done", "done", "failed"] and panel.run_button.enabled
    (folder / "broken.png").unlink()
    again = make_panel(viewer, qtbot, folder)
    again.run()
    finish(again, qtbot)
    assert statuses(again) == ["done before", "done before"]
    again.table.cellDoubleClicked.emit(1, 0)
    (shown,) = results(viewer.layers)
    assert shown.mean.data.shape == (3, 24, 32)


def test_a_run_that_is_over_looks_for_new_files(viewer, qtbot, folder):
    panel = make_panel(viewer, qtbot, folder)
    panel.run()
    finish(panel, qtbot)
    (folder / "broken.png").unlink()
    (folder / "b.tif").rename(folder / "c.tif")
    for name in ("a_x2.ome.tif", "a_x2.json"):
        (folder.parent / "out" / name).unlink()
    panel.run()
    finish(panel, qtbot)
    assert [panel.table.text(number, "file") for number in (0, 1)] == ["a.tif", "c.tif"]
    assert statuses(panel) == ["done", "done"]
    panel.run()
    finish(panel, qtbot)
    assert statuses(panel) == ["done before", "done before"]


@pytest.mark.parametrize("again", [False, True])
def test_it_stops_and_goes_on(viewer, qtbot, folder, monkeypatch, again):
    panel = make_panel(viewer, qtbot, folder)
    panel.again.value = again
    real = Queue.run

    def run(batch, report, is_stopped):
        def told(number, line):
            report(number, line)
            if number == 1 and line.share > 0:
                panel._stop.set()

        real(batch, told, is_stopped)

    with monkeypatch.context() as first:
        first.setattr(Queue, "run", run)
        panel.run()
        finish(panel, qtbot)
    assert statuses(panel)[0] == "done" and statuses(panel)[1].startswith("stopped, ")
    assert "Run goes on" in panel.status.value
    first = folder.parent / "out" / "a_x2.ome.tif"
    made = first.stat().st_mtime_ns
    panel.run()
    finish(panel, qtbot)
    assert statuses(panel)[:2] == ["done", "done"]
    assert first.stat().st_mtime_ns == made


def test_what_upscale_ran_with_meanwhile_is_taken_and_told(viewer, qtbot, folder, monkeypatch):
    panel = make_panel(viewer, qtbot, folder)
    panel.list_files()
    finish(panel, qtbot)
    assert "seed" not in panel.status.value
    last = make_settings(model="test-tiny", samples=9, seed=7, temperature=0.5, device="cpu")
    monkeypatch.setattr("napari_vaesr.plugin.batch.panel.starting_settings", lambda: last)
    taken = panel.settings()
    assert (taken.seed, taken.temperature, taken.samples) == (7, 0.5, 2)
    panel.list_files()
    finish(panel, qtbot)
    assert "As in the last run of Upscale: seed 7, temperature 0.5, device cpu." in panel.status.value


def test_it_stops_when_napari_asks_its_workers_to_quit(viewer, qtbot, folder, monkeypatch):
    panel = make_panel(viewer, qtbot, folder)
    real = Queue.run

    def run(batch, report, is_stopped):
        panel._worker.quit()
        real(batch, report, is_stopped)

    monkeypatch.setattr(Queue, "run", run)
    panel.run()
    finish(panel, qtbot)
    assert statuses(panel) == ["waiting", "waiting", "failed"]
    assert panel.run_button.enabled and "Run goes on" in panel.status.value


def test_what_is_wrong_is_told(viewer, qtbot, folder, tmp_path):
    panel = make_panel(viewer, qtbot, folder)
    panel.output.value = ""
    panel.run()
    assert panel.status.value == HINT and not panel.is_running
    panel.output.value = str(tmp_path / "out")
    panel.inputs.value = str(tmp_path / "nowhere")
    panel.run()
    finish(panel, qtbot)
    assert "nowhere" in panel.status.value and not panel.is_running


@pytest.mark.parametrize("stops", [False, True])
def test_files_are_looked_through_in_the_worker_and_that_is_told_and_stopped(
    viewer, qtbot, folder, monkeypatch, stops
):
    """Thousands of them take seconds."""
    panel = make_panel(viewer, qtbot, folder)
    panel.list_files()
    finish(panel, qtbot)
    threads, go_on = [], threading.Event()
    real = napari_vaesr.batch.inputs.is_result

    def is_result(place):
        threads.append(threading.current_thread())
        assert go_on.wait(60)
        return real(place)

    monkeypatch.setattr("napari_vaesr.batch.inputs.is_result", is_result)
    (folder / "broken.png").unlink()
    panel.list_files()
    qtbot.waitUntil(lambda: "the files, 0 of 2 ..." in panel.status.value, timeout=60000)
    assert len(statuses(panel)) == 3 and panel.cancel_button.enabled, "what was listed stays until then"
    if stops:
        panel.cancel()
    go_on.set()
    finish(panel, qtbot)
    assert threading.main_thread() not in threads
    assert statuses(panel) == (["waiting", "waiting", "failed"] if stops else ["waiting", "waiting"])
    assert panel.status.value.startswith("Stopped; nothing was listed." if stops else "2 files; about")
    assert len(threads) == (1 if stops else 2)


def test_folders_and_files_are_chosen(viewer, qtbot, folder, monkeypatch):
    panel = make_panel(viewer, qtbot, folder)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    panel._choose_folder()
    panel._choose_output()
    assert panel.inputs.value == panel.output.value == str(folder)
    names = [str(folder / name) for name in ("a.tif", "b.tif")]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: (names, ""))
    panel._choose_files()
    panel.output.value = str(folder.parent / "out")
    panel.list_files()
    finish(panel, qtbot)
    assert [panel.table.text(number, "file") for number in range(2)] == ["a.tif", "b.tif"]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: "")
    panel._choose_folder()
    assert panel.inputs.value == "; ".join(names)


def test_in_a_window_closing_it_stops(window, qtbot, folder, messages):
    dock, panel = window.window.add_plugin_dock_widget("napari-vaesr", "Upscale files")
    panel.inputs.value, panel.output.value = str(folder), str(folder.parent / "out")
    panel.run()
    worker = panel._worker
    window.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: not worker.is_running, timeout=60000)
    assert any("closed" in message for message in messages())

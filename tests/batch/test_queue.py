from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_vaesr.batch import outlook, targets, write
from napari_vaesr.batch.queue import Queue
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError


@pytest.fixture
def settings(tiny_model_path):
    return make_settings(model=str(tiny_model_path), samples=2, device="cpu", precision="float32")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for name, shape in (("a", (2, 12, 16)), ("b", (3, 12, 16))):
        pixels = np.random.default_rng(0).integers(0, 4000, shape).astype("uint16")
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", pixels, metadata={"axes": "ZYX"}, ome=True)
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    return tmp_path / "in"


def ran(batch: Queue, stops_at: tuple[int, float] | None = None):
    """Run, and stop once a line has come so far; returns what was told of each line."""
    told: dict[int, list] = {}
    stopped = []

    def report(number, line):
        told.setdefault(number, []).append(line)
        if stops_at is not None and number == stops_at[0] and line.share >= stops_at[1]:
            stopped.append(number)

    batch.run(report, lambda: bool(stopped))
    return told


def statuses(batch: Queue) -> list[str]:
    return [line.status for line in batch.lines]


def test_it_tells_what_it_would_do_and_what_cannot_be_read(folder, settings):
    batch = Queue([str(folder)], str(folder.parent / "out"), settings)
    assert statuses(batch) == ["waiting"] * 3
    assert list(batch.look()) == [0, 1, 2]
    first, second, broken = batch.lines
    assert first.outlook.shape == (2, 12, 16) and first.outlook.plan.shape == (2, 24, 32)
    assert first.outlook.scale == "x2" and second.outlook.disk == 3 * 24 * 32 * 2 * 4
    assert batch.disk == first.outlook.disk + second.outlook.disk and batch.seconds > 0
    assert broken.status == "failed" and "broken" in broken.message
    assert not (folder.parent / "out").exists()


def test_it_does_all_that_can_be_done_and_passes_over_it_afterwards(folder, settings):
    output = folder.parent / "out"
    batch = Queue([str(folder)], str(output), settings)
    told = ran(batch)
    assert statuses(batch) == ["done", "done", "failed"]
    shares = [line.share for line in told[1]]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1 and len(set(shares)) > 2
    assert tifffile.imread(output / "b_x2.ome.tif").shape == (3, 2, 24, 32)
    again = Queue([str(folder)], str(output), settings)
    assert statuses(again) == ["done before", "done before", "waiting"]
    assert set(ran(again)) == {2}
    assert statuses(Queue([str(folder)], str(output), settings, replace=True)) == ["waiting"] * 3


def test_it_goes_on_where_it_was_stopped(folder, settings):
    output = folder.parent / "out"
    batch = Queue([str(folder)], str(output), settings)
    ran(batch, stops_at=(1, 0.6))
    assert statuses(batch) == ["done", "stopped", "waiting"]
    assert not (output / "b_x2.ome.tif").exists()
    told = ran(batch)
    assert 0 not in told and statuses(batch) == ["done", "done", "failed"]
    assert tifffile.imread(output / "b_x2.ome.tif").shape == (3, 2, 24, 32)


def test_what_exists_is_replaced_when_told_to_alone(folder, settings):
    output = folder.parent / "out"
    output.mkdir()
    (output / "a_x2.ome.tif").write_bytes(b"somebody's")
    batch = Queue([str(folder / "a.tif")], str(output), settings)
    ran(batch)
    assert statuses(batch) == ["failed"] and "tick Replace to" in batch.lines[0].message
    assert (output / "a_x2.ome.tif").read_bytes() == b"somebody's"
    ran(replacing := Queue([str(folder / "a.tif")], str(output), settings, replace=True))
    assert statuses(replacing) == ["done"]


def test_no_images_and_no_such_scale(folder, settings, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(VaesrError):
        Queue([str(tmp_path / "empty")], str(tmp_path / "out"), settings)
    wrong = settings.model_copy(update={"scale": {"Z": 4, "Y": 2, "X": 2}})
    with pytest.raises(VaesrError):
        list(Queue([str(folder)], str(tmp_path / "out"), wrong).look())


def test_the_model_is_loaded_once(folder, settings, monkeypatch):
    loaded = []
    real = outlook.load_once
    monkeypatch.setattr(outlook, "load_once", lambda settings: loaded.append(1) or real(settings))
    ran(Queue([str(folder)], str(folder.parent / "out"), settings))
    assert len(loaded) == 1 and Path(folder.parent / "out" / "a_x2.json").is_file()


def test_no_output_takes_the_place_of_another_input(folder, settings):
    """Someone's own image may have the name of a result."""
    own = folder / "a_x2.ome.tif"
    pixels = np.random.default_rng(1).integers(0, 4000, (2, 24, 32)).astype("uint16")
    tifffile.imwrite(own, pixels, metadata={"axes": "ZYX"}, ome=True)
    before = own.read_bytes()
    batch = Queue([str(folder)], str(folder), settings, replace=True)
    ran(batch)
    assert own.read_bytes() == before
    (line,) = [line for line in batch.lines if line.target.source.name == "a.tif"]
    assert line.status == "failed" and "is an input as well as an output" in line.message


def test_each_input_is_asked_once_what_else_it_is_spread_over(folder, settings, monkeypatch):
    asked = []
    monkeypatch.setattr(targets, "parts_in_files", lambda place: asked.append(place.name) or [])
    batch = Queue([str(folder)], str(folder.parent / "out"), settings, replace=True)
    list(batch.look())
    ran(batch)
    assert statuses(batch) == ["done", "done", "failed"]
    assert sorted(asked) == ["a.tif", "b.tif", "broken.png"]


def test_a_file_that_goes_meanwhile_fails_alone(folder, settings):
    batch = Queue([str(folder)], str(folder.parent / "out"), settings)
    real = outlook.open_job

    def gone(target, *others):
        if target.source.name == "a.tif":
            (folder / "nothing").stat()
        return real(target, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outlook, "open_job", gone)
        list(batch.look())
        assert (
            statuses(batch) == ["failed", "waiting", "failed"] and "cannot be used" in batch.lines[0].message
        )
        assert not batch.is_over
    ran(batch)
    assert statuses(batch) == ["done", "done", "failed"] and batch.is_over


def test_what_nobody_expected_of_a_file_stays_with_it(folder, settings, monkeypatch):
    real = write.upscale_file

    def upscale_file(target, *args, **options):
        if target.source.name == "a.tif":
            raise OSError(28, "No space left on device")
        return real(target, *args, **options)

    monkeypatch.setattr(write, "upscale_file", upscale_file)
    batch = Queue([str(folder)], str(folder.parent / "out"), settings)
    ran(batch)
    assert statuses(batch) == ["failed", "done", "failed"]
    assert "No space left on device" in batch.lines[0].message

    def open_job(target, *_):
        raise RuntimeError("a decoder gave up")

    monkeypatch.setattr(outlook, "open_job", open_job)
    assert list(batch.look()) == [0, 1, 2]
    assert "a decoder gave up" in batch.lines[0].message


def test_no_time_is_left_for_what_failed(folder, settings):
    out = folder.parent / "out"
    out.mkdir()
    (out / "a_x2.ome.tif").write_bytes(b"of somebody else")
    batch = Queue([str(folder)], str(out), settings)
    list(batch.look())
    assert batch.lines[0].outlook is not None
    ran(batch)
    assert statuses(batch) == ["failed", "done", "failed"]
    assert batch.seconds == 0

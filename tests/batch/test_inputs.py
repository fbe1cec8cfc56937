from __future__ import annotations

import pytest

from napari_vaesr.batch.inputs import chosen_inputs, images_of
from napari_vaesr.errors import Cancelled, VaesrError


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"pixels")
    return tmp_path


def test_it_tells_how_far_it_is_and_can_be_stopped(folder):
    told = []
    found = chosen_inputs([str(folder)], [], told.append)
    assert [place.name for place in found] == ["a.png", "b.png", "c.png"]
    assert [(step.done, step.total) for step in told] == [(0, 3), (1, 3), (2, 3)]

    def stop(step):
        raise Cancelled

    with pytest.raises(Cancelled):
        chosen_inputs([str(folder)], [], stop)


def test_results_are_passed_over_and_refused_where_they_are_named(folder, monkeypatch):
    monkeypatch.setattr("napari_vaesr.batch.inputs.is_result", lambda place: place.name == "b.png")
    notes: list[str] = []
    assert [place.name for place in chosen_inputs([str(folder)], notes)] == ["a.png", "c.png"]
    assert notes == ["1 of 3 inputs are results of upscalings and are passed over."]
    with pytest.raises(VaesrError, match="is the result of an upscaling"):
        chosen_inputs([str(folder / "b.png")], notes)


def test_what_cannot_be_read_is_one_image(folder):
    (folder / "broken.tif").write_bytes(b"pixels")
    for name in ("a.png", "broken.tif", "absent.tif"):
        assert [place for place, _ in images_of(folder / name, "all")] == [folder / name]

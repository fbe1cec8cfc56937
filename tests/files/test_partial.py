"""Outputs that grow in a hidden folder: what their journal says of what is done."""

from __future__ import annotations

import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.partial import JOURNAL, partial_folder, partial_output

MADE_FROM = {"input": "a.tif", "samples": 4}


def stopped(path, parts):
    """Begin an output and stop after some parts."""
    with pytest.raises(KeyboardInterrupt), partial_output(path, MADE_FROM) as partial:
        assert not partial.resume(restart=False)
        partial.data.write_bytes(b"half")
        partial.begin({"pages": 3})
        for part, checksum in parts.items():
            partial.mark(part, checksum)
        raise KeyboardInterrupt


def test_what_was_entered_is_gone_on_with_and_the_output_comes_last(tmp_path):
    path, beside = tmp_path / "out.tif", tmp_path / "out.json"
    stopped(path, {0: 11, 2: 33})
    assert not path.exists()
    with (partial_folder(path) / JOURNAL).open("a") as journal:
        journal.write('{"done": 1, "checks')  # cut off by a power failure
    with partial_output(path, MADE_FROM) as partial:
        assert partial.resume(restart=False)
        assert partial.done == {0: 11, 2: 33} and partial.laid_out == {"pages": 3}
        partial.keep({0: 11})
        partial.mark(1, 22)
        record = partial.folder / "record"
        record.write_text("{}")
        partial.complete({record: beside})
    assert path.read_bytes() == b"half" and beside.read_text() == "{}"
    assert not partial_folder(path).exists()


def test_what_was_made_from_something_else_is_kept_until_one_says_so(tmp_path):
    path = tmp_path / "out.tif"
    stopped(path, {0: 11})
    other = {**MADE_FROM, "samples": 8}
    with (
        pytest.raises(VaesrError, match=r"other values of samples.*or replace it"),
        partial_output(path, other) as partial,
    ):
        partial.resume(restart=False)
    with partial_output(path, MADE_FROM) as partial:
        assert partial.resume(restart=False) and partial.done == {0: 11}
        partial.keep(partial.done)
    with partial_output(path, other) as partial:
        assert not partial.resume(restart=True) and partial.done == {}


def test_one_process_alone_makes_an_output(tmp_path):
    path = tmp_path / "out.tif"
    with (
        partial_output(path, MADE_FROM),
        pytest.raises(VaesrError, match="by another process"),
        partial_output(path, MADE_FROM),
    ):
        pass

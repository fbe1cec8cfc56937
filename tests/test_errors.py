"""Errors are one sentence that says what to do."""

from __future__ import annotations

from importlib import import_module

import pytest

from napari_vaesr.errors import NotEnoughMemory, TryAgain, VaesrError, files_spoken_of, needing


def test_what_an_extra_brings_is_named_where_it_is_missing():
    says = r'Training needs nowhere_to_be: .*"napari-vaesr\[train\]"'
    with pytest.raises(VaesrError, match=says), needing("train", "Training needs"):
        import_module("nowhere_to_be")


def test_what_the_system_says_of_a_file_is_a_sentence(tmp_path):
    with pytest.raises(TryAgain, match=r"gone\.tif cannot be used \(No such file"), files_spoken_of():
        (tmp_path / "gone.tif").read_bytes()
    with pytest.raises(OSError, match="plain") as found, files_spoken_of():
        raise OSError("plain")
    assert not isinstance(found.value, VaesrError)


def test_memory_that_runs_out_is_caught_as_such():
    assert issubclass(NotEnoughMemory, MemoryError) and issubclass(NotEnoughMemory, VaesrError)

"""Pictures of an evaluation."""

from __future__ import annotations

from napari_vaesr.trust.plots import write_reliability, write_sparsification
from napari_vaesr.trust.summary import summarise


def test_plots_are_pictures(known, tmp_path):
    summaries = summarise([known("good", 0), known("bad", 1, factor=2)])
    for write in (write_reliability, write_sparsification):
        path = tmp_path / f"{write.__name__}.png"
        write(path, summaries)
        assert path.read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 2

"""Words for how far a piece of work is."""

from __future__ import annotations

import pytest

from napari_vaesr.engine.progress import readable_bytes


@pytest.mark.parametrize(
    "count, words",
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (250_000, "250 kB"),
        (1.4e9, "1.4 GB"),
        (3e12, "3.0 TB"),
        (5e15, "5000.0 TB"),
    ],
)
def test_readable_bytes(count, words):
    assert readable_bytes(count) == words

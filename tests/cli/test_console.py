from __future__ import annotations

import pytest

from napari_vaesr.cli.console import readable_bytes, readable_seconds


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


@pytest.mark.parametrize(
    "seconds, words",
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.99, "10 s"),
        (59.6, "1 min 0 s"),
        (125, "2 min 5 s"),
        (7260, "2 h 1 min"),
    ],
)
def test_readable_seconds(seconds, words):
    assert readable_seconds(seconds) == words

"""The time that is left."""

from __future__ import annotations

from napari_vaesr.plugin.widgets.timing import TimeLeft, duration


def test_time_left():
    now = [0.0]
    left = TimeLeft(clock=lambda: now[0])
    assert left.update(0, 10) == ""
    now[0] = 50  # loading the model
    assert left.update(1, 10) == ""
    now[0] = 52
    assert left.update(2, 10) == "16 s left"
    now[0] = 54
    assert left.update(10, 10) == ""
    assert left.update(1, 1000) == "", "another piece of work has a clock of its own"
    now[0] = 55
    assert left.update(501, 1000) == "1 s left"
    assert [duration(seconds) for seconds in (0.2, 89, 100, 3600, 7800)] == [
        "1 s",
        "89 s",
        "2 min",
        "60 min",
        "2 h 10 min",
    ]

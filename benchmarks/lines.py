"""Lines of a table: what was reached beside what was wanted."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One line of the table."""

    what: str
    reached: float
    wanted: str
    passed: bool


def at_least(what: str, reached: float, least: float) -> Line:
    return Line(what, float(reached), f"≥ {least:.2f}", bool(reached >= least))


def at_most(what: str, reached: float, most: float) -> Line:
    return Line(what, float(reached), f"≤ {most:.3f}", bool(reached <= most))


def between(what: str, reached: float, least: float, most: float) -> Line:
    return Line(what, float(reached), f"{least:g} to {most:g}", bool(least <= reached <= most))


def reported(what: str, reached: float) -> Line:
    return Line(what, float(reached), "reported", True)

"""What is looked at of an image where all of it would be too much: planes here and there, and the middle."""

from __future__ import annotations

import numpy as np


def evenly_spaced(count: int, most: int) -> list[int]:
    """Choose at most so many of `count` indices, from the first to the last."""
    return [int(index) for index in np.linspace(0, count - 1, min(count, most)).round()]


def middle_part(size: int, length: int) -> slice:
    """Return the middle of an axis, so many pixels long, or all of it where it is shorter."""
    length = min(size, length)
    start = (size - length) // 2
    return slice(start, start + length)


def middle_of(part: range, length: int) -> range:
    """Return the middle of a range, so many indices long, or all of it where it is shorter."""
    return part[middle_part(len(part), length)]

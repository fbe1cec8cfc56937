"""What is looked at of an image where all of it would be too much: planes here and there, and the middle."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def evenly_spaced(count: int, most: int) -> list[int]:
    """Choose at most so many of `count` indices, from the first to the last."""
    return [int(index) for index in np.linspace(0, count - 1, min(count, most)).round()]


def here_and_there(array: Any, most: int) -> Any:
    """Return evenly spaced pixels of an array: so many, or not many more, or all where there are fewer."""
    step = max(1, math.ceil((array.size / most) ** (1 / max(array.ndim, 1))))
    return array[(slice(None, None, step),) * array.ndim]


def middle_part(size: int, length: int) -> slice:
    """Return the middle of an axis, so many pixels long, or all of it where it is shorter."""
    length = min(size, length)
    start = (size - length) // 2
    return slice(start, start + length)


def middle_of(part: range, length: int) -> range:
    """Return the middle of a range, so many indices long, or all of it where it is shorter."""
    return part[middle_part(len(part), length)]

"""Pictures that a camera held on its side, and says so."""

from __future__ import annotations

from typing import Any

TURNED = (5, 6, 7, 8)
"""Orientations in which rows are stored as columns."""

_FROM_THE_RIGHT, _FROM_BELOW = (2, 3, 6, 7), (3, 4, 7, 8)


def upright(pixels: Any, axes: str, orientation: int) -> Any:
    """Return pixels as they are meant to be seen; lazily where they are lazy.

    Parameters
    ----------
    pixels : array
        As they are stored.
    axes : str
        Their axes, with ``Y`` for the stored rows.
    orientation : int
        From 1 to 8, as TIFF and EXIF have it: where the stored rows and columns begin. Others count as 1.
    """
    rows, columns = axes.index("Y"), axes.index("X")
    if orientation in TURNED:
        pixels = pixels.swapaxes(rows, columns)
    backwards = slice(None, None, -1)
    steps = [slice(None)] * len(axes)
    steps[columns] = backwards if orientation in _FROM_THE_RIGHT else slice(None)
    steps[rows] = backwards if orientation in _FROM_BELOW else slice(None)
    return pixels if orientation not in range(2, 9) else pixels[tuple(steps)]

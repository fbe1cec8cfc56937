"""Where pixels lie in an image and in what is made of it: corners stay where they are, so centres move.

Pixel centres sit at whole indices, so the corner of the first pixel is at -1/2 in both. Every index that goes
from one to the other goes through here: numbers, NumPy arrays and tensors alike.
"""

from __future__ import annotations

from typing import Any, TypeVar

Index = TypeVar("Index", bound=Any)


def to_source(index: Index, factor: Any) -> Index:
    """Return where in the source an index of the image with `factor` times as many pixels lies.

    The first of two pixels that take the place of one is a quarter of a pixel before that one's centre.

    Parameters
    ----------
    index : float or array of float
        In the larger image; whole numbers are centres of pixels.
    factor : float
        How many pixels take the place of one, along this axis.
    """
    there: Index = (index + 0.5) / factor - 0.5
    return there


def to_larger(index: Index, factor: Any) -> Index:
    """Return where in the image with `factor` times as many pixels an index of the source lies.

    Parameters
    ----------
    index : float or array of float
        In the source; whole numbers are centres of pixels.
    factor : float
        How many pixels take the place of one, along this axis.
    """
    there: Index = (index + 0.5) * factor - 0.5
    return there

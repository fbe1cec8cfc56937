"""What is shown in the place of a plane until it is upscaled: its source, or nothing.

Nothing here needs a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vaesr.centres import to_source

Index = tuple[int | slice, ...]


@dataclass(frozen=True, eq=False)
class StandIn:
    """The source in the size of its result, read where it is looked at.

    Attributes
    ----------
    source : array
        Pixels with the axes of the result.
    factors : tuple of float
        How many pixels of the result stand where one of the source stood, along each axis.
    start : tuple of int
        Where in the source the result begins.
    """

    source: Any
    factors: tuple[float, ...]
    start: tuple[int, ...]

    def read(self, index: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return a part, each pixel of the source repeated: the nearest one.

        Parameters
        ----------
        index : int, slice or tuple of them
            Of the result.
        shape : tuple of int
            Of the whole result.
        dtype : dtype
            Of the result.
        """
        places = []
        for axis, part in enumerate(whole_index(index, len(shape))):
            nearest = to_source(np.arange(shape[axis])[part], self.factors[axis])
            reduced = np.floor(nearest + 0.5).astype(np.intp)  # a pixel on the border is the next one's
            wanted = reduced + self.start[axis]
            places.append(np.minimum(wanted, self.source.shape[axis] - 1))
        box = tuple(slice(int(each.min()), int(each.max()) + 1) for each in places if each.size)
        if len(box) < len(shape):
            return np.zeros([each.size for each in places if each.ndim], dtype)
        pixels = np.asarray(self.source[box])
        for axis in reversed(range(len(shape))):
            pixels = np.take(pixels, places[axis] - box[axis].start, axis)
        return pixels.astype(dtype, copy=False)


@dataclass(frozen=True, eq=False)
class Unknown:
    """Stands in for an uncertainty that is not known yet: not a number, which napari shows as nothing."""

    def read(self, index: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return a part; as `StandIn.read`."""
        entries = zip(shape, whole_index(index, len(shape)), strict=True)
        places = [np.arange(size)[part] for size, part in entries]
        return np.full([each.size for each in places if each.ndim], np.nan if dtype.kind == "f" else 0, dtype)


@dataclass(frozen=True, eq=False)
class Cut:
    """Stands in for a part of an array that begins later along one axis.

    Attributes
    ----------
    whole : StandIn or Unknown
        Stands in for the whole array.
    shape : tuple of int
        Of the whole array.
    axis, start : int
        Where the part begins.
    """

    whole: StandIn | Unknown
    shape: tuple[int, ...]
    axis: int
    start: int

    def read(self, index: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return a part; as `StandIn.read`."""
        entries = list(whole_index(index, len(shape)))
        places = np.arange(self.start, self.shape[self.axis])[entries[self.axis]]
        entries[self.axis] = slice(int(places[0]), int(places[-1]) + 1) if places.ndim else int(places)
        return self.whole.read(tuple(entries), self.shape, dtype)


def whole_index(index: Any, ndim: int) -> Index:
    """Return an index with one entry for every axis."""
    entries = index if isinstance(index, tuple) else (index,)
    return (*entries, *(slice(None),) * (ndim - len(entries)))

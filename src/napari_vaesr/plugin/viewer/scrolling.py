"""Planes that were scrolled past are given up, and the processor goes to the plane that is looked at now.

Rendering asynchronously, napari slices all layers in one thread of its own, one request after the other. A
request that a newer one replaces is dropped while it waits, but one that is being computed runs to its end,
and the newer waits for it. Whether there is a newer one is not to be learnt from napari's public interface;
where a future napari keeps it elsewhere, planes run to their end again.
"""

from __future__ import annotations

import sys
import threading
import time
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from napari_vaesr.engine.wanted import GivenUp, given_up_when

MOVING_SECONDS = 0.3
"""Someone whose latest move is not older is still on the way."""

PATIENCE_SECONDS = 1.0
"""Someone on the way who saw nothing new for so long gets a plane to see, though it was scrolled past."""


class ScrolledArray(da.Array):
    """A Dask array like any other, but for one reader: the thread in which napari slices layers.

    That thread gets pixels. Where they are not wanted any more when they are half done, it gets those that
    are on the screen already, and so nothing changes there before the plane that is wanted is done.
    """

    is_scrolled = True
    _shown: NDArray[Any] | None = None
    _waits_since: float | None = None
    _newest, _moved = -1, 0.0

    @classmethod
    def of(cls, array: da.Array) -> ScrolledArray:
        """Return the same array as one of these."""
        return cls(array.dask, array.name, array.chunks, meta=array)

    def __getitem__(self, index: Any) -> Any:
        """Return a part: lazy, or pixels for napari's slicing."""
        part = super().__getitem__(index)
        request = _slice_request()
        if request is None:
            return part
        self._waits_since = self._waits_since or time.monotonic()
        try:
            with given_up_when(partial(self._is_scrolled_past, request)):
                self._shown = part.compute(scheduler="synchronous")
            self._waits_since = None
        except GivenUp:
            if self._shown is None or self._shown.shape != part.shape:
                return np.zeros(part.shape, part.dtype)
        return self._shown

    def _is_scrolled_past(self, request: int) -> bool:
        """Tell whether every layer of these pixels has a newer request or is hidden."""
        from napari import Viewer

        viewers = getattr(Viewer, "_instances", ())
        layers = [layer for viewer in viewers for layer in viewer.layers if layer.data is self]
        newest = [_latest_request(layer) for layer in layers if layer.visible]
        if not layers or any(number <= request for number in newest):
            return False
        now = time.monotonic()
        if newest and max(newest) != self._newest:
            self._newest, self._moved = max(newest), now
        is_moving = now - self._moved < MOVING_SECONDS
        waits = now - (self._waits_since or now)
        return not (newest and is_moving and waits > PATIENCE_SECONDS)


def _slice_request() -> int | None:
    """Return the number of napari's request that reads an array two calls up; None for other readers.

    On the main thread napari waits for the pixels, so nothing newer can come.
    """
    if threading.current_thread() is threading.main_thread():
        return None
    reader = sys._getframe(2).f_locals.get("self")
    if not type(reader).__module__.startswith("napari.layers."):
        return None
    return getattr(reader, "id", None)


def _latest_request(layer: Any) -> int:
    """Return the number of the latest request for a layer, -1 where that is not known."""
    return getattr(getattr(layer, "_slicing_state", None), "_last_slice_id", -1)

"""The window never waits for a plane: it shows the source until it is there, and drops what was passed.

napari slices a layer on the main thread, which waits for the pixels; there it is given a stand-in at once,
and the layer is refreshed when the plane has been computed in a worker.

Rendering asynchronously, napari slices all layers in one thread of its own, one request after the other. A
request that a newer one replaces is dropped while it waits, but one that is being computed runs to its end,
and the newer waits for it. Whether there is a newer one is not to be learnt from napari's public interface;
where a future napari keeps it elsewhere, planes run to their end again, on the main thread, too.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import OrderedDict
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
from numpy.typing import NDArray

from napari_vaesr.engine.wanted import GivenUp, given_up_when, is_program_ending
from napari_vaesr.plugin.viewer.stand_in import Cut, StandIn, Unknown

MOVING_SECONDS = 0.3
"""Someone whose latest move is not older is still on the way."""

PATIENCE_SECONDS = 1.0
"""Someone on the way who saw nothing new for so long gets a plane to see, though it was scrolled past."""

KEPT_PLANES = 4
"""Planes kept by an array for the main thread; the engine remembers many more."""


class ScrolledArray(da.Array):
    """A Dask array like any other, but for one reader: napari, when it slices layers.

    It gets pixels. On the main thread, those of the stand-in where they are not computed yet. In its own
    thread, where they are not wanted any more when they are half done, those that are on the screen already,
    and so nothing changes there before the plane that is wanted is done.
    """

    is_scrolled = True
    stand_in: StandIn | Unknown | Cut | None = None
    _shown: NDArray[Any] | None = None
    _waits_since: float | None = None
    _newest, _moved = -1, 0.0
    _wanted: str | None = None
    _work: Any = None
    _next: tuple[str, da.Array] | None = None
    _has_layers = False
    _done: OrderedDict[str, NDArray[Any]]

    @classmethod
    def of(cls, array: da.Array, stand_in: StandIn | Unknown | Cut | None = None) -> ScrolledArray:
        """Return the same array as one of these."""
        made = cls(array.dask, array.name, array.chunks, meta=array)
        made.stand_in = stand_in
        made._done = OrderedDict()
        return made

    def cut(self, axis: int, start: int, seen: int) -> ScrolledArray:
        """Return the part from `start` on along an axis, with the planes that are there already.

        Parameters
        ----------
        axis, start : int
            Where the part begins.
        seen : int
            Which of the axes on show that axis is, from the first.
        """
        part = (*(slice(None),) * axis, slice(start, None))
        whole = Unknown() if self.stand_in is None or isinstance(self.stand_in, Cut) else self.stand_in
        made = ScrolledArray.of(self[part], Cut(whole, self.shape, axis, start))
        for key, pixels in self._done.items():
            made._done[key] = pixels[(*(slice(None),) * seen, slice(start, None))]
        return made

    @property
    def is_waited_for(self) -> bool:
        """Whether something is shown in the place of what is being computed."""
        return self._wanted is not None

    def __getitem__(self, index: Any) -> Any:
        """Return a part: lazy, or pixels for napari's slicing."""
        part = super().__getitem__(index)
        request = _slice_request()
        if request is None:
            return part
        if threading.current_thread() is threading.main_thread():
            return self._at_once(index, part) if self.stand_in is not None and _windows() else part
        self._waits_since = self._waits_since or time.monotonic()
        try:
            with given_up_when(partial(self._is_scrolled_past, request)):
                self._shown = _computed(part)
            self._waits_since = None
        except GivenUp:
            if self._shown is None or self._shown.shape != part.shape:
                return np.zeros(part.shape, part.dtype)
        return self._shown

    def _at_once(self, index: Any, part: da.Array) -> NDArray[Any]:
        """Return pixels if they are there; else let them be computed, and return the stand-in."""
        key = repr(index)
        if key in self._done:
            self._wanted = None
            self._done.move_to_end(key)
            return self._done[key]
        self._wanted = key
        if self._work is None:
            self._compute(key, part)
        else:
            self._next = key, part
        assert self.stand_in is not None
        return self.stand_in.read(index, self.shape, self.dtype)

    def _compute(self, key: str, part: da.Array) -> None:
        """Compute a part in a worker, unless another is wanted meanwhile, and refresh the layers."""
        from napari_vaesr.plugin.viewer.workers import create_worker

        self._next = None
        self._work = create_worker(
            partial(self._pixels, key, part),
            _start_thread=False,
            _progress={"total": 0, "desc": "Upscaling what is shown"},
        )
        self._work.returned.connect(partial(self._take, key))
        self._work.finished.connect(self._go_on)
        self._work.start()

    def _pixels(self, key: str, part: da.Array) -> NDArray[Any] | None:
        try:
            with given_up_when(partial(self._is_vain, key)):
                return _computed(part)
        except GivenUp:
            return None

    def _is_vain(self, key: str) -> bool:
        return is_program_ending() or self._wanted != key or self._is_out_of_sight()

    def _take(self, key: str, pixels: NDArray[Any] | None) -> None:
        if pixels is None:
            return
        self._done[key] = pixels
        while len(self._done) > KEPT_PLANES:
            self._done.popitem(last=False)
        for layer in self._layers():
            layer.refresh()

    def _go_on(self) -> None:
        """Turn to what was asked for meanwhile."""
        self._work = None
        if self._next is not None and self._next[0] == self._wanted and not self._is_out_of_sight():
            self._compute(*self._next)

    def _layers(self) -> list[Any]:
        """Return the layers of these pixels in the windows that there are."""
        layers = [layer for viewer in _windows() for layer in viewer.layers if layer.data is self]
        self._has_layers |= bool(layers)
        return layers

    def _is_out_of_sight(self) -> bool:
        """Whether every layer is hidden or gone; one that is being made is not in a window yet."""
        layers = self._layers()
        return self._has_layers and not any(layer.visible for layer in layers)

    def _is_scrolled_past(self, request: int) -> bool:
        """Tell whether every layer of these pixels has a newer request or is hidden."""
        layers = self._layers()
        newest = [_latest_request(layer) for layer in layers if layer.visible]
        if not layers or any(number <= request for number in newest):
            return False
        now = time.monotonic()
        if newest and max(newest) != self._newest:
            self._newest, self._moved = max(newest), now
        is_moving = now - self._moved < MOVING_SECONDS
        waits = now - (self._waits_since or now)
        return not (newest and is_moving and waits > PATIENCE_SECONDS)


def _windows() -> list[Any]:
    from napari import Viewer

    return list(getattr(Viewer, "_instances", ()))


def _computed(part: da.Array) -> NDArray[Any]:
    """Compute a part without napari's cache of Dask chunks, which fails where two threads compute."""
    pixels: NDArray[Any] = part.compute(scheduler="synchronous", callbacks=())
    return pixels


def _slice_request() -> int | None:
    """Return the number of napari's request that reads an array two calls up; None for other readers."""
    reader = sys._getframe(2).f_locals.get("self")
    if not type(reader).__module__.startswith("napari.layers."):
        return None
    return getattr(reader, "id", None)


def _latest_request(layer: Any) -> int:
    """Return the number of the latest request for a layer, -1 where that is not known."""
    return getattr(getattr(layer, "_slicing_state", None), "_last_slice_id", -1)

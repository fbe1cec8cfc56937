"""How sure the plane on show is, of a result that is computed or read as one scrolls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from napari.layers import Image
from qtpy.QtCore import QTimer

from napari_vaesr.arrays import Float32Array
from napari_vaesr.engine.wanted import GivenUp, given_up_when, is_program_ending
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.geometry import Placement
from napari_vaesr.plugin.viewer.look import add_joint, axes_of
from napari_vaesr.plugin.viewer.results import Index, ShownResult
from napari_vaesr.plugin.viewer.sources import source_array
from napari_vaesr.plugin.viewer.workers import create_worker
from napari_vaesr.plugin.viewer.world import on_show, to_shown_pixels
from napari_vaesr.trust.certainty import Certainty, certainty_of, nice_top, painted, relative_uncertainty

if TYPE_CHECKING:
    from napari.components import ViewerModel

SETTLED = 150
"""Milliseconds without a move after which the plane on show is looked at."""

FLAT = "Planes of Y and X alone are looked at here: switch the display back to them."


class PlaneLook:
    """Follows the viewer: tells the certainty of the plane on show, and shows its joint map when asked.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer that is followed.
    result : ShownResult
        Its mean is lazy.
    tell : callable
        Called with the `Certainty` of a plane, whose place is one of the whole result, or None as long as
        nothing is known of the plane on show.

    Attributes
    ----------
    is_shown : bool
        Whether the joint map is on show.
    layer : napari.layers.Image or None
        The joint map, once there is one.
    top : float
        Relative uncertainty where its colours end.
    """

    def __init__(self, viewer: ViewerModel, result: ShownResult, tell: Callable[[Certainty | None], None]):
        self._viewer, self._result, self._tell = viewer, result, tell
        self._wanted: Index | None = None
        self._known: tuple[Index, npt.NDArray[Any], Float32Array] | None = None
        self._worker: Any = None
        self.layer: Image | None = None
        self.is_shown = False
        self.top = 0.0
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._look)
        self._events = [viewer.dims.events.point, viewer.dims.events.order, viewer.dims.events.ndisplay]
        for event in self._events:
            event.connect(self._on_moved)
        self._timer.start(0)

    def stop(self) -> None:
        """Follow the viewer no longer, and take the joint map away."""
        self._timer.stop()
        self._wanted = None
        for event in self._events:
            event.disconnect(self._on_moved)
        self.show(False)

    def show(self, on: bool) -> None:
        """Show the joint map over the mean, or no longer.

        Raises
        ------
        VaesrError
            Where no planes of Y and X are on show.
        """
        if on and self._where() is None:
            raise VaesrError(FLAT)
        self.is_shown = on
        if on:
            self._result.mean.visible = True  # what is seen until the map of the next plane is there
            self._paint()
        elif self.layer is not None and self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)
            self.layer = None

    def _where(self) -> Index | None:
        """Return the index of the plane on show in the result."""
        dims, mean, axes = self._viewer.dims, self._result.mean, axes_of(self._result)
        shown = on_show(dims, mean)
        if shown != [axes.find("Y"), axes.find("X")]:
            return None
        pixels = to_shown_pixels(mean, dims.point, dims.units, shown)[-mean.ndim :]
        shape = source_array(mean).shape
        return tuple(
            slice(None) if axis in shown else int(np.clip(round(float(pixels[axis])), 0, shape[axis] - 1))
            for axis in range(mean.ndim)
        )

    def _on_moved(self, *_: Any) -> None:
        self._timer.start(SETTLED)

    def _look(self) -> None:
        self._wanted = where = self._where()
        if where is None or self._result.mean not in self._viewer.layers:
            self._tell(None)
        elif self._known is not None and self._known[0] == where:
            self._say()
        elif getattr(source_array(self._result.mean), "is_waited_for", False):
            self._tell(None)
            self._timer.start(SETTLED)  # it is being computed for the eye, and is kept then
        else:
            self._tell(None)
            if self._worker is None and (self.is_shown or self._result.mean.visible):
                self._start(where)

    def _start(self, where: Index) -> None:
        work = partial(_looked_at, self._result, where, lambda: self._wanted != where)
        self._worker = create_worker(work, _start_thread=False)
        self._worker.returned.connect(partial(self._take, where))
        self._worker.finished.connect(self._go_on)
        self._worker.start()

    def _take(self, where: Index, found: tuple[npt.NDArray[Any], Float32Array] | None) -> None:
        if found is None or self._wanted != where:
            return
        self._known = (where, *found)
        self.top = max(self.top, nice_top(found[1]))  # a colour means the same in all planes
        self._say()
        if self.is_shown:
            self._paint()

    def _go_on(self) -> None:
        self._worker = None
        if self._wanted is not None and (self._known is None or self._known[0] != self._wanted):
            self._timer.start(0)

    def _say(self) -> None:
        assert self._known is not None
        where, _, relative = self._known
        axes = axes_of(self._result)
        plane = "".join(name for name, at in zip(axes, where, strict=True) if not isinstance(at, int))
        found = certainty_of(relative, plane)
        others = {name: at for name, at in zip(axes, where, strict=True) if isinstance(at, int)}
        self._tell(replace(found, place={**others, **found.place}))

    def _paint(self) -> None:
        """Give the joint map the pixels and the place of the plane on show."""
        layers, mean = self._viewer.layers, self._result.mean
        if self._known is None or mean not in layers:
            return
        where, grey, relative = self._known
        flat = tuple(np.newaxis if isinstance(at, int) else slice(None) for at in where)
        picture = painted(grey, relative, "YX", self.top)[flat]
        place = Placement(mean.scale, mean.translate, mean.rotate, mean.shear)
        start = place.to_world([at if isinstance(at, int) else 0 for at in where])
        if self.layer is not None and self.layer in layers:
            self.layer.translate, self.layer.data = start, picture
            return
        self.layer = add_joint(layers, self._result, picture, translate=start)


def is_lazy(result: ShownResult) -> bool:
    """Whether a result is computed or read plane by plane, so that there is no whole to look at."""
    return not isinstance(source_array(result.mean), np.ndarray)


def _looked_at(
    result: ShownResult, where: Index, is_vain: Callable[[], bool]
) -> tuple[npt.NDArray[Any], Float32Array] | None:
    """Return grey levels and relative uncertainty of a plane; for a worker."""
    try:
        with given_up_when(lambda: is_vain() or is_program_ending()):
            grey, std = _pixels(result.luma(where)), _pixels(result.std(where))
    except GivenUp:
        return None
    return grey, relative_uncertainty(grey, std, "YX")


def _pixels(part: Any) -> npt.NDArray[Any]:
    # Without napari's cache of Dask chunks, which fails where two threads compute.
    return np.asarray(part.compute(scheduler="synchronous", callbacks=()) if hasattr(part, "dask") else part)

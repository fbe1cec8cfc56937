"""A line across the canvas: before on its left, after on its right; it is dragged with the mouse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Shapes

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.geometry import Placement
from napari_vaesr.plugin.viewer.layers import same_place
from napari_vaesr.plugin.viewer.results import ShownResult
from napari_vaesr.plugin.viewer.sources import source_array
from napari_vaesr.plugin.viewer.world import on_show, to_shown_pixels, to_world

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

GRIP = 12
"""Screen pixels on either side of the line where it can be gripped."""

WIDTH = 2.5
"""Screen pixels of the line."""


class Swipe:
    """Shows a result on one side of a line and its source on the other, until it is stopped.

    The part of the mean right of the line is a layer of its own, a view of the same pixels: nothing is
    computed or copied when the line moves.

    Parameters
    ----------
    viewer : ViewerModel
        Where it is looked at.
    result : ShownResult
        What is shown on the right.
    source : napari.layers.Image
        What is shown on the left.

    Raises
    ------
    VaesrError
        In 3-D display.
    """

    def __init__(self, viewer: ViewerModel, result: ShownResult, source: Layer):
        if viewer.dims.ndisplay == 3:
            raise VaesrError("Swiping is for planes: switch the display to 2-D first.")
        self._viewer, self._mean, self._source = viewer, result.mean, source
        self._visible = {layer: layer.visible for layer in (result.mean, source)}
        self._metadata = result.metadata("swipe")
        self.axis = on_show(viewer.dims, result.mean)[-1]
        self._place = Placement(self._mean.scale, self._mean.translate, self._mean.rotate, self._mean.shear)
        size = source_array(self._mean).shape[self.axis]
        self.at = min(max(round(self._column(viewer.scene.camera.center[-1])), 1), size - 1)
        chosen = viewer.layers.selection.active
        self.part = self._make_part()
        self.line = self._make_line()
        self._show(self.at)
        result.mean.visible, source.visible = False, True
        viewer.layers.selection.active = chosen
        viewer.mouse_drag_callbacks.append(self._on_drag)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)

    def stop(self) -> None:
        """Take the line away and show both layers as they were."""
        viewer = self._viewer
        if self._on_drag in viewer.mouse_drag_callbacks:
            viewer.mouse_drag_callbacks.remove(self._on_drag)
        viewer.scene.camera.events.zoom.disconnect(self._on_zoom)
        for layer in (self.part, self.line):
            if layer in viewer.layers:
                viewer.layers.remove(layer)
        for layer, visible in self._visible.items():
            layer.visible = visible

    def move(self, column: float) -> None:
        """Put the line at a column of the result, as far as the result reaches."""
        size = source_array(self._mean).shape[self.axis]
        at = min(max(round(column), 1), size - 1)
        if at != self.at:
            self._show(at)

    def _make_part(self) -> Image:
        mean = self._mean
        look = {name: getattr(mean, name) for name in ("blending", "interpolation2d", "opacity")}
        if not mean.rgb:
            look |= {name: getattr(mean, name) for name in ("colormap", "contrast_limits", "gamma")}
        part = Image(
            self._right_of(1),  # lazy pixels are not read yet
            **same_place(mean),
            **look,
            name="after, right of the line",
            rgb=mean.rgb,
            visible=False,
            metadata=self._metadata,
        )
        self._viewer.layers.insert(self._viewer.layers.index(mean) + 1, part)
        return part

    def _make_line(self) -> Shapes:
        line = Shapes(
            [np.zeros((2, 2))],
            shape_type="line",
            name="swipe line, drag it",
            edge_color="white",
            units=(self._viewer.dims.units or self._mean.units)[-2:],
            metadata=self._metadata,
        )
        self._viewer.layers.append(line)
        return line

    def _show(self, at: int) -> None:
        self.at = at
        mean = self._mean
        start = [at if axis == self.axis else 0 for axis in range(mean.ndim)]
        self.part.data = self._right_of(at)
        self.part.translate = self._place.to_world(start)
        self.part.visible = True
        self._draw_line()

    def _right_of(self, at: int) -> Any:
        """Return the pixels from a column on; the window does not wait for lazy ones."""
        pixels = source_array(self._mean)
        if hasattr(pixels, "is_scrolled"):
            return pixels.cut(self.axis, at, seen=int(self._row < self.axis))
        return pixels[(*(slice(None),) * self.axis, slice(at, None))]

    @property
    def _row(self) -> int:
        """The axis of the mean that runs downwards."""
        return on_show(self._viewer.dims, self._mean)[-2]

    @property
    def _line_axes(self) -> list[int]:
        """The axes of the line's layer that run downwards and across."""
        first = self._viewer.dims.ndim - 2
        return [axis - first for axis in self._viewer.dims.order if axis >= first]

    def _draw_line(self) -> None:
        """Draw it as long as the result is high."""
        mean, units = self._mean, self._viewer.dims.units
        row = self._row
        height = source_array(mean).shape[row]
        ends = []
        for end in (-0.5, height - 0.5):
            index = [0.0] * mean.ndim
            index[self.axis], index[row] = self.at - 0.5, end
            ends.append(to_world(mean, index, units)[[row, self.axis]])
        # A layer of two axes is shown in all planes, its axes in the order that the viewer has them.
        self.line.data = [np.array(ends)[:, np.argsort(self._line_axes)]]
        self.line.edge_width = [WIDTH / self._viewer.scene.camera.zoom]

    def _column(self, across: float) -> float:
        """Return the column of the result below a horizontal world position."""
        point = np.array(self._viewer.dims.point, dtype=float)
        point[self._viewer.dims.displayed[-1]] = across
        dims, mean = self._viewer.dims, self._mean
        return float(to_shown_pixels(mean, point, dims.units, on_show(dims, mean))[self.axis])

    def _on_drag(self, viewer: Any, event: Any) -> Iterator[None]:
        here = viewer.cursor.position[viewer.dims.displayed[-1]]
        pixels = abs(here - self._across()) * viewer.scene.camera.zoom
        if pixels > GRIP:
            return
        viewer.scene.camera.mouse_pan = False
        try:
            yield
            while event.type == "mouse_move":
                self.move(self._column(viewer.cursor.position[viewer.dims.displayed[-1]]))
                yield
            # The last moves before the mouse is released may come too late.
            self.move(self._column(viewer.cursor.position[viewer.dims.displayed[-1]]))
        finally:
            viewer.scene.camera.mouse_pan = True

    def _across(self) -> float:
        return float(self.line.data[0][0][self._line_axes[-1]])

    def _on_zoom(self, *_: Any) -> None:
        if self.line in self._viewer.layers:
            self.line.edge_width = [WIDTH / self._viewer.scene.camera.zoom]

"""The mean and its 90 % band along a line that is drawn over a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import Container, PushButton
from napari.layers import Shapes
from qtpy.compat import isalive
from qtpy.QtCore import QTimer

from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.inspect.line_measure import LineMeasureSection
from napari_vaesr.plugin.inspect.line_profile import Profile, line_of, line_profile, source_along
from napari_vaesr.plugin.inspect.profile_plot import ProfilePlot
from napari_vaesr.plugin.viewer.results import ShownResult
from napari_vaesr.plugin.viewer.sources import source_of

if TYPE_CHECKING:
    import napari

LINE = "profile line"
SETTLED = 50
"""Milliseconds without a change after which the plot is drawn anew."""


class ProfileSection(Container):
    """Plots a result along the last line of a Shapes layer, and follows line, plane and theme.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer with the result and the line.
    say : callable
        Called with what the user should read.
    """

    def __init__(self, viewer: napari.viewer.Viewer, say: Callable[[str], None]):
        self._viewer, self._say = viewer, say
        self._result: ShownResult | None = None
        self._shapes: Shapes | None = None
        self.source: Any = None
        self.button = PushButton(
            text="Draw a line",
            tooltip="Add a Shapes layer with a line across the view; move its ends, or draw other lines.",
        )
        super().__init__(widgets=[self.button], labels=False)
        self.margins = (0, 0, 0, 0)
        self.plot = ProfilePlot()
        self.native.layout().addWidget(self.plot)
        self.measures = LineMeasureSection(viewer, say)
        self.native.layout().addWidget(self.measures.native)
        self._timer = QTimer(self.native)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.draw)
        self.button.changed.connect(self.add_line)
        for emitter in (
            viewer.dims.events.point,
            viewer.dims.events.order,
            viewer.events.theme,
            viewer.layers.events.inserted,
            viewer.layers.events.removed,
        ):
            emitter.connect(self._later)

    def show_result(self, result: ShownResult | None) -> None:
        """Plot this result from now on."""
        self._result = result
        self._later()

    def stop(self) -> None:
        """Plot and measure nothing more."""
        self._timer.stop()
        self.measures.stop()

    @property
    def profile(self) -> Profile | None:
        """The profile on show."""
        return self.plot.profile

    def add_line(self) -> None:
        """Draw a line across the middle of the view."""
        if self._result is None:
            return
        viewer, mean = self._viewer, self._result.mean
        camera, displayed = viewer.scene.camera, list(viewer.dims.displayed[-2:])
        half = viewer.canvas.size[1] / camera.zoom / 4
        ends = np.tile(np.array(viewer.dims.point, dtype=float), (2, 1))
        ends[:, displayed[0]] = camera.center[-2]
        ends[:, displayed[1]] = camera.center[-1] + np.array([-half, half])
        if displayed == [viewer.dims.ndim - 2, viewer.dims.ndim - 1]:
            ends = ends[:, -2:]  # a line of two dimensions is there in every plane
        dimensions = ends.shape[1]
        shown = viewer.dims.units or ("pixel",) * (dimensions - mean.ndim) + tuple(mean.units)
        lines = Shapes(
            [ends],
            shape_type="line",
            name=LINE,
            edge_color="yellow",
            edge_width=1.5 / camera.zoom,
            units=shown[-dimensions:],
        )
        viewer.add_layer(lines)
        lines.mode = "direct"

    def _later(self, *_: Any) -> None:
        if isalive(self.native):
            self._timer.start(SETTLED)

    def draw(self) -> None:
        """Plot what is under the line now."""
        shapes = next((layer for layer in reversed(self._viewer.layers) if _has_line(layer)), None)
        if shapes is not self._shapes:
            self._shapes = shapes
            if shapes is not None:
                shapes.events.data.connect(self._later)
                shapes.events.highlight.connect(self._later)
        dims = self._viewer.dims
        corners, profile = line_of(shapes, dims.units), None
        if corners is not None and self._result is not None:
            try:
                profile = line_profile(self._result, corners, dims.point, dims.displayed, dims.units)
            except VaesrError as error:
                self._say(str(error))
        self.source = None
        if profile is not None and self._result is not None:
            source = source_of(self._result.record, self._viewer.layers)
            if source is not None:
                self.source = source_along(self._result, source, profile)
        self.plot.show_profile(profile, self._viewer.theme, self.source)
        self.measures.show_profile(self._result, profile)


def _has_line(layer: Any) -> bool:
    return isinstance(layer, Shapes) and line_of(layer, None) is not None

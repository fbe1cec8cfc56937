"""The inputs that say which planes of a layer, and which region of them, are upscaled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox, Container, SpinBox
from napari.layers import Shapes

from napari_vaesr.imaging.axes import Axes
from napari_vaesr.plugin.viewer.extents import chosen_extent
from napari_vaesr.plugin.viewer.sources import checked_axes, source_array

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

PLANES = {
    "plane": "Current plane",
    "time": "Current time point",
    "range": "A range",
    "all": "All",
}
REGIONS = {"whole": "Whole plane", "visible": "Visible region", "rectangle": "Rectangle"}
RANGED = {"T": "time points", "C": "channels", "Z": "planes"}

TOOLTIPS = {
    "planes": "Current plane: only the plane on show, in its place in the stack.\n"
    "Current time point: all planes of the time point on show.\n"
    "A range: from one index to another.\nAll: every plane.",
    "region": "Of each plane, everything, what the window shows now, or the bounding box of a shape.\n"
    "The pixels are the same whichever you choose; what lies outside is not computed.",
    "shapes": "The Shapes layer that holds the rectangle: the shape selected there, or else the last one.",
}


class ExtentInputs:
    """Planes and region, with inputs for a range and the choice of a Shapes layer, shown when needed.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer that the layers are looked at in.
    on_change : callable
        Called when a rectangle or the view has changed, so that the same choices mean another extent.

    Attributes
    ----------
    widgets : list of magicgui widgets
        To be put into a form with labels.
    """

    def __init__(self, viewer: napari.viewer.Viewer, on_change: Callable[[], None]):
        self._viewer, self._on_change = viewer, on_change
        self._drawn: Shapes | None = None
        self._selected: set[int] = set()
        self._axes: Axes | None = None
        self.planes = ComboBox(
            label="Planes", choices=self._planes, value="plane", tooltip=TOOLTIPS["planes"]
        )
        self.ranges = {name: _Range(name, what) for name, what in RANGED.items()}
        self.region = ComboBox(
            label="Region",
            choices=[(title, name) for name, title in REGIONS.items()],
            value="whole",
            tooltip=TOOLTIPS["region"],
        )
        self.shapes = ComboBox(
            label="Shapes layer", choices=self._shapes_layers, nullable=True, tooltip=TOOLTIPS["shapes"]
        )
        camera = viewer.scene.camera.events
        for emitter in (camera.center, camera.zoom, viewer.canvas.events.size):
            emitter.connect(self._on_view)
        for emitter in (viewer.layers.events.inserted, viewer.layers.events.removed):
            emitter.connect(self._on_layers)
        self.widgets: list[Any] = [self.planes, *self.ranges.values(), self.region, self.shapes]

    def follow(self, layer: Image | None, axes: str) -> None:
        """Offer what the layer has.

        Raises
        ------
        VaesrError
            If the axes do not fit the layer.
        """
        named = None if layer is None else Axes.parse(checked_axes(layer, axes), source_array(layer).shape)
        if named != self._axes:
            self._axes = named
            self.planes.reset_choices()
            for name, inputs in self.ranges.items():
                inputs.reach(named.lengths.get(name, 1) - 1 if named else 0)
        self.show_needed()

    def show_needed(self) -> None:
        """Show the inputs that the present choices need, and hide the others."""
        lengths = self._axes.lengths if self._axes else {}
        self.planes.enabled = len(self.planes.choices) > 1
        for name, inputs in self.ranges.items():
            inputs.visible = self.planes.value == "range" and lengths.get(name, 1) > 1
        is_rectangle = self.region.value == "rectangle"
        self.shapes.visible = is_rectangle
        drawn = self._shapes_layers()
        if is_rectangle and self.shapes.value is None and drawn:
            self.shapes.reset_choices()  # a new layer is selected before it is told to be there
            self.shapes.value = drawn[-1]
        chosen = self.shapes.value
        if chosen is not self._drawn:
            self._drawn = chosen
            if chosen is not None:
                chosen.events.data.connect(self._on_layers)
                chosen.events.highlight.connect(self._on_shape)

    def extent(self, layer: Image, axes: str) -> dict[str, range]:
        """Return what is chosen now; see `chosen_extent`."""
        return chosen_extent(
            self._viewer,
            layer,
            axes,
            self.planes.value,
            self.region.value,
            {name: inputs.ends for name, inputs in self.ranges.items()},
            self.shapes.value,
        )

    def _on_view(self, *_: Any) -> None:
        if self.region.value == "visible":
            self._on_change()

    def _on_layers(self, *_: Any) -> None:
        if self.region.value == "rectangle":
            self.shapes.reset_choices()
            self._on_change()

    def _on_shape(self, event: Any) -> None:
        """Follow which shape is selected; it is told of at every move of the mouse over one, too."""
        selected = set(event.source.selected_data)
        if selected != self._selected:
            self._selected = selected
            if self.region.value == "rectangle" and self.shapes.value is event.source:
                self._on_change()

    def _planes(self, *_: Any) -> list[tuple[str, str]]:
        loops = "" if self._axes is None else self._axes.loop_names
        offered = ["plane"]
        if self._axes is not None and self._axes.plane_count > 1:
            offered += ["time"] if "T" in loops and len(loops) > 1 else []
            offered += ["range", "all"]
        return [(PLANES[name], name) for name in offered]

    def _shapes_layers(self, *_: Any) -> list[Shapes]:
        return [layer for layer in self._viewer.layers if isinstance(layer, Shapes)]


class _Range(Container):
    """First and last index along an axis, the last one not before the first."""

    def __init__(self, name: str, what: str):
        tooltip = "{} of the " + what + " to upscale, counted from 0; it is upscaled too."
        self.first = SpinBox(value=0, min=0, max=0, tooltip=tooltip.format("First"))
        self.last = SpinBox(value=0, min=0, max=0, tooltip=tooltip.format("Last"))
        super().__init__(
            widgets=[self.first, self.last], layout="horizontal", labels=False, label=f"{name}, from to"
        )
        self.margins = (0, 0, 0, 0)
        self.tooltip = f"First and last of the {what} to upscale, both included, counted from 0."
        for each in (self.first, self.last):  # a number half typed would move the other end
            each.native.setKeyboardTracking(False)
        self.first.changed.connect(lambda value: self._keep_order(self.last, max(value, self.last.value)))
        self.last.changed.connect(lambda value: self._keep_order(self.first, min(value, self.first.value)))

    @property
    def ends(self) -> tuple[int, int]:
        """First and last index."""
        return self.first.value, self.last.value

    def reach(self, last: int) -> None:
        """Offer indices from 0 to `last`, and choose all of them."""
        self.first.max = self.last.max = last
        self.first.value, self.last.value = 0, last

    def _keep_order(self, other: SpinBox, value: int) -> None:
        if other.value != value:
            other.value = value

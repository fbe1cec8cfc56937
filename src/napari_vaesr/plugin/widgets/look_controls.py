"""Before, after and certainty of a result, with keys; one plain sentence and a way to the unsure place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container, PushButton
from napari.layers import Layer
from qtpy.compat import isalive
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.viewer.look import (
    LOOKS,
    certainty_of_result,
    go_to,
    joint_layer,
    look_of,
    place_on_sliders,
    result_with,
    show_look,
    source_in,
    top_of,
)
from napari_vaesr.plugin.viewer.plane_look import PlaneLook, is_lazy
from napari_vaesr.plugin.viewer.results import ShownResult, result_of
from napari_vaesr.plugin.viewer.shortcuts import AFTER, BEFORE, CERTAINTY
from napari_vaesr.plugin.viewer.swipe import Swipe
from napari_vaesr.plugin.widgets.panel import row, show_failure, status_line
from napari_vaesr.trust.certainty import BETWEEN, SURE, UNSURE, Certainty

if TYPE_CHECKING:
    import napari

KEYS = {"before": BEFORE, "after": AFTER, "certainty": CERTAINTY}
TOOLTIPS = {
    "before": "Show the source.",
    "after": "Show the mean of the samples.",
    "certainty": "Show mean and certainty in one picture: brightness is the mean, colour how sure it is.",
}


class LookControls(Container):
    """Chooses what of a result is looked at; hidden as long as there is none.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer with the result.
    say : callable
        Called with what the user should read.
    """

    def __init__(self, viewer: napari.viewer.Viewer, say: Callable[[str], None]):
        self._viewer, self._say = viewer, say
        self._mean: Layer | None = None
        self._source: Layer | None = None
        self._together: list[tuple[Layer, Layer]] = []
        self._certainty: Certainty | None = None
        self._plane: PlaneLook | None = None
        self._hidden: list[Layer] = []
        self.swipe: Swipe | None = None
        self.buttons = {
            name: PushButton(text=title, tooltip=f"{TOOLTIPS[name]} ({KEYS[name]})")
            for name, title in LOOKS.items()
        }
        self.swipe_button = PushButton(
            text="Swipe", tooltip="A line across the image: before on its left, after on its right. Drag it."
        )
        self.grid_button = PushButton(
            text="Side by side", tooltip="Before, after and certainty beside each other, moving together."
        )
        self.sentence = status_line()
        self.go_button = PushButton(text="Go to the least sure place", tooltip="Move the view there.")
        self.legend = Legend()
        super().__init__(
            widgets=[
                row([*self.buttons.values()]),
                row([self.swipe_button, self.grid_button]),
                self.sentence,
                self.go_button,
            ],
            labels=False,
        )
        self.margins = (0, 0, 0, 0)
        self.native.layout().insertWidget(2, self.legend)
        for name, button in self.buttons.items():
            button.native.setCheckable(True)
            button.changed.connect(lambda _on, name=name: self.show_look(name))
        for button in (self.swipe_button, self.grid_button):
            button.native.setCheckable(True)
        self.swipe_button.native.toggled.connect(self._on_swipe)
        self.grid_button.native.toggled.connect(self._on_grid)
        self.go_button.changed.connect(self.go_to_least_sure)
        viewer.layers.events.removed.connect(self._on_removed)
        for turned in (viewer.dims.events.order, viewer.dims.events.ndisplay):
            turned.connect(self._on_turned)
        self.visible = False

    @property
    def result(self) -> ShownResult | None:
        """The result that is looked at."""
        return None if self._mean is None else result_with(self._viewer.layers, self._mean)

    def take(
        self, mean: Layer, source: Layer | None = None, together: Sequence[tuple[Layer, Layer]] = ()
    ) -> None:
        """Look at a result from now on.

        Parameters
        ----------
        mean : napari.layers.Image
            Its mean.
        source : napari.layers.Image, optional
            Its source; looked for by name if not given.
        together : sequence of (Image, Image)
            Mean and source of the results that were made in one run, this one among them: before and after
            are shown of all of them, as of the channels of one image.
        """
        self.stop()
        self._end_plane()
        result = result_with(self._viewer.layers, mean)
        self._mean = mean if result is not None else None
        self.visible = result is not None
        if result is None:
            return
        for layer in (result.mean, *result.uncertainty):
            layer.events.data.connect(self._on_data)
        self._source = source if source is not None else source_in(self._viewer.layers, result)
        if together:
            self._together = list(together)
        self._check(look_of(self._viewer.layers, result))
        if is_lazy(result):
            self._plane = PlaneLook(self._viewer, result, self._tell_plane)
        else:
            self._tell_certainty(result)

    def follow(self, layer: Layer | None) -> None:
        """Take the result that a selected layer is a part of, if it is one."""
        result = None if layer is None else result_of(layer, self._viewer.layers)
        if result is not None and result.mean is not self._mean:
            self.take(result.mean)

    def show_look(self, look: str) -> None:
        """Show the source, the mean or the joint map."""
        result = self.result
        if result is None:
            return
        self.stop()
        self._unhide()
        try:
            self._show(result, look)
        except VaesrError as error:
            self._check(look_of(self._viewer.layers, result))
            show_failure(self._say, str(error))
            return
        self._show_fellows(look)
        self._check(look)

    def _show(self, result: ShownResult, look: str) -> None:
        if self._plane is not None:
            self._plane.show(look == "certainty")
        if self._plane is None or look != "certainty":
            show_look(self._viewer.layers, result, self._source_now(), look)
            return
        for layer in result.uncertainty:
            layer.visible = False

    def _show_fellows(self, look: str) -> None:
        """Show the same of the results of the same run, and nothing that would cover or tint a joint map."""
        layers = self._viewer.layers
        fellows = [(mean, source) for mean, source in self._together if mean is not self._mean]
        if len(fellows) == len(self._together):
            fellows = []
        for mean, source in fellows:
            result = result_with(layers, mean)
            if result is not None and source in layers:
                show_look(layers, result, source, "after" if look == "certainty" else look)
        if look == "certainty":
            theirs = {layer for pair in fellows for layer in pair}
            self._hidden = [
                each for each in layers if each.visible and (each in theirs or each.blending == "additive")
            ]
            for each in self._hidden:
                each.visible = False

    def go_to_least_sure(self) -> None:
        """Move the view to the least sure place."""
        if self.result is not None and self._certainty is not None:
            go_to(self._viewer, self.result, self._certainty.place)

    def stop(self) -> None:
        """End swiping and the side-by-side view."""
        self.swipe_button.native.setChecked(False)
        self.grid_button.native.setChecked(False)

    def let_go(self) -> None:
        """Follow the viewer no longer."""
        self.stop()
        self._end_plane()

    def leave(self) -> None:
        """End all that hides or covers other layers, before a new result comes."""
        self.stop()
        result = self.result
        if result is not None and look_of(self._viewer.layers, result) == "certainty":
            self.show_look("after")

    def _unhide(self) -> None:
        """Show again what was hidden for a joint map or for the view side by side."""
        for layer in self._hidden:
            if layer in self._viewer.layers:
                layer.visible = True
        self._hidden = []

    def _source_now(self) -> Layer | None:
        return self._source if self._source in self._viewer.layers else None

    def _check(self, look: str | None) -> None:
        for name, button in self.buttons.items():
            button.native.blockSignals(True)
            button.native.setChecked(name == look)
            button.native.blockSignals(False)
        self.legend.setVisible(look == "certainty")
        if self.result is not None:
            self.legend.set_top(self._plane.top if self._plane is not None else top_of(self.result))

    def _tell_certainty(self, result: ShownResult) -> None:
        self._certainty = certainty_of_result(result)
        told = replace(self._certainty, place=place_on_sliders(self._viewer, result, self._certainty.place))
        named = f"{result.mean.name}: " if len(self._together) > 1 else ""
        self._say_certainty(named + told.sentence)

    def _tell_plane(self, certainty: Certainty | None) -> None:
        """Say how sure the plane on show is, of a result that has no whole."""
        if not isalive(self.native):  # the panel was closed
            self._end_plane()
            return
        self._certainty = certainty
        if certainty is None:
            self._say_certainty("How sure this plane is will be told when it is there.")
            return
        inside = {name: at for name, at in certainty.place.items() if name in "YX"}
        self._say_certainty(replace(certainty, place=inside).told_of("this plane"))
        if self._plane is not None:
            self.legend.set_top(self._plane.top)

    def _say_certainty(self, words: str) -> None:
        self.sentence.value = words
        self.sentence.visible = True
        self.go_button.visible = self._certainty is not None

    def _end_plane(self) -> None:
        if self._plane is not None:
            self._plane.stop()
            self._plane = None

    def _on_swipe(self, on: bool) -> None:
        if self.swipe is not None:
            self.swipe.stop()
            self.swipe = None
        if not on or self.result is None:
            return
        self.grid_button.native.setChecked(False)
        self._unhide()
        source = self._source_now()
        try:
            if source is None:
                raise VaesrError("The source is no longer there, so there is nothing to compare with.")
            self._show(self.result, "after")
            self.swipe = Swipe(self._viewer, self.result, source)
            self._check(None)
        except VaesrError as error:
            self.swipe_button.native.setChecked(False)
            self._say(str(error))

    def _on_grid(self, on: bool) -> None:
        grid, result = self._viewer.canvas.grid, self.result
        grid.enabled = on and result is not None
        if not on or result is None:
            self._end_grid()
            return
        self.swipe_button.native.setChecked(False)
        shown = {result.mean, self._source_now()}
        try:
            shown.add(self._joint(result))
        except VaesrError as error:  # mean and source alone, then
            self._say(str(error))
        self._unhide()
        self._hidden = [each for each in self._viewer.layers if each.visible and each not in shown]
        for layer in self._viewer.layers:
            layer.visible = layer in shown
        grid.shape, grid.stride = (1, -1), 1
        self._check(None)
        self.legend.setVisible(True)

    def _joint(self, result: ShownResult) -> Layer | None:
        if self._plane is None:
            return joint_layer(self._viewer.layers, result)
        self._plane.show(True)
        return self._plane.layer

    def _end_grid(self) -> None:
        """Show the mean, not all three on top of each other."""
        self._unhide()
        result = self.result
        if result is not None:
            self._show(result, "after")
            self._check("after")

    def _on_turned(self, *_: Any) -> None:
        """End swiping where other axes come on show: the line is for those that were."""
        if isalive(self.native):
            self.swipe_button.native.setChecked(False)

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        told = layer.metadata.get(KEY, {}).get("layer", {})
        if self.swipe is not None and (layer in (self._mean, self._source) or told.get("role") == "swipe"):
            self.swipe_button.native.setChecked(False)
        self._leave_what_is_gone()

    def _on_data(self, event: Any) -> None:
        """Leave a result one of whose layers was cut, so that it is none any more."""
        if isalive(self.native):
            self._leave_what_is_gone()

    def _leave_what_is_gone(self) -> None:
        if self._mean is not None and self.result is None:
            self.stop()
            self._end_plane()
            self._mean = self._source = None
            self.visible = False


class Legend(QWidget):
    """The colours of certainty, with what they mean."""

    TITLE = "Uncertainty: ± 1 std in % of the contrast"

    def __init__(self) -> None:
        super().__init__()
        self._top = 1.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(3 * self.fontMetrics().height() + 18)
        self.setVisible(False)

    def set_top(self, top: float) -> None:
        """Let the colours end at a relative uncertainty."""
        self._top = top
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        """Draw title, bar and numbers."""
        painter = QPainter(self)
        line, width = self.fontMetrics().height(), self.width()
        flags = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft
        title = painter.boundingRect(QRectF(0, 0, width, 2 * line), int(flags), self.TITLE)
        painter.setPen(self.palette().windowText().color())
        painter.drawText(title, int(flags), self.TITLE)
        bar = QRectF(0, title.bottom() + 3, width, 12)
        colours = QLinearGradient(bar.topLeft(), bar.topRight())
        for place, colour in ((0, SURE), (0.5, BETWEEN), (1, UNSURE)):
            colours.setColorAt(place, QColor.fromRgbF(*colour))
        painter.fillRect(bar, colours)
        below = QRectF(0, bar.bottom() + 1, width, line)
        for text, side in (
            ("0, sure", Qt.AlignmentFlag.AlignLeft),
            (f"{50 * self._top:g}", Qt.AlignmentFlag.AlignHCenter),
            (f"{100 * self._top:g}, guessed", Qt.AlignmentFlag.AlignRight),
        ):
            painter.drawText(below, int(side), text)

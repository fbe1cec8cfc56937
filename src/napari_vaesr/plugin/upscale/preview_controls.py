"""The preview of the panel: a button for one, and a switch that keeps it up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from textwrap import fill
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from magicgui.widgets import CheckBox, Container, PushButton
from napari.utils.notifications import show_warning
from qtpy.compat import isalive
from qtpy.QtCore import QTimer

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.plugin.upscale.pace import (
    LIVE_SECONDS,
    PATIENCE,
    QUICK_FIRST,
    SECONDS,
    WORTHWHILE,
    Pace,
    left_out,
    patient_part,
    planes_in_words,
    takes_patience,
)
from napari_vaesr.plugin.upscale.preview import PreviewLayers, live_settings, preview_tuples
from napari_vaesr.plugin.viewer.extents import chosen_extent
from napari_vaesr.plugin.viewer.runner import Runner
from napari_vaesr.plugin.viewer.shortcuts import LIVE, PREVIEW
from napari_vaesr.plugin.viewer.sources import checked_axes, source_array
from napari_vaesr.plugin.viewer.task import Failure, UpscaleTask
from napari_vaesr.plugin.widgets.setting_inputs import WIDTH

if TYPE_CHECKING:
    import napari

    from napari_vaesr.engine.progress import Progress
    from napari_vaesr.plugin.upscale.form import UpscaleForm

SETTLED = 150
"""Milliseconds without a change after which a live preview is made anew."""


class PreviewControls(Container):
    """Shows what the visible region of the current plane would look like.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer that is followed and added to.
    form : UpscaleForm
        What to upscale and how.
    say : callable
        Called with what the user should read.
    """

    def __init__(self, viewer: napari.viewer.Viewer, form: UpscaleForm, say: Callable[[str], None]):
        self._viewer, self._form, self._say = viewer, form, say
        self.button = PushButton(
            text="Preview",
            tooltip=fill(
                f"Upscale the visible region of the current plane, over the source. {QUICK_FIRST} The first "
                f"one takes some seconds, for the model is loaded ({PREVIEW}).",
                WIDTH,
            ),
        )
        self.live = CheckBox(
            text="Live",
            value=False,
            tooltip="Keep the preview up to date while you move, scroll and change settings.\n"
            "It uses the model 'tiny' where it is there and can make the scale, and 4 samples "
            f"({LIVE}).",
        )
        super().__init__(widgets=[self.button, self.live], layout="horizontal", labels=False)
        self.margins = (0, 0, 0, 0)
        self.layers = PreviewLayers(viewer)
        self.runner = Runner(on_step=self._on_step, on_end=self._on_end)
        self._pace = Pace()
        self._scalings: tuple[Any, Any] = (None, None)
        self._shows_all = True
        self._wanted: Any = None
        self._asked: Any = None
        self._seen: int | None = None
        self._is_painted = False
        self._in_view: dict[str, range] = {}
        self._is_live = self._is_patient = False
        self._lengths: dict[str, int] = {}
        self._pixels_note = ""
        self._timer = QTimer(self.native)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._refresh)

        self.button.changed.connect(self._on_button)
        self.live.changed.connect(self._on_live)
        form.changed.connect(self._on_change)
        for emitter in self._followed():
            emitter.connect(self._on_change)
        viewer.layers.events.removed.connect(self._on_layer_removed)

    def make(self) -> None:
        """Make a preview now; one that is being made is dropped for it."""
        self._request(live=False)

    def toggle_live(self) -> None:
        """Switch the live preview on or off."""
        self.live.value = not self.live.value

    def stop(self) -> None:
        """Stop what is being made, and follow the viewer no longer."""
        self._timer.stop()
        self.live.value = False
        self.runner.cancel()
        self._wanted = self._asked = None

    def _on_button(self) -> None:
        """Make a preview, or cancel what follows one."""
        if self._is_cancellable:
            self.stop()
            self._say("The preview stays as it is.")
        else:
            self.make()

    @property
    def _is_cancellable(self) -> bool:
        return self.runner.is_running and self._is_patient and not self._is_live

    def _followed(self) -> list[Any]:
        camera, dims = self._viewer.scene.camera.events, self._viewer.dims.events
        canvas = self._viewer.canvas.events
        return [camera.center, camera.zoom, dims.point, dims.order, dims.ndisplay, canvas.size]

    def _on_live(self, on: bool) -> None:
        if on:
            pixels, _ = self._scalings
            if pixels is not None and isinstance(pixels[0], np.ndarray):
                self._scalings = (None, None)  # they may have been painted over meanwhile
            self._refresh()
        else:
            self._timer.stop()
            self.runner.cancel()
            self._wanted = self._asked = None  # its layers may go before the next preview
            self._say("The preview stays as it is.")

    def _on_change(self, *_: Any) -> None:
        if isalive(self.native) and self.live.value:
            self._timer.start(SETTLED)

    def _on_shown(self, event: Any) -> None:
        """Take note that pixels were painted over in place: napari tells that they are shown anew."""
        if not isalive(self.native) or not self.live.value or self._wanted is None:
            return
        layer, axes, _, part, pixels = self._wanted
        if event.source is layer and _seen(pixels, axes, part) != self._seen:
            self._is_painted = True
            self._timer.start(SETTLED)

    def _refresh(self) -> None:
        if self.live.value and self.enabled:
            self._request(live=True)

    def _request(self, live: bool, patient: bool = False) -> None:
        """Make a preview: a quick one, or the one that follows it, with all that is asked for."""
        form = self._form
        if not self.enabled or form.layer.value is None or form.layer.value in self.layers:
            return
        try:
            asked = form.settings()
            settings = asked if patient else asked.flat
            if live:
                settings = live_settings(settings, form.networks())
            layer, axes = form.layer.value, form.axes.value
            extent = chosen_extent(self._viewer, layer, axes, region="visible")
            named = Axes.parse(checked_axes(layer, axes), source_array(layer).shape)
        except VaesrError as error:
            self._say(str(error))
            return
        visible = {"Y": range(named.height), "X": range(named.width), **extent}
        self._lengths = named.lengths
        seconds = PATIENCE if patient else LIVE_SECONDS if live else SECONDS
        fitting = self._pace.fitting(settings, visible, seconds, self._lengths)
        wanted = (layer, axes, settings, fitting, source_array(layer))
        in_all = (layer, axes, asked, visible, source_array(layer))
        if self._is_painted:
            self._wanted, self._scalings = None, (None, None)
        elif _same(wanted, self._wanted) and (self.runner.is_running or live or patient):
            return
        elif self._is_patient and live and not patient and _same(in_all, self._asked):
            return  # what is asked for is shown, or on its way
        self._is_painted, self._seen = False, _seen(wanted[4], axes, fitting)
        layer.events.set_data.connect(self._on_shown)
        self._wanted, self._in_view, self._is_live = wanted, visible, live
        self._is_patient, self._asked = patient, in_all
        self._pixels_note = (
            ""
            if _pixels(fitting) == _pixels(visible)
            else " the middle of what is visible, zoom in to see it all;"
        )
        self._pixels_note += left_out(asked, settings)
        pixels, scalings = self._scalings
        same_pixels = pixels is not None and pixels[0] is wanted[4] and pixels[1:] == (axes, settings.model)
        # Pixels in memory may have been painted over since; a button pressed again is to see that.
        is_known = same_pixels and (live or patient or not isinstance(wanted[4], np.ndarray))
        task = UpscaleTask(layer, axes, settings, fitting, scalings=scalings if is_known else None)
        if not live and not patient:
            self._say("Making a preview ...")
        self.runner.submit(task)
        self._name_button()

    def _name_button(self) -> None:
        self.button.text = "Cancel" if self._is_cancellable else "Preview"

    def _on_step(self, task: UpscaleTask, step: Progress) -> None:
        if self._is_patient and step.total and isalive(self.native):
            words = "Making" if self._shows_all else "Preview of the plane as it is; making"
            self._say(f"{words} the {patient_part(task.settings)} ... {step.done / step.total:.0%}")

    def _on_end(self, task: UpscaleTask, outcome: Any) -> None:
        if isalive(self.native):
            self._name_button()
        if not isalive(self.native) or outcome is None:
            self._wanted = self._asked = None
            return
        outcome = task.placed(outcome)
        if isinstance(outcome, Failure):
            self.live.value = False
            self._say(outcome.message)
            return
        if task.layer not in self._viewer.layers:
            return
        self._scalings = ((task.pixels, task.axes, task.settings.model), task.scalings)
        extent, seconds = task.extent, task.seconds
        self._pace.learn(task.settings, extent, outcome.made.halo, seconds, self._lengths)
        taken = [layer.name for layer in self._viewer.layers if layer not in self.layers]
        self.layers.show(preview_tuples(task.layers(outcome, taken), task.layer, taken), task.layer)
        self._shows_all = takes_patience(task.settings)
        rate = f" ({1 / seconds:.1f} per second)" if self.live.value and seconds < 1 else ""
        planes = planes_in_words(task.settings, task.axes, outcome.mean.shape)
        self._say(
            f"{'Live preview' if self.live.value else 'Preview'}: {len(extent['X'])} × {len(extent['Y'])} "
            f"pixels{planes},{self._pixels_note} {seconds:.2f} s{rate}, model "
            f"'{outcome.made.model.name}', {task.settings.samples} samples."
        )
        if self._is_live == self.live.value:
            self._grow(task)

    def _grow(self, task: UpscaleTask) -> None:
        """Make what takes patience, or a larger preview if the last one was quick enough for that."""
        is_patient = takes_patience(self._asked[2])
        if is_patient and not takes_patience(task.settings):
            self._request(self._is_live, patient=True)
            return
        allowed = PATIENCE if is_patient else LIVE_SECONDS if self._is_live else SECONDS
        fitting = self._pace.fitting(task.settings, self._in_view, allowed, self._lengths)
        if _pixels(fitting) > WORTHWHILE * _pixels(task.extent):
            self._request(self._is_live, patient=is_patient)

    def _on_layer_removed(self, event: Any) -> None:
        task = self.runner.task
        if self.layers.are_of(event.value):
            QTimer.singleShot(0, self._remove_orphans)  # not while layers are being removed
        if self._wanted is not None and event.value is self._wanted[0]:
            self._wanted = self._asked = None  # let go of its pixels
            self._scalings = (None, None)
        if task is not None and event.value is task.layer:
            self.stop()
            self._say(f"'{task.name}' was removed, so its preview was stopped.")
            show_warning(f"'{task.name}' was removed, so its preview was stopped.")

    def _remove_orphans(self) -> None:
        if isalive(self.native):
            self.layers.remove()


def _pixels(extent: Mapping[str, range]) -> int:
    return len(extent["Y"]) * len(extent["X"])


def _seen(pixels: Any, axes: str, part: Mapping[str, range]) -> int | None:
    """Return what changes when a part of pixels in memory does; others can't be painted over here."""
    if not isinstance(pixels, np.ndarray):
        return None
    ranges = [part.get(name) for name in axes.strip().upper()]
    place = tuple(slice(None) if each is None else slice(each.start, each.stop) for each in ranges)
    return crc32(pixels[place].tobytes())


def _same(first: Any, second: Any) -> bool:
    """Whether two previews would show the same."""
    return (
        second is not None and first[0] is second[0] and first[4] is second[4] and first[1:4] == second[1:4]
    )

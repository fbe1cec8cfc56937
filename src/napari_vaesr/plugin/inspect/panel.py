"""The panel *Inspect uncertainty*: maps, a line profile, samples, and how a result was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container, PushButton

from napari_vaesr.plugin.inspect.export import ExportSection
from napari_vaesr.plugin.inspect.maps import MapsSection
from napari_vaesr.plugin.inspect.origin import OriginSection
from napari_vaesr.plugin.inspect.profile import ProfileSection
from napari_vaesr.plugin.inspect.samples import SamplesSection
from napari_vaesr.plugin.io.adopting import Adopter
from napari_vaesr.plugin.viewer.results import ShownResult
from napari_vaesr.plugin.viewer.shortcuts import MAP, NEXT_SAMPLE, VEIL, Shortcuts
from napari_vaesr.plugin.viewer.status import show_std_in_status
from napari_vaesr.plugin.widgets.panel import Panel, align_labels, errors_shown, heading, status_line
from napari_vaesr.plugin.widgets.result_choice import ResultChoice

if TYPE_CHECKING:
    import napari


NOTHING = "Upscale an image with two samples or more to get a result that can be inspected."


class InspectPanel(Panel):
    """Dock widget that inspects the results in the viewer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose layers are inspected.
    """

    def __init__(self, viewer: napari.viewer.Viewer):
        self._viewer = viewer
        self.choice = ResultChoice(
            viewer,
            tooltip="The result to inspect, by the name of its mean: one that was made by an upscaling.",
        )
        self._shown: Any = None
        self._adopter = Adopter(viewer)
        self.adopt_button = PushButton(
            text="Open as result",
            visible=False,
            tooltip="A layer was opened by another reader, as an image with channels; its file holds a\n"
            "mean and its uncertainty. Put these in its place.",
        )
        self.status = status_line()
        self.maps = MapsSection(viewer, self._say)
        self.profile = ProfileSection(viewer, self._say)
        self.samples = SamplesSection(viewer, self._say)
        self.origin = OriginSection(viewer, self._say)
        self.export = ExportSection(viewer, lambda: (self.profile.profile, self.profile.source), self._say)
        self._sections = (self.maps, self.profile, self.samples, self.export, self.origin)
        head = Container(widgets=[self.choice], labels=True)
        head.margins = (0, 0, 0, 0)
        align_labels(head, self.maps)
        contents: list[Any] = [self.adopt_button, head, self.maps]
        for title, section in (
            ("Along a line", self.profile),
            ("Samples", self.samples),
            ("Save", self.export),
            ("How it was made", self.origin),
        ):
            contents += [heading(title), section]
        super().__init__(contents, footer=[self.status], title="Inspect")

        self.choice.changed.connect(self._on_chosen)
        self.adopt_button.changed.connect(self.adopt)
        viewer.layers.events.inserted.connect(self.reset_choices)
        viewer.layers.events.removed.connect(self.reset_choices)
        self.native_parent_changed.connect(self._on_parent_changed)
        show_std_in_status(viewer)
        self._shortcuts = Shortcuts(
            viewer,
            {MAP: self.maps.toggle_map, VEIL: self.maps.toggle_veil, NEXT_SAMPLE: self.samples.next_sample},
        )
        self._take_active()

    @property
    def result(self) -> ShownResult | None:
        """The result that is inspected."""
        return self.choice.result

    def adopt(self) -> None:
        """Open as results what another reader has opened as images."""
        with errors_shown(self._say):
            added = self._adopter.open_as_results()
            if added:
                self._viewer.layers.selection.active = added[0]
                self._take_active()

    def reset_choices(self, *_: Any) -> None:
        """Offer the results that there are now; the one chosen stays chosen, or else the newest is."""
        if not hasattr(self, "body") or not self.is_alive:
            return
        self.adopt_button.visible = bool(self._adopter.found())
        self.choice.refresh()
        self._on_chosen()

    def _take_active(self) -> None:
        self.reset_choices()
        self.choice.take_active()

    def _on_chosen(self, *_: Any) -> None:
        result = self.result
        self._follow(None if result is None else result.mean)
        for section in self._sections:
            section.show_result(result)
            section.enabled = result is not None
        if result is None:
            self._say(NOTHING)
        elif self.status.value == NOTHING:
            self._say("")

    def _follow(self, mean: Any) -> None:
        """Show a result anew when its record changes: one that grows plane by plane has it in the end."""
        if mean is self._shown:
            return
        if self._shown is not None:
            self._shown.events.metadata.disconnect(self._on_record)
        if mean is not None:
            mean.events.metadata.connect(self._on_record)
        self._shown = mean

    def _on_record(self, *_: Any) -> None:
        if self.is_alive:
            self._on_chosen()

    def _on_parent_changed(self, parent: Any) -> None:
        if parent is None:
            self._shortcuts.release()
            self.samples.stop()
            self.profile.stop()

"""Chooses one of the results in a viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import ComboBox
from qtpy.compat import isalive

from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.viewer.results import ShownResult, result_of, results

if TYPE_CHECKING:
    import napari


class ResultChoice(ComboBox):
    """Offers the results in a viewer by the names of their means.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose layers show them.
    **options
        Further ones of the combo box.
    """

    def __init__(self, viewer: napari.viewer.Viewer, **options: Any):
        self._viewer = viewer
        super().__init__(label="Result", choices=self._offered, nullable=True, **options)

    @property
    def result(self) -> ShownResult | None:
        """The result that is chosen."""
        found = {each.identity: each for each in results(self._viewer.layers)}
        return found.get(self.value)

    def refresh(self) -> None:
        """Offer the results that there are now; the one chosen stays chosen, or else the newest is.

        They are offered anew when one of their layers gets other data, and so may be none any more.
        """
        for layer in self._viewer.layers:
            if "layer" in layer.metadata.get(KEY, {}):
                layer.events.data.connect(self._on_data)
        chosen = self.value
        self.reset_choices()
        offered = [value for value in self.choices if value is not None]
        self.value = chosen if chosen in offered else offered[-1] if offered else None

    def take_active(self) -> None:
        """Choose the result that the active layer is of, if it is of one."""
        active = self._viewer.layers.selection.active
        result = None if active is None else result_of(active, self._viewer.layers)
        if result is not None:
            self.value = result.identity

    def _on_data(self, *_: Any) -> None:
        if isalive(self.native):
            self.refresh()

    def _offered(self, *_: Any) -> list[tuple[str, str]]:
        return [(each.mean.name, each.identity) for each in results(self._viewer.layers)]

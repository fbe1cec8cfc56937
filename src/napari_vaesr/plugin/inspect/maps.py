"""What the uncertainty layer shows, its colour bar, and the veil over what is not to be trusted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, Container, Slider
from napari.layers import Image, Layer

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.inspect.trust_layer import (
    trust_layer,
    uncertainty_to_fade,
    untrusted_share,
    veil_limits,
)
from napari_vaesr.plugin.viewer.layers import (
    RELATIVE_KEY,
    STD_KEY,
    UNCERTAINTY_COLORMAP,
    insert_above,
    lazy_uncertainty_limits,
    same_place,
    uncertainty_limits,
    unique_name,
)
from napari_vaesr.plugin.viewer.look import relative_of
from napari_vaesr.plugin.viewer.results import KINDS, ShownResult, layer_with
from napari_vaesr.plugin.viewer.shortcuts import MAP, VEIL
from napari_vaesr.plugin.viewer.sources import source_array
from napari_vaesr.trust.certainty import least_sure_tenth
from napari_vaesr.trust.percent import percent

if TYPE_CHECKING:
    import napari

THRESHOLD = 20
"""Percent of the contrast above which a pixel is hatched, where the least sure tenth is not known."""

QUICK = 2**22
"""Pixels up to which the uncertainty of an opened result is looked at right away."""


class MapsSection(Container):
    """Switches what is shown of a result's uncertainty; nothing is upscaled again.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer with the result.
    say : callable
        Called with what the user should read.
    """

    def __init__(self, viewer: napari.viewer.Viewer, say: Callable[[str], None]):
        self._viewer, self._say = viewer, say
        self._result: ShownResult | None = None
        self._is_showing = False
        self.kind = ComboBox(
            label="Uncertainty",
            choices=[(title, kind) for kind, title in KINDS.items()],
            tooltip="What the uncertainty layer shows: the standard deviation in intensity units, its\n"
            "square, it over the mean, or the width of the interval that holds nine of ten true pixels.\n"
            "Nothing is upscaled again.",
        )
        self.visible_map = CheckBox(
            text="Show the uncertainty, with a colour bar",
            tooltip=f"Show the uncertainty layer over the mean, and what its colours mean ({MAP}).",
        )
        self.veil = CheckBox(
            text="Fade what is unsure",
            tooltip=f"Hatch the mean where its uncertainty is above the limit below ({VEIL}).",
        )
        self.threshold = Slider(
            label="Above (%)",
            value=THRESHOLD,
            min=1,
            max=100,
            tooltip="Standard deviation in percent of the contrast above background, both averaged over a\n"
            "few pixels. It begins where the least sure tenth does.",
        )
        super().__init__(widgets=[self.kind, self.visible_map, self.veil, self.threshold], labels=True)
        self.margins = (0, 0, 0, 0)
        self.kind.changed.connect(self._on_kind)
        self.visible_map.changed.connect(self._on_visible)
        self.veil.changed.connect(self._on_veil)
        self.threshold.changed.connect(self._on_threshold)

    def show_result(self, result: ShownResult | None) -> None:
        """Take on what the layers of a result show now."""
        is_new = result is not None and (self._result is None or self._result.mean is not result.mean)
        self._result = result
        if result is None:
            return
        if is_new and self._veil() is None:
            self._begin_with_least_sure(result)
        self._is_showing = True
        try:
            layer = result.uncertainty[0]
            role = layer.metadata[KEY]["layer"]["role"]
            self.kind.value = role if role in KINDS else "width"
            self.visible_map.value = layer.visible and layer.colorbar.visible
            self.veil.value = self._veil() is not None
        finally:
            self._is_showing = False

    def _begin_with_least_sure(self, result: ShownResult) -> None:
        """Let the limit be where the least sure tenth begins, if that is known or quickly found."""
        if RELATIVE_KEY in result.mean.metadata or source_array(result.mean).size <= QUICK:
            with suppress(VaesrError):
                tenth = least_sure_tenth(relative_of(result))
                self.threshold.value = min(max(round(100 * tenth), 1), 100)

    def toggle_map(self) -> None:
        """Show or hide the uncertainty."""
        self.visible_map.value = not self.visible_map.value

    def toggle_veil(self) -> None:
        """Fade what is unsure, or no longer."""
        self.veil.value = not self.veil.value

    def _on_kind(self, kind: str) -> None:
        if self._result is None or self._is_showing:
            return
        layer = show_kind(self._viewer, self._result, kind)
        self._say(f"'{layer.name}' now shows: {KINDS[kind].lower()}.")

    def _on_visible(self, on: bool) -> None:
        if self._result is None or self._is_showing:
            return
        layer = self._result.uncertainty[0]
        if layer.metadata[KEY]["layer"]["role"] not in KINDS:  # a bound looks like the mean: show the width
            layer = show_kind(self._viewer, self._result, self.kind.value)
        layer.visible = layer.colorbar.visible = on

    def _on_veil(self, on: bool) -> None:
        if self._result is None or self._is_showing:
            return
        veil = self._veil()
        if not on and veil is not None:
            self._viewer.layers.remove(veil)
        elif on and veil is None:
            layers = self._viewer.layers
            insert_above(layers, self._result.mean, trust_layer(self._result, self.threshold.value / 100))
            self._tell_share()

    def _on_threshold(self, percent: int) -> None:
        veil = self._veil()
        if veil is not None and not self._is_showing:
            veil.contrast_limits = veil_limits(percent / 100)
            self._tell_share()

    def _tell_share(self) -> None:
        veil = self._veil()
        share = None
        if veil is not None and self._result is not None:
            share = untrusted_share(uncertainty_to_fade(self._result), self.threshold.value / 100)
        told = "" if share is None else f" That is {percent(share)} of the pixels."
        self._say(f"Hatched where the uncertainty is above {self.threshold.value} % of the contrast.{told}")

    def _veil(self) -> Layer | None:
        if self._result is None:
            return None
        veil: Layer | None = layer_with(self._viewer.layers, self._result, "trust")
        return veil


def show_kind(viewer: Any, result: ShownResult, kind: str) -> Image:
    """Let a result's uncertainty layer show another kind; the bounds of an interval get one beside them.

    Returns
    -------
    napari.layers.Image
        The layer, whose data, contrast limits and name fit the kind.
    """
    std, data = result.std(), result.map(kind)
    layer = result.uncertainty[0]
    lazy = hasattr(data, "dask")
    limits = lazy_uncertainty_limits(result.mean.contrast_limits, kind) if lazy else uncertainty_limits(data)
    metadata = {
        KEY: {**layer.metadata[KEY], "layer": {"role": kind, "result": result.identity}},
        STD_KEY: std,
    }
    taken = [each.name for each in viewer.layers if each is not layer]
    name = unique_name(f"{result.name} {kind}", taken)
    if len(result.uncertainty) == 1:
        layer.metadata = metadata
        layer.data, layer.name = data, name
        layer.contrast_limits_range = (0, 2 * limits[1])  # or the slider would keep that of another unit
        layer.contrast_limits = limits
        return layer
    made = Image(
        data,
        **same_place(result.mean),
        name=name,
        rgb=False,
        colormap=UNCERTAINTY_COLORMAP,
        contrast_limits=limits,
        metadata=metadata,
    )
    viewer.layers.insert(viewer.layers.index(result.mean) + 1, made)
    return made

"""The preview without a window: what a live one is made with, and its layers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari.layers import Layer

from napari_vaesr.engine.passes import split
from napari_vaesr.engine.record import Record
from napari_vaesr.engine.settings import UpscaleSettings, plays_part
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.viewer.layers import LayerTuple, unique_name
from napari_vaesr.zoo.card import ANY

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_vaesr.vae.config import NetworkConfig

FRAME = "orange"
"""Colour of the line around a preview."""

LIVE_MODEL = "tiny"
"""Name of the model that live previews use where it is there and can make the scale."""

LIVE_SAMPLES = 4
"""Samples of a live preview, unless fewer are asked for."""

PLACE = ("scale", "translate", "rotate", "shear", "affine")


def live_settings(settings: UpscaleSettings, known: Mapping[str, NetworkConfig]) -> UpscaleSettings:
    """Return the settings of a live preview: the small model where it is there, and few samples.

    Parameters
    ----------
    settings : UpscaleSettings
        What the form is set to.
    known : mapping of str to NetworkConfig
        That of each model known, by reference.
    """
    changes: dict[str, Any] = {"samples": min(settings.samples, LIVE_SAMPLES)}
    small = known.get(LIVE_MODEL)
    if small is None:
        return settings.model_copy(update=changes)
    with suppress(VaesrError):
        split(settings.factors, small, LIVE_MODEL)
        # It may not know the kind of image chosen, or can't be told what the other can.
        changes |= {"model": LIVE_MODEL, "domain": ANY}
        fields = UpscaleSettings.model_fields
        changes |= {name: fields[name].default for name in fields if not plays_part(name, small)}
    return settings.model_copy(update=changes)


class PreviewLayers:
    """The pair of layers that show the latest preview: made once, then only given new pixels and a new place.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer that they are added to.
    """

    def __init__(self, viewer: ViewerModel):
        self._viewer = viewer
        self._layers: list[Layer] = []
        self._source: Any = None

    def __contains__(self, layer: object) -> bool:
        return any(layer is each for each in self._layers)

    def show(self, tuples: Sequence[LayerTuple], source: Layer) -> None:
        """Show a preview over its source.

        Parameters
        ----------
        tuples : sequence of (array, dict, "image")
            The mean and, where there is one, the uncertainty, as `layer_tuples` makes them.
        source : napari.layers.Image
            Kept linked to the mean in contrast and colormap.
        """
        there = [layer for layer in self._layers if layer in self._viewer.layers]
        same_kind = [(layer.data.ndim, layer.rgb) for layer in there] == [
            (data.ndim, attributes["rgb"]) for data, attributes, _ in tuples
        ]
        if source is self._source and same_kind:
            for layer, (data, attributes, _) in zip(there, tuples, strict=True):
                _update(layer, data, attributes)
            return
        self.remove()
        self._add(tuples, source)

    def are_of(self, layer: object) -> bool:
        """Whether a layer is the source of what is shown."""
        return self._source is not None and layer is self._source

    def remove(self) -> None:
        """Take the layers away."""
        for layer in self._layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._layers, self._source = [], None

    def _add(self, tuples: Sequence[LayerTuple], source: Layer) -> None:
        layers = self._viewer.layers
        selected, active = set(layers.selection), layers.selection.active
        self._source = source
        self._layers = [Layer.create(*each) for each in tuples]
        mean = self._layers[0]
        mean.bounding_box.visible = True  # a frame, for it covers a part of its source alone
        mean.bounding_box.points = False
        mean.bounding_box.line_color = FRAME
        if mean.blending == "additive":
            mean.blending = "translucent_no_depth"  # or it would be added to its own source
        place = layers.index(source) + 1
        for number, layer in enumerate(self._layers):
            layers.insert(place + number, layer)
        if not mean.rgb:
            layers.link_layers([source, mean], ("contrast_limits", "gamma", "colormap"))
        layers.selection.active = active
        layers.selection.update(selected)


def _update(layer: Layer, data: Any, attributes: Mapping[str, Any]) -> None:
    """Give a layer new pixels, their place and their name."""
    for name in PLACE:
        setattr(layer, name, attributes[name])
    layer.data = data
    layer.metadata, layer.name = attributes["metadata"], attributes["name"]
    if attributes["metadata"][KEY]["layer"]["role"] != "mean":
        layer.contrast_limits = attributes["contrast_limits"]


def preview_tuples(
    tuples: Sequence[LayerTuple], source: Layer, taken_names: Collection[str]
) -> list[LayerTuple]:
    """Name mean and uncertainty as those of a preview, by factor and model: *Live* may use another."""
    named = []
    for data, attributes, kind in tuples:
        told = attributes["metadata"][KEY]
        factors, role = Record.read(told).settings.factors, told["layer"]["role"]
        name = f"{source.name} {factors.suffix} preview {role} ({told['model']['name']})"
        named.append((data, {**attributes, "name": unique_name(name, taken_names)}, kind))
    return named

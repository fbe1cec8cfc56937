"""The inputs of the panel: which layer, which model, which settings, and what they do to each other."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, Container, LineEdit, SpinBox
from napari.layers import Image
from qtpy.compat import isalive

from napari_vaesr.engine.settings import UpscaleSettings, about, make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.imaging.region import Region
from napari_vaesr.plugin.upscale.extent_inputs import ExtentInputs
from napari_vaesr.plugin.upscale.together import Together
from napari_vaesr.plugin.viewer.preferences import or_defaults, starting_settings
from napari_vaesr.plugin.viewer.sources import labelled_axes, layer_as_source, suggested_axes
from napari_vaesr.plugin.widgets.factor_inputs import SETTINGS, FactorInputs
from napari_vaesr.plugin.widgets.inputs import Fold, is_source, with_tooltips
from napari_vaesr.plugin.widgets.model_list import known_cards, model_list
from napari_vaesr.plugin.widgets.panel import align_labels
from napari_vaesr.plugin.widgets.setting_inputs import follow, input_of, inputs_of, value_of
from napari_vaesr.zoo.card import ANY, ModelCard
from napari_vaesr.zoo.registry import models

if TYPE_CHECKING:
    import napari

    from napari_vaesr.vae.config import NetworkConfig


WARNING = "#e08a1e"
"""Colour of what asks to be looked at, in both themes."""

TIMES = [("automatic", None), ("all at once", False), ("as I scroll", True)]

MAIN = ("samples", "uncertainty", "domain")
"""Settings that have inputs of their own at the top, beside the model and the factors."""

ADVANCED = tuple(
    name for name in UpscaleSettings.model_fields if name not in {*MAIN, *SETTINGS, "model", "memory"}
)
"""All others; how much memory may be used stands among the preferences."""

TOOLTIPS = {
    **{name: fill(about(name), 95) for name in MAIN},
    "layer": "The image to upscale: grey or colour, in memory, lazy or multiscale. It is not changed.",
    "together": "Upscale all image layers that are selected in the layer list, one after another, with the\n"
    "same settings. They need the same shape and axes, as the channels of one image have.",
    "axes": "One letter per axis of the image, in order: T time, C channel, Z depth, Y rows, X columns,\n"
    "S the colours of a colour image. Y and X are upscaled, plane by plane along all other axes.\n"
    "Taken from the layer's axis labels where they are such letters, or from the file that it was opened\n"
    "from; otherwise a guess, framed in orange: please check it.",
    "lazy": "All at once: compute everything now. As I scroll: add the layers at once, and compute a plane\n"
    "when it is shown and its neighbours while nothing else is asked for. Automatic: as I scroll where\n"
    "the result would take more than half of the free memory.",
    "keep_samples": "Add a third layer with every sample, along an axis 'sample' that can be played.\n"
    "It takes as many times the memory of the mean as there are samples.",
}


class UpscaleForm(Container):
    """What to upscale and how.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose image layers it offers.
    """

    def __init__(self, viewer: napari.viewer.Viewer):
        self._viewer = viewer
        start = or_defaults(starting_settings)
        self._cards = known_cards(start.model)
        self._memory = start.memory
        self._guess, self._is_guess = "", False
        self._followed: Any = None
        inputs = self._make_inputs(start)
        advanced = self._make_advanced_inputs(start)
        super().__init__(widgets=inputs, labels=True)
        self.margins = (0, 0, 0, 0)
        self.advanced = Container(widgets=advanced, labels=True)
        self.advanced.margins = (0, 0, 0, 0)
        self.advanced.changed.connect(lambda: self.changed.emit(self))
        align_labels(self)
        align_labels(self.advanced)
        self.folded = Fold("Advanced", self.advanced)
        self.native.layout().addWidget(self.folded)

        self._on_model_changed()
        self.extent.show_needed()
        if is_source(viewer.layers.selection.active):
            self.layer.value = viewer.layers.selection.active
        self._on_layer_changed(self.layer.value)
        self.together.follow()
        self.model.changed.connect(self._on_model_changed)
        model_list.changed.connect(self.refresh_models)
        self.layer.changed.connect(self._on_layer_changed)
        self.axes.changed.connect(self._show_guess)
        for each in (self.axes, self.layer, self.model):
            each.changed.connect(self.factors.offer)

    def _make_inputs(self, start: UpscaleSettings) -> list[Any]:
        self.layer = ComboBox(label="Image layer", choices=self._image_layers)
        self.together = Together(self._viewer, self.layer)
        self.axes = LineEdit(label="Axes")
        self.model = ComboBox(label="Model", choices=self._model_names)
        if start.model in self._cards:
            self.model.value = start.model
        self.extent = ExtentInputs(self._viewer, lambda: self.changed.emit(self))
        self.factors = FactorInputs(
            start, self._card, lambda: self.axes.value, self._source, self.extent.planes
        )
        self.scale = self.factors.scale
        self.samples = SpinBox(label="Samples", value=start.samples, min=1, max=max(1024, start.samples))
        self.uncertainty = input_of("uncertainty", start)
        self.domain = ComboBox(label="Image kind", choices=self._domains)
        if start.domain in self.domain.choices:
            self.domain.value = start.domain
        above = with_tooltips(
            TOOLTIPS, layer=self.layer, together=self.together.box, axes=self.axes, model=self.model
        )
        below = with_tooltips(
            TOOLTIPS, samples=self.samples, uncertainty=self.uncertainty, domain=self.domain
        )
        return [*above, *self.factors.widgets, *below, *self.extent.widgets]

    def _make_advanced_inputs(self, start: UpscaleSettings) -> list[Any]:
        self.told = inputs_of(ADVANCED, start)
        self.lazy = ComboBox(label="Compute", choices=TIMES, value=None)
        self.keep_samples = CheckBox(text="Keep every sample", value=False)
        others = with_tooltips(TOOLTIPS, lazy=self.lazy, keep_samples=self.keep_samples)
        return [*self.told.values(), *others]

    def _image_layers(self, *_: Any) -> list[Image]:
        return [layer for layer in self._viewer.layers if is_source(layer)]

    def _on_layer_changed(self, layer: Image | None) -> None:
        if layer is not None:
            self._is_guess = labelled_axes(layer) is None
            self._guess = suggested_axes(layer)
            self.axes.value = self._guess
            self._show_guess()
            if layer is not self._followed:
                self._followed = layer
                layer.events.data.connect(self._on_data)
        self.together.show_needed()

    def _on_data(self, event: Any) -> None:
        """Take note that the chosen layer got other pixels, perhaps of another size or along other axes."""
        layer = self.layer.value if isalive(self.native) else None
        if layer is None or event.source is not layer:
            return
        if len(self.axes.value.upper().replace("S", "")) != layer.ndim:
            self._on_layer_changed(layer)
        self.changed.emit(self)

    def follow_selection(self) -> None:
        """Take the layers that are selected as those to upscale."""
        self.together.follow()
        self.changed.emit(self)

    @property
    def has_guessed_axes(self) -> bool:
        """Whether the axes are a guess that nobody has changed."""
        return self._is_guess and self.axes.value == self._guess

    def _show_guess(self, *_: Any) -> None:
        self.axes.native.setStyleSheet(f"border: 1px solid {WARNING};" if self.has_guessed_axes else "")

    def _card(self) -> ModelCard | None:
        """Return the card of the chosen model."""
        return self._cards[self.model.value] if self._cards else None

    def _source(self, layer: Image | None = None) -> Source:
        """Return a layer, by default the chosen one, as what is upscaled."""
        layer = layer or self.layer.value
        if layer is None:
            raise VaesrError("Open an image to begin.")
        return layer_as_source(layer, self.axes.value)

    def _domains(self, *_: Any) -> tuple[str, ...]:
        return (ANY, *(self._cards[self.model.value].domains if self._cards else ()))

    def _model_names(self, *_: Any) -> list[tuple[str, str]]:
        return [(card.name, reference) for reference, card in self._cards.items()]

    def refresh_models(self) -> None:
        """Offer the models that there are now; the chosen one stays chosen."""
        if not isalive(self.native):
            return
        chosen = self.model.value
        self._cards |= models()
        self.model.reset_choices()
        if chosen in self.model.choices:
            self.model.value = chosen

    def _on_model_changed(self, *_: Any) -> None:
        self.domain.reset_choices()
        if self._cards:
            card = self._cards[self.model.value]
            follow(self.told, card.network)
            self.model.tooltip = f"{card.title}\n\n{card.description}"

    def reset_choices(self, *_: Any) -> None:
        """Offer the layers that there are now; a chosen layer stays chosen, renamed or not."""
        layer, axes = self.layer.value, self.axes.value
        super().reset_choices()
        if layer in self.layer.choices:
            self.layer.value = layer
            self.axes.value = axes

    def settings(self, layer: Image | None = None) -> UpscaleSettings:
        """Return what the form is set to, for a layer, by default the chosen one.

        Raises
        ------
        VaesrError
            If a value is out of range, or voxels are to be cubic and their size is not known.
        """
        return make_settings(
            model=self.model.value,
            samples=self.samples.value,
            uncertainty=self.uncertainty.value,
            domain=self.domain.value,
            memory=self._memory,
            **self.factors.settings(lambda: self._source(layer)),
            **{name: value_of(name, each) for name, each in self.told.items()},
        )

    def networks(self) -> dict[str, NetworkConfig]:
        """Return the network of each of the models known."""
        return {reference: card.network for reference, card in self._cards.items()}

    def outlook(self) -> str:
        """Say in one line what would be made.

        Raises
        ------
        VaesrError
            If there is no model or no layer, or the axes do not fit it.
        """
        if not self._cards:
            raise VaesrError("There is no model: put one into the folder that 'napari-vaesr models' names.")
        layer = self.layer.value
        if layer is None:
            if len(self._viewer.layers):
                raise VaesrError("None of the layers is an image that can be upscaled: open one to begin.")
            raise VaesrError("Open an image to begin.")
        self.extent.follow(layer, self.axes.value)
        named = layer_as_source(layer, self.axes.value).axes
        part = named.of_region(Region(self.chosen_extent()).of(named.lengths))
        made = named.of_enlarged(Region(self.chosen_extent()).of(named.lengths), self.settings().factors)
        guess = f"{self.axes.value} is a guess: please check the axes. " if self.has_guessed_axes else ""
        layers = self.together.layers()
        for layer in layers[1:]:
            self.chosen_extent(layer)  # says so where nothing of it is in view
        each = f"{len(layers)} layers, each " if len(layers) > 1 else ""
        return (
            f"{guess}{each}{part.plane_count} plane{'s' if part.plane_count > 1 else ''} of {part.width} × "
            f"{part.height} pixels to {made.width} × {made.height}{_others_in_words(part, made)}."
            f"{self.together.left_out}"
        )

    def chosen_extent(self, layer: Image | None = None) -> dict[str, range]:
        """Return the part of a layer, by default the chosen one, that is to be upscaled."""
        return self.extent.extent(layer or self.layer.value, self.axes.value)


def _others_in_words(part: Axes, made: Axes) -> str:
    """Tell of the axes beside the plane's that grow."""
    grown = {name: (part.lengths[name], made.lengths[name]) for name in part.loop_names}
    return "".join(f", {few} along {name} to {more}" for name, (few, more) in grown.items() if few != more)

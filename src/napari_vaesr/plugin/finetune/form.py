"""The inputs of the fine-tuning panel: what to learn from, which model to start from, how long."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from magicgui.types import FileDialogMode
from magicgui.widgets import ComboBox, Container, FileEdit, FloatSpinBox, LineEdit, PushButton, SpinBox
from napari.layers import Image

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.plugin.finetune.task import LayerPixels, Request, free_name
from napari_vaesr.plugin.viewer.sources import checked_axes, source_array, suggested_axes
from napari_vaesr.plugin.widgets.inputs import Fold, is_source, with_tooltips
from napari_vaesr.plugin.widgets.panel import align_labels
from napari_vaesr.training.estimates import psf_from_optics
from napari_vaesr.zoo.registry import models

if TYPE_CHECKING:
    import napari

SOURCES = [("An image layer", "image"), ("A pair of layers", "pair"), ("A folder of images", "folder")]
BLUR_FROM = [
    ("Estimated from the images", "estimated"),
    ("As the start model learnt", "model"),
    ("Set here", "measured"),
]

TOOLTIPS = {
    "source": "An image layer: it counts as the sharp truth, and low-res images are made from it.\n"
    "A pair of layers: the same fields recorded twice, with fewer and with more pixels.\n"
    "A folder: sharp images as PNG, TIFF or JPEG files, subfolders included.",
    "high": "The image to learn from, the sharp one of a pair. Of many planes, evenly spaced ones are read.\n"
    "One end of every plane is held out, to check on.",
    "high_axes": "One letter per axis of the image, in order: T time, C channel, Z depth, Y rows, X columns.",
    "low": "The same fields with 2, 3 or 4 times fewer pixels along Y and X, aligned with the sharp image.",
    "low_axes": "One letter per axis of the low-res image, in order.",
    "folder": "A folder of sharp images; every tenth file is held out, to check on.",
    "start": "The model whose weights are the first ones. It stays as it is.",
    "name": "Name of the new model: letters, digits, dots, dashes and underscores.",
    "minutes": "Length of the training in minutes; reading and checks come on top.\n"
    "A few minutes are enough for a first result on a processor of two cores.",
    "blur_from": "How low-res images are made from sharp ones: with the blur and the noise that the images\n"
    "themselves have, with those that the start model learnt, or with what is set below.",
    "psf": "Width of the point spread function of the sharp images: standard deviation, in their pixels.",
    "noise": "Noise of the sharp images: standard deviation, in percent of their intensity range.",
    "aperture": "Numerical aperture of the objective.",
    "wavelength": "Wavelength of the emitted light, in nanometres.",
    "pixel": "Side of a pixel of the sharp images in the sample, in micrometres.",
    "optics": "Work out the PSF width of a widefield microscope from these three: 0.21 wavelengths / NA.",
    "rate": "Factor on the learning rates, which are low already. More learns faster and forgets more.",
    "batch": "Patches per step. More make steadier and slower steps.",
    "seed": "The same seed draws the same patches.",
}


class FineTuneForm(Container):
    """What to fine-tune, on what, and how.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose image layers it offers.
    """

    def __init__(self, viewer: napari.viewer.Viewer):
        self._viewer = viewer
        super().__init__(widgets=self._make_inputs(), labels=True)
        self.margins = (0, 0, 0, 0)
        self.blur = Container(widgets=self._make_blur_inputs(), labels=True)
        self.advanced = Container(widgets=self._make_advanced_inputs(), labels=True)
        for part in (self.blur, self.advanced):
            part.margins = (0, 0, 0, 0)
        self.blur_fold = Fold("Blur and noise", self.blur)
        self.advanced_fold = Fold("Advanced", self.advanced)
        for fold in (self.blur_fold, self.advanced_fold):
            self.native.layout().addWidget(fold)
        align_labels(self, self.blur, self.advanced)

        if is_source(viewer.layers.selection.active):
            self.high.value = viewer.layers.selection.active
        self._on_source_changed()
        self._on_blur_from()
        for layer, axes in ((self.high, self.high_axes), (self.low, self.low_axes)):
            _suggest(layer.value, axes)
            layer.changed.connect(lambda chosen, axes=axes: _suggest(chosen, axes))
        self.high.changed.connect(self._take_pixel_size)
        self._take_pixel_size()
        self.source.changed.connect(self._on_source_changed)
        self.blur_from.changed.connect(self._on_blur_from)
        self.optics.changed.connect(self._take_optics)
        self.start.changed.connect(self.refresh_name)

    def _make_inputs(self) -> list[Any]:
        self.source = ComboBox(label="Learn from", choices=SOURCES, value="image")
        self.high = ComboBox(label="Image layer", choices=self._image_layers)
        self.high_axes = LineEdit(label="Axes")
        self.low = ComboBox(label="Low-res layer", choices=self._image_layers)
        self.low_axes = LineEdit(label="Low-res axes")
        self.folder = FileEdit(label="Folder", mode=FileDialogMode.EXISTING_DIRECTORY)
        self.start = ComboBox(label="Start from", choices=_model_names)
        if "microscopy" in self.start.choices:
            self.start.value = "microscopy"
        self.name_edit = LineEdit(label="New name")
        self.minutes = FloatSpinBox(label="Minutes", value=5, min=0.1, max=10_000, step=1)
        self.refresh_name()
        return with_tooltips(
            TOOLTIPS,
            source=self.source,
            high=self.high,
            high_axes=self.high_axes,
            low=self.low,
            low_axes=self.low_axes,
            folder=self.folder,
            start=self.start,
            name=self.name_edit,
            minutes=self.minutes,
        )

    def _make_blur_inputs(self) -> list[Any]:
        self.blur_from = ComboBox(label="Taken", choices=BLUR_FROM, value="estimated")
        self.psf = FloatSpinBox(label="PSF width (px)", value=0.8, min=0, max=20, step=0.1)
        self.noise = FloatSpinBox(label="Noise (%)", value=2.0, min=0, max=50, step=0.5)
        self.aperture = FloatSpinBox(label="NA", value=1.2, min=0.05, max=1.7, step=0.05)
        self.wavelength = FloatSpinBox(label="Wavelength (nm)", value=520, min=200, max=2000, step=10)
        self.pixel = FloatSpinBox(label="Pixel (µm)", value=0.1, min=0.001, max=1000, step=0.001)
        self.optics = PushButton(text="PSF width from these")
        return with_tooltips(
            TOOLTIPS,
            blur_from=self.blur_from,
            psf=self.psf,
            noise=self.noise,
            aperture=self.aperture,
            wavelength=self.wavelength,
            pixel=self.pixel,
            optics=self.optics,
        )

    def _make_advanced_inputs(self) -> list[Any]:
        self.rate = FloatSpinBox(label="Learning rate ×", value=1.0, min=0.01, max=10, step=0.5)
        self.batch = SpinBox(label="Batch", value=8, min=1, max=256)
        self.seed = SpinBox(label="Seed", value=0, min=0, max=2**31 - 1)
        return with_tooltips(TOOLTIPS, rate=self.rate, batch=self.batch, seed=self.seed)

    def _image_layers(self, *_: Any) -> list[Image]:
        return [layer for layer in self._viewer.layers if is_source(layer)]

    def _on_source_changed(self, *_: Any) -> None:
        source = self.source.value
        for each in (self.high, self.high_axes):
            each.visible = source != "folder"
        for each in (self.low, self.low_axes):
            each.visible = source == "pair"
        self.folder.visible = source == "folder"

    def _on_blur_from(self, *_: Any) -> None:
        for each in (self.psf, self.noise, self.aperture, self.wavelength, self.pixel, self.optics):
            each.enabled = self.blur_from.value == "measured"

    def _take_pixel_size(self, *_: Any) -> None:
        """Fill in the pixel size where the layer knows it in a unit of length."""
        layer = self.high.value
        if layer is None:
            return
        try:
            size = float((layer.scale[-1] * layer.units[-1]).to("micrometer").magnitude)
        except Exception:  # pixels, or a unit that is no length
            return
        if self.pixel.min <= size <= self.pixel.max:
            self.pixel.value = size

    def _take_optics(self, *_: Any) -> None:
        self.psf.value = psf_from_optics(self.aperture.value, self.wavelength.value, self.pixel.value)

    def refresh_name(self, *_: Any) -> None:
        """Propose a name that is free."""
        if self.start.value is not None:
            self.name_edit.value = free_name(self.start.value)

    def refresh_models(self) -> None:
        """Offer the models that there are now."""
        chosen = self.start.value
        self.start.reset_choices()
        if chosen in self.start.choices:
            self.start.value = chosen
        self.refresh_name()

    def reset_choices(self, *_: Any) -> None:
        """Offer the layers that there are now; a chosen layer stays chosen, renamed or not."""
        before = [
            (layer, layer.value, axes, axes.value)
            for layer, axes in ((self.high, self.high_axes), (self.low, self.low_axes))
        ]
        name = self.name_edit.value
        super().reset_choices()
        for layer, chosen, axes, letters in before:
            if chosen in layer.choices:
                layer.value = chosen
                axes.value = letters
        self.name_edit.value = name

    def request(self) -> Request:
        """Return what the form is set to; to be called on the main thread.

        Raises
        ------
        VaesrError
            When it can't be run.
        """
        source = self.source.value
        if self.start.value is None:
            raise VaesrError("There is no model to start from: import one first.")
        high = low = folder = None
        if source == "folder":
            if str(self.folder.value) in ("", "."):
                raise VaesrError("Choose a folder of images to begin.")
            folder = Path(str(self.folder.value))
        else:
            if self.high.value is None:
                raise VaesrError("Open an image to begin.")
            high = LayerPixels(self.high.value, self.high_axes.value)
        if source == "pair":
            low = LayerPixels(self.low.value, self.low_axes.value)
        request = Request(
            start=self.start.value,
            name=self.name_edit.value.strip(),
            minutes=self.minutes.value,
            high=high,
            low=low,
            folder=folder,
            blur_from=self.blur_from.value,
            psf=self.psf.value,
            noise=self.noise.value / 100,
            rate=self.rate.value,
            batch=self.batch.value,
            seed=self.seed.value,
        )
        request.check()
        return request

    def outlook(self) -> str:
        """Say in one line what would be done.

        Raises
        ------
        VaesrError
            When it can't be.
        """
        request = self.request()
        length = f"for {request.minutes:g} min of training"
        if request.high is None:
            return f"Learns from the images in {request.folder} {length}."
        layer = self.high.value
        named = Axes.parse(checked_axes(layer, self.high_axes.value), source_array(layer).shape)
        planes = "1 plane" if named.plane_count == 1 else f"{named.plane_count} planes"
        return f"Learns from {planes} of {named.width} × {named.height} pixels {length}."


def _suggest(layer: Image | None, axes: LineEdit) -> None:
    if layer is not None:
        axes.value = suggested_axes(layer)


def _model_names(*_: Any) -> list[str]:
    return list(models())

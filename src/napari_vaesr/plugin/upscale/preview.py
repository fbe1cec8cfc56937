"""The preview without a window: how large it may be, what it is made with, and its layers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari.layers import Layer

from napari_vaesr.engine.passes import split
from napari_vaesr.engine.record import Record
from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.viewer.layers import KEY, LayerTuple, unique_name
from napari_vaesr.zoo.card import ANY

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_vaesr.engine.settings import UpscaleSettings
    from napari_vaesr.vae.config import NetworkConfig

FRAME = "orange"
"""Colour of the line around a preview."""

LIVE_MODEL = "tiny"
"""Name of the model that live previews use where it is there and can make the scale."""

LIVE_SAMPLES = 4
"""Samples of a live preview, unless fewer are asked for."""

LIVE_SECONDS, SECONDS, PATIENCE = 0.5, 1.5, 10.0
"""How long a preview should take at most: live, on demand, and where planes along ``Z`` follow."""

FIRST_PIXELS = 128**2
"""Pixels that the network sees of a preview as long as its speed is not known."""

USUAL_HALO = 40
"""What is taken for the halo of a model along ``Z`` as long as it is not known."""

WORTHWHILE = 1.5
"""How many times as many pixels, or as few, make it worth to change the size of a preview."""

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
    with suppress(VaesrError):
        split(settings.factors, () if small is None else small.factors, LIVE_MODEL)
        changes |= {"model": LIVE_MODEL, "domain": ANY}  # it may not know the kind of image chosen
        if small is not None and not small.sections:
            changes["sections"] = "unknown"  # nor be told what planes are
    return settings.model_copy(update=changes)


def flat_settings(settings: UpscaleSettings) -> UpscaleSettings:
    """Return settings for planes as they are: along ``Y`` and ``X`` alone, where these grow.

    To make planes along ``Z`` takes all that lies in the network's reach above and below, a hundred times
    the pixels of a plane; so a preview shows the plane as it is first.
    """
    scale = settings.factors.along("Y")
    flat = {"scale": scale, "sections": "unknown"}
    return settings if scale == 1 else settings.model_copy(update=flat)


class Pace:
    """Learns how fast previews are, and says how large the next may be.

    The time is taken to grow with the pixels that the network sees, the halo around the region included.
    """

    def __init__(self) -> None:
        self._seconds_per_pixel: dict[Any, float] = {}
        self._halo: dict[Any, int] = {}
        self._lengths: dict[Any, dict[str, int]] = {}

    def learn(
        self,
        settings: UpscaleSettings,
        extent: Mapping[str, range],
        halo: int,
        seconds: float,
        depth: int = 1,
    ) -> None:
        """Take note of a preview that took so long, of an image of so many planes along ``Z``."""
        key = _speed_key(settings)
        self._halo[key] = halo
        measured = seconds / _seen(settings, len(extent["Y"]), len(extent["X"]), halo, depth)
        # The first run compiles kernels: a faster one since is nearer to the truth.
        self._seconds_per_pixel[key] = min(measured, 1.5 * self._seconds_per_pixel.get(key, measured))

    def fitting(
        self, settings: UpscaleSettings, extent: Mapping[str, range], seconds: float, depth: int = 1
    ) -> dict[str, range]:
        """Return the middle of a region, as large as can be computed in so many seconds.

        Its size stays what it was the last time, as long as that fits and is about right: speed is never
        measured alike twice, and a preview that follows the view is not to flutter.

        Parameters
        ----------
        settings : UpscaleSettings
            What it is computed with.
        extent : mapping of str to range
            With the rows ``Y`` and columns ``X`` that are wanted.
        seconds : float
            How long it may take.
        depth : int
            Planes of the image along ``Z``.

        Returns
        -------
        dict of str to range
            The same extent, with fewer rows and columns where it would take longer.
        """
        key = _speed_key(settings)
        # What is not known of planes along Z is guessed from planes as they are.
        source = key if key in self._halo else _speed_key(flat_settings(settings))
        height, width = len(extent["Y"]), len(extent["X"])
        halo = self._halo.get(source, USUAL_HALO if "Z" in settings.factors else 0)
        known = self._seconds_per_pixel.get(source)
        allowed = FIRST_PIXELS if known is None else seconds / known

        def takes_too_long(factor: float) -> bool:
            return _seen(settings, height * factor, width * factor, halo, depth) > allowed

        if not takes_too_long(1):
            return dict(extent)
        steps = range(1, 1001)
        factor = (bisect_left(steps, True, key=lambda step: takes_too_long(step / 1000))) / 1000
        lengths = {name: _shortened(len(extent[name]), factor) for name in "YX"}
        before = self._lengths.get((key, seconds))
        if before is None or not _is_about(before, lengths) or any(before[n] > len(extent[n]) for n in "YX"):
            before = self._lengths[key, seconds] = lengths
        return {**extent, **{name: _middle(extent[name], before[name]) for name in "YX"}}


def _speed_key(settings: UpscaleSettings) -> tuple[Any, ...]:
    return settings.model, settings.factors, settings.samples, settings.device, settings.precision


def _seen(settings: UpscaleSettings, height: float, width: float, halo: int, depth: int) -> float:
    """Return how many pixels the network sees for a region, most of them in the first pass."""
    if "Z" not in settings.factors:
        return (height + 2 * halo) * (width + 2 * halo)
    if "Y" in settings.factors:  # the next pass looks around it
        height, width = height + 2 * halo, width + 2 * halo
    rows = min(depth, 1 + 2 * halo)
    return rows * (height * (width + 2 * halo) + width * (height + 2 * halo))


def _shortened(length: int, factor: float) -> int:
    """Return a length times a factor, no less than 16 pixels where there are as many."""
    return min(length, max(16, round(length * factor)))


def _is_about(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether two sizes have about as many pixels."""
    return 1 / WORTHWHILE <= (one["Y"] * one["X"]) / (other["Y"] * other["X"]) <= WORTHWHILE


def _middle(part: range, length: int) -> range:
    """Return so many pixels in the middle of a range."""
    start = part.start + (len(part) - length) // 2
    return range(start, start + length)


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

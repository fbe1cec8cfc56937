"""Layers as jobs read them, and the layer that a result was made from, found again in a viewer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

import numpy as np

from napari_vaesr.engine.record import Record
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.units import comparable
from napari_vaesr.imaging.axes import Axes, Source, default_axes
from napari_vaesr.imaging.axis_names import told_axes
from napari_vaesr.imaging.intensity import IntensityMethod, IntensityScaling, fit_scalings

if TYPE_CHECKING:
    import napari.layers

    from napari_vaesr.engine.job import UpscaleJob

AXIS_LETTERS = frozenset("TCZYX")

Scalings = Sequence[IntensityScaling]

Told = Mapping[str, Any]
"""A layer's metadata under ``napari_vaesr``: its record, with ``source`` and ``layer``."""

_made_here: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""The sources of the results of this session, by what all layers of a result have in common."""

_made_of: WeakKeyDictionary[Any, dict[str, Callable[[], Any]]] = WeakKeyDictionary()
"""The pixels that these had then, by source and result."""

_looked_at: WeakKeyDictionary[Any, tuple[Callable[[], Any], dict[Any, Any]]] = WeakKeyDictionary()
"""The pixels of layers, with the intensities that were found in them."""


def source_array(layer: napari.layers.Image) -> Any:
    """Return the pixels of a layer: its finest level where it is multiscale.

    Parameters
    ----------
    layer : napari.layers.Image
        Its data stay where they are.

    Returns
    -------
    array
        NumPy, Dask or Zarr, as the layer holds it; colour images end with an axis of samples.
    """
    return layer.data[0] if layer.multiscale else layer.data


def labelled_axes(layer: napari.layers.Image) -> str | None:
    """Return the axes of the layer's pixels where they are certain, else None.

    They are certain when the layer's axis labels are distinct letters of ``TCZYX`` with both
    ``Y`` and ``X``, when the file that it was opened from names those of an image of this shape, or when the
    layer has only two dimensions and no labels of its own.

    Returns
    -------
    str or None
        One letter per axis of the pixels, with ``S`` at the end for a colour image.
    """
    letters = "".join(layer.axis_labels).upper()
    if (
        len(letters) == len(layer.axis_labels) == len(set(letters))
        and AXIS_LETTERS.issuperset(letters)
        and {"Y", "X"} <= set(letters)
    ):
        return letters + "S" if layer.rgb else letters
    known = told_axes(source_array(layer)) or default_axes(layer.ndim + layer.rgb, layer.rgb)
    return known or _axes_in_file(layer)


def _axes_in_file(layer: napari.layers.Image) -> str | None:
    """Return the axes that the file of a layer names, if the layer holds that file's image as it is."""
    from napari_vaesr.files.image import read_image

    if not layer.source.path:
        return None
    try:
        image = read_image(layer.source.path)
    except VaesrError:
        return None
    same = tuple(image.data.shape) == tuple(source_array(layer).shape)
    return image.axes if same and image.axes.endswith("S") == bool(layer.rgb) else None


def suggested_axes(layer: napari.layers.Image) -> str:
    """Propose axes to a user, who sees and may change them: a guess where nothing is certain."""
    certain = labelled_axes(layer)
    if certain is not None:
        return certain
    spatial = {1: "X", 2: "YX", 3: "ZYX", 4: "TZYX"}.get(layer.ndim, "TCZYX")
    return spatial + "S" if layer.rgb else spatial


def checked_axes(layer: napari.layers.Image, axes: str | None) -> str:
    """Return the axes of the layer's pixels in capitals, with the ``S`` of a colour image given or not.

    Raises
    ------
    VaesrError
        If the axes are not given and not certain, a colour image has its samples elsewhere than last, or a
        grey one has any.
    """
    if axes is None:
        axes = labelled_axes(layer)
        if axes is None:
            raise VaesrError(
                f"The axes of '{layer.name}' are not known: name them, for example axes='ZYX', "
                "or set the layer's axis_labels."
            )
    axes = axes.strip().upper()
    if not layer.rgb:
        if "S" in axes:
            raise VaesrError(
                f"'{layer.name}' is not shown as a colour image: call its channels C, or open it as RGB."
            )
        return axes
    if "S" in axes[:-1]:
        raise VaesrError(
            f"The colours of '{layer.name}' are its last axis: name it S, as in YXS, or not at all."
        )
    return axes if axes.endswith("S") else axes + "S"


def layer_as_source(layer: napari.layers.Image, axes: str | None) -> Source:
    """Return a layer as jobs read it: pixels, axes, and sizes, where they can be told in the unit of ``X``.

    Raises
    ------
    VaesrError
        As `checked_axes`, or when the axes do not fit the pixels or there are no intensities.
    """
    if not hasattr(layer, "rgb"):
        raise VaesrError(f"'{layer.name}' is a layer of {type(layer).__name__}, please give one of an image.")
    source = Source.of(source_array(layer), checked_axes(layer, axes))
    names = source.axes.names.replace("S", "")
    units = {name: str(unit) for name, unit in zip(names, layer.units, strict=True)}
    sizes = {name: abs(float(size)) for name, size in zip(names, layer.scale, strict=True)}
    return replace(source, pixel_size=comparable(sizes, units))


def source_axes(told: Told) -> str:
    """Return the axes of the layer that a result was made from: without C where it is a channel of a file."""
    return str(told["source"].get("axes") or told["axes"])


def weakly(pixels: Any) -> Callable[[], Any]:
    """Return what returns pixels as long as they are there; those without weak references are kept."""
    try:
        return ref(pixels)
    except TypeError:
        return lambda: pixels


def remember_source(told: Told, source: Any, pixels: Any) -> None:
    """Take note which layer and pixels a result was made from, whatever the layers are called later."""
    result = told["layer"]["result"]
    _made_here[result] = source
    _made_of.setdefault(source, {})[result] = weakly(pixels)


def _noted_source(told: Told, layers: Iterable[Any]) -> Any:
    """Return the layer that was noted as the source of a result, if it is there with the same pixels."""
    result = told.get("layer", {}).get("result")
    known = _made_here.get(result)
    if known is None or known not in layers or _made_of[known][result]() is not source_array(known):
        return None
    return known


def likely_source(told: Told, layers: Iterable[Any]) -> Any:
    """Return the layer that was noted as the source of a result, or else one that may be it by its name.

    One that is clearly brighter or darker is another image, such as one of another folder.
    """
    layers = list(layers)
    known, name = _noted_source(told, layers), told.get("source", {}).get("name")
    if known is not None:
        return known
    try:
        made, axes = Record.read(told), source_axes(told)
    except VaesrError:  # it tells nothing but the name
        return next((each for each in layers if each.name == name and _is_image(each)), None)
    likely = [each for each in _fitting(layers, axes, made) if each.name == name]
    return next((each for each in likely if not _is_another(each, axes, made)), None)


def source_of(told: Told, layers: Iterable[Any]) -> Any:
    """Return the layer that a result was made from, if it is still there with the same pixels, else None.

    Where it was not noted, it is looked for by name and then, for it may have been renamed, by intensities.
    """
    layers = list(layers)
    likely = likely_source(told, layers)
    if likely is not None:
        return likely
    made, axes = Record.read(told), source_axes(told)
    return next((each for each in _fitting(layers, axes, made) if _has_intensities(each, axes, made)), None)


def _is_image(layer: Any) -> bool:
    return type(layer).__name__ == "Image"


def _fitting(layers: Iterable[Any], axes: str, made: Record) -> list[Any]:
    """Return the images of the shape and the type that a record tells."""
    shape, dtype = [made.image_axes.lengths[name] for name in axes], made.input.dtype
    return [
        layer
        for layer in layers
        if _is_image(layer)
        and list(source_array(layer).shape) == shape
        and str(source_array(layer).dtype) == dtype
    ]


def needed_source(told: Told, layers: Iterable[Any], purpose: str) -> Any:
    """Return the layer that a result was made from.

    Raises
    ------
    VaesrError
        When it is no longer there.
    """
    source = source_of(told, layers)
    if source is None:
        raise VaesrError(f"The source '{told['source']['name']}' is no longer there: open it to {purpose}.")
    return source


def calibrate_alike(job: UpscaleJob, made: Record, axes: str) -> None:
    """Let a job on the source of a result say of its uncertainty what the result does.

    A check may have corrected it. What the card tells beyond an older record is kept.

    Parameters
    ----------
    job : UpscaleJob
        On the source, with the model and the factors of the result.
    made : Record
        Of the result.
    axes : str
        Of the source: without C where it is the one channel of a file that the record is of.
    """
    count = len(made.intensity)
    channels = made.channels if "C" not in axes and count > 1 else range(count)
    firsts = range(0, len(made.calibration), count)
    told = [made.calibration[first + channel] for first in firsts for channel in channels]
    if len(told) == len(job.calibrations) and job.model.card.sha256 == made.model.sha256:
        pairs = zip(told, job.calibrations, strict=True)
        job.calibrations = tuple(
            each.model_copy(update={"shared": each.shared or now.shared}) for each, now in pairs
        )
        if made.alike_planes is not None:
            job.surroundings = replace(job.surroundings, alike=made.alike_planes)


ALIKE = 1e-6
"""Share of the intensity range by which those of the same pixels may differ, for rounding."""


def _is_another(layer: napari.layers.Image, axes: str, made: Record) -> bool:
    """Whether a layer that fits a record in all else is clearly brighter or darker."""

    def differ(one: IntensityScaling, other: IntensityScaling) -> bool:
        return max(abs(one.offset - other.offset), abs(one.gain - other.gain)) > ALIKE * other.gain

    return not any(
        not any(differ(*pair) for pair in zip(found, told, strict=True))
        for found, told in _found_and_told(layer, axes, made)
    )


def _has_intensities(layer: napari.layers.Image, axes: str, made: Record) -> bool:
    """Whether a layer that fits a record in all else has exactly the intensities that it tells."""
    return any(_are_same(found, told) for found, told in _found_and_told(layer, axes, made))


def has_intensities(pixels: Any, axes: str, made: Record) -> bool:
    """Whether the pixels of an image are as bright as a record tells."""
    named = Axes.parse(axes, pixels.shape)
    for method in _methods(made):
        try:
            found = fit_scalings(pixels, named, method)
        except VaesrError:
            return False
        if _are_same(found, _told_intensities(made, axes)):
            return True
    return False


def _found_and_told(
    layer: napari.layers.Image, axes: str, made: Record
) -> Iterable[tuple[Scalings, Scalings]]:
    """Yield the intensities of a layer and those of a record, by each way in which they may have been found.

    Of channels that lie in a file the first one is looked at, for the window waits for it, and all at once.
    """
    pixels, told = source_array(layer), _told_intensities(made, axes)
    is_read = "C" in axes and not isinstance(pixels, np.ndarray)
    channels = made.channels[:1] if is_read else range(len(told))
    told = [told[index] for index in channels]
    named = Axes.parse(axes, pixels.shape)
    for method in _methods(made):
        seen, found = _looked_at.get(layer, (None, {}))
        if seen is None or seen() is not pixels:
            _looked_at[layer] = weakly(pixels), (found := {})
        key = (axes, method, tuple(channels))
        if key not in found:
            try:
                found[key] = fit_scalings(pixels, named, method, channels if "C" in axes else None)
            except VaesrError:  # it is no image that could have been upscaled
                found[key] = ()
        if len(found[key]) == len(told):
            yield found[key], told


def _methods(made: Record) -> tuple[IntensityMethod, ...]:
    """Return how the intensities of a record may have been found: as its model does it, if it is here."""
    from napari_vaesr.zoo.registry import get_card

    try:
        card = get_card(made.settings.model)
    except VaesrError:
        return get_args(IntensityMethod)
    return (card.intensity,) if card.sha256 == made.model.sha256 else get_args(IntensityMethod)


def _told_intensities(made: Record, axes: str) -> list[IntensityScaling]:
    """Return the intensities that a record tells of an image, or of the one channel that it is of."""
    told = list(made.intensity)
    return [told[index] for index in made.channels] if "C" not in axes and len(told) > 1 else told


def _are_same(found: Scalings, told: Scalings) -> bool:
    """Whether intensities are the same, as far as records of all versions tell."""
    return [(each.offset, each.gain, each.noise) for each in found] == [
        (each.offset, each.gain, each.noise) for each in told
    ]

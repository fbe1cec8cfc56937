"""Open an image with its mean and its uncertainty, which are computed plane by plane as one scrolls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Source
from napari_vaesr.imaging.region import Factors
from napari_vaesr.plugin.viewer.layers import KEY, LayerTuple, layer_tuples, lazy_uncertainty_limits

if TYPE_CHECKING:
    from napari_vaesr.engine.result import Result
    from napari_vaesr.files.image import ImageFile
    from napari_vaesr.files.place import Place

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]

# napari gives the first channels of an image these colours; a lone channel is grey.
CHANNEL_COLORMAPS = ("magenta", "green", "cyan", "yellow", "red", "blue")


def get_reader(path: Paths) -> Callable[[Paths], list[LayerTuple]] | None:
    """Return the reader for a path or a list of paths, or None if one of them is not an image that we read.

    Cheap, and never raises.
    """
    from napari_vaesr.files.image import can_read

    try:
        paths = _path_list(path)
    except TypeError:  # no path at all
        return None
    return read_upscaled if paths and all(can_read(each) for each in paths) else None


def read_upscaled(path: Paths) -> list[LayerTuple]:
    """Read images and set up their upscaling; no pixel is upscaled before it is shown.

    Model, scale, samples, uncertainty, device and seed come from napari's Preferences.

    Parameters
    ----------
    path : path or sequence of paths
        Image files, or folders where the format is a folder.

    Returns
    -------
    list of (array, dict, "image")
        For every image, and every channel of it, the source, the mean and the uncertainty, the last hidden.

    Raises
    ------
    VaesrError
        If a file cannot be read or its axes are not known, or a preference is not valid.
    """
    from napari.settings import get_settings
    from napari.utils.notifications import show_info

    from napari_vaesr.plugin.io.series import series_to_open

    # napari computes what is visible, and waits for it unless it renders asynchronously.
    in_background = bool(get_settings().experimental.async_)
    images = [_read(place, series) for place in _path_list(path) for series in series_to_open(place)]
    for note in dict.fromkeys(note for image in images for note in image.notes):
        show_info(note)
    layers = [layer for image in images for layer in _upscaled_layers(image, show_mean=in_background)]
    hidden = [data for data, about, _ in layers if _role(about) == "mean" and not about["visible"]]
    if hidden:  # a saved result is shown as it is
        offer_to_show(hidden)
    return layers


def _role(attributes: Mapping[str, Any]) -> str | None:
    """Return what a layer is of a result, None of a source."""
    role: str | None = attributes.get("metadata", {}).get(KEY, {}).get("layer", {}).get("role")
    return role


def image_layer(image: ImageFile, **attributes: Any) -> LayerTuple:
    """Make a layer of an image as it is, in its true size.

    Parameters
    ----------
    image : ImageFile
        What `napari_vaesr.files.image.read_image` gave.
    **attributes
        Further attributes of the layer, such as ``contrast_limits``.
    """
    spatial_axes = image.axes.replace("S", "")
    placed = {
        "name": image.name,
        "rgb": "S" in image.axes,
        "multiscale": False,
        "scale": [image.pixel_size.get(name, 1.0) for name in spatial_axes],
        "translate": [image.offset.get(name, 0.0) for name in spatial_axes],
        "units": [image.units.get(name, "pixel") for name in spatial_axes],
        "axis_labels": list(spatial_axes),
    }
    return image.data, {**placed, **attributes}, "image"


def _read(path: Place, series: str | None) -> ImageFile:
    from napari_vaesr.files.image import UnknownAxes, read_image

    try:
        return _colours_last(read_image(path, series=series))
    except UnknownAxes:
        raise VaesrError(
            f"{path.name} does not name its axes: open it with napari's own reader, "
            "then name them in Layers > Filter > Upscale with uncertainty."
        ) from None


def _colours_last(image: ImageFile) -> ImageFile:
    """Bring the colours to the end, where napari wants them."""
    if "S" not in image.axes[:-1]:
        return image
    import dask.array

    axes = image.axes.replace("S", "") + "S"
    data = dask.array.asarray(image.data).transpose([image.axes.index(name) for name in axes])
    return replace(image, data=data, axes=axes)


def _upscaled_layers(image: ImageFile, show_mean: bool) -> list[LayerTuple]:
    from napari.layers import Image

    from napari_vaesr.plugin.io.saving import saved_layers

    saved = saved_layers(image)
    if saved is not None:
        return saved
    from napari_vaesr.engine.job import UpscaleJob
    from napari_vaesr.engine.lazy import lazy_result
    from napari_vaesr.engine.record import Record
    from napari_vaesr.plugin.viewer.preferences import preferred_depth, preferred_settings

    settings = preferred_settings()
    if "Z" in image.axes and (depth := preferred_depth()) > 1:
        scale = Factors({**settings.factors, "Z": depth}).setting
        settings = settings.model_copy(update={"scale": scale})
    whole = lazy_result(UpscaleJob(Source.of(image.data, image.axes), settings), look_ahead=True)
    # The intensities that the network sees as 0 and 1 are as good as contrast limits, and known already.
    limits = Record.read(whole.record).bright
    if "S" in image.axes or "C" not in image.axes:
        channels = [(image, whole)]
    else:
        channels = [
            (_channel(image, index), _result_of_channel(whole, image, index)) for index in range(len(limits))
        ]

    layers: list[LayerTuple] = []
    for number, (source, result) in enumerate(channels):
        own = source.windows[0] if source.windows else None
        look: dict[str, Any] = {"contrast_limits": own or limits[number]}
        if source.colours and "S" not in source.axes:
            look["colormap"] = f"#{source.colours[0]}"
        if len(channels) > 1:
            # Channels add up on screen, but a source must not add to its own mean.
            colormap = CHANNEL_COLORMAPS[number % len(CHANNEL_COLORMAPS)]
            look = {"colormap": "gray" if image.colours else colormap, **look}
            look |= {"blending": "additive", "visible": not show_mean}
        source_layer = image_layer(source, **look)
        shown = layer_tuples(
            result,
            Image(source_layer[0], **source_layer[1]),
            source.axes,
            settings.factors,
            settings.uncertainty,
            uncertainty_range=lazy_uncertainty_limits(limits[number], settings.uncertainty),
        )
        shown[0][1]["visible"] = show_mean
        for _, attributes, _ in shown:  # napari tells a layer its file only later
            attributes["metadata"][KEY]["source"]["path"] = str(image.path.absolute())
            if image.series:
                attributes["metadata"][KEY]["source"]["series"] = image.series
        layers += [source_layer, *shown]
    return layers


def offer_to_show(means: list[Any]) -> None:
    """Say that the means are computed once shown, and offer to do that without stopping the window."""
    from napari import current_viewer
    from napari.settings import get_settings
    from napari.utils.notifications import Notification, NotificationSeverity, notification_manager

    def show(_dialog: Any) -> None:
        get_settings().experimental.async_ = True
        for layer in getattr(current_viewer(), "layers", ()):
            layer.visible |= any(layer.data is mean for mean in means)

    notification_manager.dispatch(
        Notification(
            "The mean is not shown yet: it is computed plane by plane as you scroll. 'Show the mean' also "
            "switches on napari's asynchronous rendering (Preferences, Experimental), so that the window "
            "never waits for it.",
            NotificationSeverity.INFO,
            actions=(("Show the mean", show),),
        )
    )


def _channel(image: ImageFile, index: int) -> ImageFile:
    names = image.channel_names
    name = names[index] if names and index < len(names) else f"channel {index}"
    return replace(
        image,
        data=_take(image.data, image, index),
        axes=image.axes.replace("C", ""),
        name=f"{image.name} {name}",
        colours=image.colours[index : index + 1] if any(image.colours[index : index + 1]) else (),
        windows=image.windows[index : index + 1],
    )


def _result_of_channel(result: Result, image: ImageFile, index: int) -> Result:
    """Return the result of one channel: a part of the file, as if its extent had been asked for."""
    extent = {**result.record["extent"], "C": [index, index + 1]}
    std, uncertainty = _take(result.std, image, index), _take(result.uncertainty, image, index)
    return replace(
        result,
        mean=_take(result.mean, image, index),
        std=std,
        uncertainty=std if result.uncertainty is result.std else uncertainty,
        record={**result.record, "extent": extent},
        axes=image.axes.replace("C", ""),
    )


def _take(array: Any, image: ImageFile, index: int) -> Any:
    """One channel of an array whose last axes are the image's, without reading it."""
    import dask.array

    if array is None:
        return None
    lazy = array if isinstance(array, (np.ndarray, dask.array.Array)) else dask.array.from_array(array)
    return lazy[(..., *(index if name == "C" else slice(None) for name in image.axes))]


def _path_list(path: Paths) -> list[Place]:
    from napari_vaesr.files.place import as_place

    return [as_place(each) for each in ([path] if isinstance(path, (str, PathLike)) else path)]

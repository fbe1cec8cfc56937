"""Open results as they were, and other images with mean and uncertainty, computed as one scrolls.

napari finds readers by the names of files alone, whether or not it is told which to take. So the manifest
names what results are called, and nothing else; other images come in by `open_upscaled` and the menu.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import KEY
from napari_vaesr.plugin.viewer.layers import LayerTuple, layer_tuples, lazy_uncertainty_limits

if TYPE_CHECKING:
    from napari_vaesr.engine.result import Result
    from napari_vaesr.files.image_file import ImageFile
    from napari_vaesr.files.place import Place

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]

# napari gives the first channels of an image these colours; a lone channel is grey.
CHANNEL_COLORMAPS = ("magenta", "green", "cyan", "yellow", "red", "blue")


def get_reader(path: Paths) -> Callable[[Paths], list[LayerTuple] | list[tuple[None]]] | None:
    """Return the reader for a path or a list of paths, or None if one of them is not an image that we read.

    The record of a result stands for the result. Cheap, and never raises.
    """
    from napari_vaesr.files.image import can_read

    try:
        paths = path_list(path)
    except (TypeError, ValueError):  # no path at all
        return None
    return read_upscaled if paths and all(can_read(each) for each in paths) else None


def read_upscaled(path: Paths) -> list[LayerTuple] | list[tuple[None]]:
    """Read results, or images and set up their upscaling; no pixel is upscaled before it is shown.

    A file that holds a result gives its layers as they were saved; a picture that is one is shown as it is.
    For other images, model, scale, samples, uncertainty, device and seed come from napari's Preferences.

    Parameters
    ----------
    path : path or sequence of paths
        Image files, folders where the format is a folder, or records of results.

    Returns
    -------
    list of (array, dict, "image")
        For every image, and every channel of it, the source, the mean and the uncertainty, the last hidden;
        the layers of every result; napari's word for nothing, ``[(None,)]``, where the user chose none.

    Raises
    ------
    VaesrError
        If a file cannot be read or its axes are not known, or a preference is not valid.
    """
    chosen = chosen_images(path)
    return layers_of(chosen) if chosen else [(None,)]


def chosen_images(path: Paths) -> list[tuple[Place, str | None]]:
    """Return the images that paths mean, with the name of each where a file has several; may ask the user."""
    from napari_vaesr.plugin.io.series import series_to_open

    return [(place, series) for place in path_list(path) for series in series_to_open(place)]


def layers_of(chosen: Sequence[tuple[Place, str | None]]) -> list[LayerTuple]:
    """Return the layers of images; as `read_upscaled`, but nobody is asked, so that a worker may do it."""
    from napari.utils.notifications import show_info

    images = [_read(place, series) for place, series in chosen]
    for note in dict.fromkeys(note for image in images for note in image.notes):
        show_info(note)
    return [layer for image in images for layer in _layers_of(image)]


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
    from napari_vaesr.files.image import read_image
    from napari_vaesr.files.image_file import UnknownAxes

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


def _layers_of(image: ImageFile) -> list[LayerTuple]:
    from napari.utils.notifications import show_info

    from napari_vaesr.files.made import is_result
    from napari_vaesr.plugin.io.saving import saved_layers

    saved = saved_layers(image)
    if saved is not None:
        return saved
    if is_result(image.path):  # a picture, which has no words for what it holds, or the file beside it
        show_info(f"{image.path.name} belongs to the result of an upscaling, so it is shown as it is.")
        return [image_layer(image)]
    return _upscaled_layers(image)


def _upscaled_layers(image: ImageFile) -> list[LayerTuple]:
    from napari.layers import Image
    from napari.utils.notifications import show_info

    from napari_vaesr.engine.job import UpscaleJob
    from napari_vaesr.plugin.viewer.preferences import preferred_settings_for
    from napari_vaesr.trust.familiar import note_unlike
    from napari_vaesr.trust.upscale import lazily

    job = UpscaleJob(image.source, preferred_settings_for(image.source))
    note_unlike(job)
    whole = lazily(job, look_ahead=True, tell=show_info)
    made = whole.made
    for message in made.messages:
        show_info(message)
    settings = job.settings
    # The intensities that the network sees as 0 and 1 are as good as contrast limits, and known already.
    limits = made.bright
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
            look |= {"blending": "additive", "visible": False}
        source_layer = image_layer(source, **look)
        shown = layer_tuples(
            result,
            Image(source_layer[0], **source_layer[1]),
            source.axes,
            job.factors,
            settings.uncertainty,
            uncertainty_range=lazy_uncertainty_limits(limits[number], settings.uncertainty),
        )
        for _, attributes, _ in shown:  # napari tells a layer its file only later
            attributes["metadata"][KEY]["source"]["path"] = str(image.path.absolute())
            if image.series:
                attributes["metadata"][KEY]["source"]["series"] = image.series
        layers += [source_layer, *shown]
    show_info(
        f"'{image.name}' is upscaled ({job.factors.suffix}) by '{settings.model}', each plane when you "
        "look at it. Until it is there, you see the source in its place."
    )
    return layers


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


def path_list(path: Paths) -> list[Place]:
    """Return the files that are meant: a record stands for its result."""
    from napari_vaesr.files.made import recorded_output
    from napari_vaesr.files.place import as_place

    places = [as_place(each) for each in ([path] if isinstance(path, (str, PathLike)) else path)]
    return [recorded_output(place) or place for place in places]

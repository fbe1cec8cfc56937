"""Results as napari layers: in their true place, with the source's look and a record of how they were made.

Nothing here imports napari: a layer is only asked for its attributes and the answer is a list of
layer data tuples, ``(data, attributes, "image")``. So it also serves scripted viewers.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_vaesr.files.output import KEY
from napari_vaesr.imaging.geometry import Placement, shear_matrix
from napari_vaesr.imaging.region import Factors
from napari_vaesr.imaging.sampling import here_and_there
from napari_vaesr.plugin.viewer.sources import layer_as_source, source_array
from napari_vaesr.plugin.viewer.stand_in import StandIn, Unknown

if TYPE_CHECKING:
    import napari.layers

    from napari_vaesr.engine.result import Result

LayerTuple = tuple[Any, dict[str, Any], str]

STD_KEY = "napari_vaesr_std"
"""Where a layer that shows another uncertainty keeps the standard deviation."""

RELATIVE_KEY = "napari_vaesr_relative"
"""Where a mean keeps the relative uncertainty above background, once it is known."""

NUDGE = 1e-10
"""Of a source's pixel, by which a part that begins elsewhere lies off its place where the factor is even.

A viewer's slider steps by the planes of its finest layer, beginning at the first of the source. The planes of
a part lie halfway between such steps, and napari, which rounds halves to even, would show every other one of
them twice and those between never; rows and columns alike, where the viewer's axes are re-ordered.
"""

LOOKED_AT = 1_000_000
"""Pixels that contrast limits are measured on, at most."""

UNCERTAINTY_COLORMAP = "inferno"
# What the source and the mean have in common on screen; a colour image has no colormap of its own.
SHARED_LOOK = ("opacity", "blending", "interpolation2d", "interpolation3d", "rendering", "projection_mode")
GREY_LOOK = ("colormap", "contrast_limits", "gamma", "attenuation", "iso_threshold")


def unique_name(name: str, taken: Collection[str]) -> str:
    """`name`, or the first of ``name [1]``, ``name [2]``, ... that is not taken, as napari numbers layers."""
    number, candidate = 0, name
    while candidate in taken:
        number += 1
        candidate = f"{name} [{number}]"
    return candidate


def layer_tuples(
    result: Result,
    layer: napari.layers.Image,
    axes: str,
    scale: int | Mapping[str, float],
    uncertainty: str = "std",
    origin: Mapping[str, int] | None = None,
    taken_names: Collection[str] = (),
    uncertainty_range: tuple[float, float] | None = None,
) -> list[LayerTuple]:
    """Build the layers that show `result` over the layer that it was made from.

    Parameters
    ----------
    result : Result
        Its ``mean`` has the axes `axes`; its ``uncertainty`` has them without ``S``, or is None.
    layer : napari.layers.Image
        The source, for its place, units, axis labels and look.
    axes : str
        Names of the axes of the source's pixels, such as ``"ZYX"`` or ``"YXS"``.
    scale : int or mapping of str to int or float
        How many result pixels stand where one source pixel stood, along Y and along X, or by axis letter.
    uncertainty : {"std", "variance", "relative", "interval"}
        What ``result.uncertainty`` holds; it ends the layer's name. An interval makes two layers, ``lower``
        and ``upper``, which look like the mean.
    origin : mapping of str to int, optional
        Where the result starts in the source, in source pixels by axis name: ``{"Z": 7}`` for plane 7 alone.
        Axes that it does not name start at 0.
    taken_names : collection of str
        Names that the viewer uses already: a layer data tuple with such a name would overwrite that layer.
    uncertainty_range : (float, float), optional
        Contrast limits of the uncertainty; by default they are measured, which computes a lazy one.

    Returns
    -------
    list of (array, dict, "image")
        The mean, then the uncertainty, which is hidden so that it never covers the mean, then the samples
        along an axis of their own, where they were kept, hidden too.
    """
    spatial_axes, factors = axes.replace("S", ""), Factors.of(scale)
    placement = upscaled_place(layer, spatial_axes, factors, origin or {})
    identity = uuid.uuid4().hex

    def own(role: str) -> dict[str, Any]:
        return {
            "name": unique_name(f"{layer.name} {factors.suffix} {role}", taken_names),
            "metadata": metadata(result.record, layer, axes, role, identity),
        }

    look = {key: getattr(layer, key) for key in (SHARED_LOOK if layer.rgb else SHARED_LOOK + GREY_LOOK)}
    mean = {**placement, **look, **own("mean"), "rgb": bool(layer.rgb), "visible": True}
    behind = _stand_in(result.mean, layer, spatial_axes, factors, origin or {})
    tuples: list[LayerTuple] = [(as_scrolled(result.mean, behind), mean, "image")]

    is_interval = uncertainty == "interval"
    names = ("lower", "upper") if is_interval else (uncertainty,)
    maps = () if result.uncertainty is None else result.uncertainty if is_interval else (result.uncertainty,)
    for name, data in zip(names, maps, strict=False):
        if is_interval:
            looked_at = ("contrast_limits",) if layer.rgb else GREY_LOOK
            shown = {key: getattr(layer, key) for key in looked_at}
        else:
            limits = uncertainty_range or uncertainty_limits(data)
            shown = {"colormap": UNCERTAINTY_COLORMAP, "contrast_limits": limits}
        attributes = {**placement, **shown, **own(name), "rgb": False, "visible": False}
        if result.std is not None and result.std is not result.uncertainty:
            attributes["metadata"][STD_KEY] = as_scrolled(result.std)
        likeness = behind if is_interval and not layer.rgb else None
        tuples.append((as_scrolled(data, likeness), attributes, "image"))
    if result.samples is not None:
        there = _behind_samples(placement)
        attributes = {**look, **there, **own("samples"), "rgb": bool(layer.rgb), "visible": False}
        tuples.append((result.samples, attributes, "image"))
    return tuples


def as_scrolled(data: Any, stand_in: StandIn | None = None) -> Any:
    """Return pixels for a layer of a new result: where they are lazy, the window does not wait for them.

    Parameters
    ----------
    data : array
        The pixels.
    stand_in : StandIn, optional
        Shown until they are there; by default nothing is.
    """
    if not hasattr(data, "dask"):
        return data
    from napari_vaesr.plugin.viewer.scrolling import ScrolledArray

    return ScrolledArray.of(data, stand_in or Unknown())


def _stand_in(
    mean: Any, layer: napari.layers.Image, spatial_axes: str, factors: Factors, origin: Mapping[str, int]
) -> StandIn | None:
    """Return the source in the size of its mean, None where the two do not go together."""
    source = source_array(layer)
    if source.ndim != mean.ndim:
        return None
    colours = (1,) * (mean.ndim - len(spatial_axes))
    return StandIn(
        source,
        (*(factors.along(name) for name in spatial_axes), *colours),
        (*(origin.get(name, 0) for name in spatial_axes), *(0 for _ in colours)),
    )


def metadata(
    record: Mapping[str, Any], layer: napari.layers.Image, axes: str, role: str, identity: str
) -> dict[str, Any]:
    """Return metadata: the record, where the source came from, and what the layer is of the result.

    Parameters
    ----------
    record : mapping
        `Result.record`.
    layer : napari.layers.Image
        The source.
    axes : str
        Names of the axes of its pixels: fewer than the record's where it is one channel of a file.
    role : str
        ``"mean"``, ``"samples"``, or the kind of uncertainty.
    identity : str
        The same for all layers of one result, and for no others.
    """
    source = {
        "name": layer.name,
        "axes": axes,
        "path": layer.source.path,
        "sample": list(layer.source.sample) if layer.source.sample else None,
    }
    return {KEY: {**record, "source": source, "layer": {"role": role, "result": identity}}}


def _behind_samples(placement: Mapping[str, Any]) -> dict[str, Any]:
    """Place a layer that has one more axis, the first, along which its samples lie."""
    size = len(placement["scale"])
    square = {name: np.eye(size + 1) for name in ("rotate", "shear")}
    square["rotate"][1:, 1:] = placement["rotate"]
    square["shear"][1:, 1:] = shear_matrix(placement["shear"], size)
    affine = np.eye(size + 2)
    affine[1:, 1:] = placement["affine"]
    return {
        **square,
        "scale": [1.0, *placement["scale"]],
        "translate": [0.0, *placement["translate"]],
        "affine": affine,
        "units": ("pixel", *placement["units"]),
        "axis_labels": ("sample", *placement["axis_labels"]),
        "multiscale": False,
    }


def upscaled_place(
    layer: napari.layers.Image, spatial_axes: str, factors: Factors, origin: Mapping[str, int]
) -> dict[str, Any]:
    """Transform, units and axis labels of an upscaled layer: its corners fall on those of the source."""
    source = Placement(layer.scale, layer.translate, layer.rotate, layer.shear)
    first = {name: factors.made_of(name, range(at, at + 1)).start for name, at in origin.items()}
    nudged = [name for name, at in origin.items() if at and factors.along(name) % 2 == 0]
    start = source.to_world(
        [(first.get(name, 0) - NUDGE * (name in nudged)) / factors.along(name) for name in spatial_axes]
    )
    by_axis = {axis: factors.along(name) for axis, name in enumerate(spatial_axes)}
    upscaled = replace(source, translate=start).upscaled(by_axis)
    return {
        "scale": upscaled.scale,
        "translate": upscaled.translate,
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine.affine_matrix.copy(),  # it acts on top of the rest, so it stays as it is
        "units": layer.units,
        "axis_labels": layer.axis_labels,
        "multiscale": False,
    }


def same_place(layer: napari.layers.Image) -> dict[str, Any]:
    """Return the attributes that put another layer of the same size exactly over this one."""
    names = ("scale", "translate", "rotate", "shear", "units", "axis_labels")
    affine = layer.affine.affine_matrix.copy()
    return {**{name: getattr(layer, name) for name in names}, "affine": affine}


def insert_above(layers: Any, below: Any, layer: Any) -> None:
    """Insert a layer right above another, and leave chosen what is."""
    chosen = layers.selection.active
    layers.insert(layers.index(below) + 1, layer)
    layers.selection.active = chosen


def uncertainty_limits(uncertainty: Any) -> tuple[float, float]:
    """Contrast limits from 0 to the 99.8th percentile of a million pixels at most.

    Parameters
    ----------
    uncertainty : array
        In memory; see `lazy_uncertainty_limits` for one that is not computed yet.
    """
    sample = np.asarray(here_and_there(uncertainty, LOOKED_AT), dtype=float)
    sample = sample[np.isfinite(sample)]
    upper = float(np.percentile(sample, 99.8)) if sample.size else 0.0
    return (0.0, upper) if upper > 0 else (0.0, 1.0)


def lazy_uncertainty_limits(source_limits: Sequence[float], uncertainty: str) -> tuple[float, float]:
    """Contrast limits for an uncertainty that must not be computed now: a tenth of the source's range."""
    from napari_vaesr.engine.result import uncertainty_range

    spread = abs(float(source_limits[1]) - float(source_limits[0])) or 1.0
    return uncertainty_range(uncertainty, spread)


def upscale_layer(layer: napari.layers.Image, axes: str | None = None, **settings: Any) -> list[LayerTuple]:
    """Upscale a napari image layer; for scripts.

    Parameters
    ----------
    layer : napari.layers.Image
        Grey or colour, multiscale or not, in memory or lazy; it is not changed.
    axes : str, optional
        Names of the axes of the pixels, letters of ``TCZYX``; the ``S`` of a colour image may be left out.
        By default, the layer's axis labels are used.
    **settings
        As for `napari_vaesr.upscale`: ``model``, ``scale``, ``samples``, ``uncertainty``, ``extent``, ...

    Returns
    -------
    list of (array, dict, "image")
        The mean and, with two samples or more, the uncertainty, ready for ``viewer.add_layer`` through
        ``napari.layers.Layer.create(*layer_tuple)``.

    Raises
    ------
    VaesrError
        If the axes are not certain and not given, or anything that `napari_vaesr.upscale` refuses.

    Examples
    --------
    >>> for layer_tuple in upscale_layer(viewer.layers["nuclei"], axes="ZYX", samples=8):
    ...     viewer.add_layer(Layer.create(*layer_tuple))
    """
    from napari_vaesr.trust.upscale import upscale

    source = layer_as_source(layer, axes)
    axes = source.axes.names
    result = upscale(source.array, axes, **{"pixel_size": source.pixel_size, **settings})
    used, extent = result.made.settings, result.made.extent
    origin = {name: part.start for name, part in extent.items()}
    return layer_tuples(result, layer, axes, used.factors, used.uncertainty, origin)

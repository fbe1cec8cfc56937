"""Values along a line drawn over a result: the mean with its 90 % band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.arrays import Float64Array
from napari_vaesr.centres import to_source
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.colour import visible_luma
from napari_vaesr.imaging.region import Factors
from napari_vaesr.plugin.viewer.results import ShownResult
from napari_vaesr.plugin.viewer.sources import source_array, source_axes
from napari_vaesr.plugin.viewer.world import Units, to_shown_pixels, to_world

if TYPE_CHECKING:
    import napari.layers


LONGEST = 4096
"""Most points of a profile."""


@dataclass(frozen=True)
class Profile:
    """Values at evenly spaced points of a line.

    Attributes
    ----------
    distance : ndarray of shape (points,)
        From the line's start, in the unit of the viewer.
    mean, lower, upper : ndarray of shape (points,)
        In the image's intensity units; the band holds the truth in nine pixels of ten.
    unit : str
        Of the distance, as short as it is written, for example ``µm``.
    points : ndarray of shape (points, dimensions)
        Where they are, in pixels of the mean.
    """

    distance: Float64Array
    mean: Float64Array
    lower: Float64Array
    upper: Float64Array
    unit: str
    points: Float64Array


def line_of(shapes: napari.layers.Shapes | None, units: Units) -> Float64Array | None:
    """Return world positions, in these units, along the selected line or path, or else the last one."""
    if shapes is None:
        return None
    kinds = ("line", "path")
    lines = [number for number, kind in enumerate(shapes.shape_type) if kind in kinds]
    if not lines:
        return None
    chosen = max(shapes.selected_data & set(lines), default=lines[-1])
    return np.array([to_world(shapes, vertex, units) for vertex in shapes.data[chosen]])


def line_profile(
    result: ShownResult,
    corners: npt.ArrayLike,
    point: Sequence[float],
    displayed: Sequence[int],
    units: Units,
) -> Profile:
    """Read a result along a line, by linear interpolation.

    Parameters
    ----------
    result : ShownResult
        What to read. Only the box around the line is computed where it is lazy.
    corners : array of shape (corners, dimensions)
        World positions of the line's corners, along the last axes of the viewer.
    point : sequence of float
        World position of the plane on show.
    displayed : sequence of int
        Axes of the viewer that are on show: along the others the line lies in the plane on show.
    units : sequence of pint.Unit or None
        Of all positions, ``viewer.dims.units``.

    Raises
    ------
    VaesrError
        If the line does not touch the result.
    """
    drawn = np.atleast_2d(np.asarray(corners, dtype=float))
    whole = np.tile(np.asarray(point, dtype=float), (len(drawn), 1))
    missing = whole.shape[1] - drawn.shape[1]
    for axis in displayed:
        if axis >= missing:
            whole[:, axis] = drawn[:, axis - missing]
    own = [axis - (whole.shape[1] - result.mean.ndim) for axis in displayed]
    pixels = np.array([to_shown_pixels(result.mean, corner, units, own) for corner in whole])
    for axis in range(result.mean.ndim):  # a plane on show, not a place between two
        if np.ptp(pixels[:, axis]) == 0:
            pixels[:, axis] = np.round(pixels[:, axis])
    points, distance = _along(pixels, whole)
    size = np.array(source_array(result.uncertainty[0]).shape)
    inside = np.all((points > -0.5) & (points < size - 0.5), axis=1)
    if not inside.any():
        raise VaesrError(f"The line does not touch '{result.mean.name}' in the plane on show.")
    points, distance = points[inside], distance[inside]
    box, inner = _box_around(points)
    mean = _interpolated(result.luma(box), inner)
    half = _interpolated(result.std(box) * result.reach(box), inner)
    unit = (units or result.mean.units)[-1]
    return Profile(distance - distance[0], mean, mean - half, mean + half, f"{unit:~P}" or "px", points)


def source_along(result: ShownResult, source: napari.layers.Image, profile: Profile) -> Float64Array:
    """Read the source of a result at the points of a profile, by linear interpolation.

    Parameters
    ----------
    result : ShownResult
        Of which the profile is.
    source : napari.layers.Image
        Its source, wherever it lies by now; only the box around the line is computed where it is lazy.
    profile : Profile
        Where to read.

    Returns
    -------
    ndarray of shape (points,)
        Colours as their luma.
    """
    box, inner = _box_around(in_source(result, profile.points))
    values = np.asarray(source_array(source)[box])
    return _interpolated(visible_luma(values) if source.rgb else values, inner)


def _box_around(points: Float64Array) -> tuple[tuple[slice, ...], Float64Array]:
    """Return the box that holds all pixels around points (points, dimensions), and where these are in it."""
    lowest = np.floor(points.min(axis=0)).astype(int).clip(0)
    highest = np.maximum(lowest, np.ceil(points.max(axis=0)).astype(int))
    return tuple(slice(low, high + 1) for low, high in zip(lowest, highest, strict=True)), points - lowest


def _interpolated(pixels: Any, points: Float64Array) -> Float64Array:
    """Return the values of pixels at points, by linear interpolation."""
    from scipy.ndimage import map_coordinates

    values: Float64Array = map_coordinates(np.asarray(pixels, np.float64), points.T, order=1, mode="nearest")
    return values


def in_source(result: ShownResult, points: Float64Array) -> Float64Array:
    """Return where points (points, dimensions) of a result lie in its source, in pixels of both.

    As its record tells, for layers may have been moved since.
    """
    names, factors = source_axes(result.record).replace("S", ""), result.made.settings.factors
    by_axis = np.array([factors.along(name) for name in names])
    there: Float64Array = to_source(points, by_axis) + first_in_source(result.made.extent, factors, names)
    return there


def first_in_source(extent: Mapping[str, range], factors: Factors, names: str) -> Float64Array:
    """Return where the first pixel made of an extent begins, in source pixels."""
    return np.array([factors.made_of(name, extent[name]).start / factors.along(name) for name in names])


def _along(pixels: Float64Array, world: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return points of a line, about one per pixel, and their distance from its start in the world."""
    steps = np.linalg.norm(np.diff(pixels, axis=0), axis=1)
    lengths = np.linalg.norm(np.diff(world, axis=0), axis=1)
    at = np.concatenate([[0], np.cumsum(steps)])
    count = int(min(LONGEST, max(2, np.ceil(at[-1]) + 1)))
    places = np.linspace(0, at[-1], count)
    points = np.stack([np.interp(places, at, column) for column in pixels.T], axis=1)
    distance: Float64Array = np.interp(places, at, np.concatenate([[0], np.cumsum(lengths)]))
    return points, distance

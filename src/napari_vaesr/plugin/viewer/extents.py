"""Which part of a layer the user means: by what is on show, by a rectangle, or by ranges of indices.

Nothing here needs a window: a viewer is only asked for its dims, camera and canvas size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.plugin.viewer.sources import checked_axes, source_array
from napari_vaesr.plugin.viewer.world import Units, on_show, to_shown_pixels, to_world

if TYPE_CHECKING:
    import napari.layers
    from napari.components import ViewerModel

    from napari_vaesr.plugin.viewer.results import ShownResult

Planes = Literal["plane", "time", "range", "all"]
PlanePart = Literal["whole", "visible", "rectangle"]


def chosen_extent(
    viewer: ViewerModel,
    layer: napari.layers.Image,
    axes: str,
    planes: Planes = "plane",
    region: PlanePart = "whole",
    ranges: Mapping[str, tuple[int, int]] | None = None,
    shapes: napari.layers.Shapes | None = None,
) -> dict[str, range]:
    """Return the extent that a user chose, by axis letter, in pixels of the layer.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layer is looked at.
    layer : napari.layers.Image
        The source.
    axes : str
        Names of the axes of its pixels.
    planes : {"plane", "time", "range", "all"}
        The plane on show, all planes of the time point on show, those of `ranges`, or every plane.
    region : {"whole", "visible", "rectangle"}
        Of each plane, everything, what is on show, or what the rectangle holds.
    ranges : mapping of str to (int, int), optional
        First and last index by axis letter, both included.
    shapes : napari.layers.Shapes, optional
        Holds the rectangle: the shape that is selected, or else the last one.

    Raises
    ------
    VaesrError
        If the axes do not fit, or nothing of the layer is in view or in the rectangle.
    """
    names = checked_axes(layer, axes)
    named = Axes.parse(names, source_array(layer).shape)
    extent: dict[str, range] = {}
    if planes == "range":
        extent |= {
            name: range(first, last + 1)
            for name, (first, last) in (ranges or {}).items()
            if name in named.loop_names
        }
    elif planes != "all":
        here = plane_at(layer, names, viewer.dims.point, viewer.dims.units, on_show(viewer.dims, layer))
        wanted = "T" if planes == "time" else named.loop_names
        extent |= {name: range(here[name], here[name] + 1) for name in wanted if name in here}
    if region == "visible":
        extent |= visible_region(viewer, layer, names)
    elif region == "rectangle":
        extent |= rectangle_region(layer, names, shapes, viewer.dims.units, on_show(viewer.dims, layer))
    return extent


def within(extent: Mapping[str, range], result: ShownResult, axes: str) -> dict[str, range]:
    """Return what of an extent lies in the part of the source that a result was made of.

    Parameters
    ----------
    extent : mapping of str to range
        In pixels of the source, by axis letter; axes that are left out are whole.
    result : ShownResult
        Made of the source or of a part of it.
    axes : str
        Names of the axes of the source's pixels.

    Raises
    ------
    VaesrError
        If none of it does.
    """
    region = {letter: made for letter, made in result.made.region.items() if letter in axes}
    part = {**region, **extent}
    for letter in extent.keys() & region.keys():
        mine, made = extent[letter], region[letter]
        part[letter] = range(max(mine.start, made.start), min(mine.stop, made.stop))
        if not part[letter]:
            raise VaesrError(f"'{result.mean.name}' does not reach what is on show, please move to it.")
    return part


def plane_at(
    layer: napari.layers.Image,
    axes: str,
    point: Sequence[float],
    units: Units,
    displayed: Sequence[int] = (),
) -> dict[str, int]:
    """Find the plane of the layer at a world position, kept inside the layer.

    Parameters
    ----------
    layer : napari.layers.Image
        The source.
    axes : str
        Names of the axes of its pixels.
    point : sequence of float
        World coordinates along the viewer's axes, of which the last belong to the layer.
    units : sequence of pint.Unit or None
        Of `point`, ``viewer.dims.units``.
    displayed : sequence of int
        Axes of the layer that are on show.

    Returns
    -------
    dict of str to int
        Pixel index along every looped axis.
    """
    indices = to_shown_pixels(layer, point, units, displayed)
    return {
        name: int(min(max(round(float(index)), 0), length - 1))
        for name, index, length in zip(axes, indices, source_array(layer).shape, strict=False)
        if name not in "YXS"
    }


def visible_region(viewer: ViewerModel, layer: napari.layers.Image, axes: str) -> dict[str, range]:
    """Return the rows and columns of the layer that are on show: all of them in 3-D display.

    Raises
    ------
    VaesrError
        If none is.
    """
    if viewer.dims.ndisplay == 3:
        return {}
    size = np.array(viewer.canvas.size, dtype=float)
    if viewer.canvas.grid.enabled:
        size /= viewer.canvas.grid.actual_shape(viewer.layers)
    camera = viewer.scene.camera
    centre, half = np.array(camera.center[-2:]), size / camera.zoom / 2
    corners = np.tile(np.array(viewer.dims.point, dtype=float), (4, 1))
    corners[:, list(viewer.dims.displayed[-2:])] = [
        centre + half * signs for signs in product((-1, 1), repeat=2)
    ]
    outside = f"'{layer.name}' is not in view, please move to it."
    return _region(layer, axes, corners, viewer.dims.units, outside, on_show(viewer.dims, layer))


def rectangle_region(
    layer: napari.layers.Image,
    axes: str,
    shapes: napari.layers.Shapes | None,
    units: Units,
    displayed: Sequence[int],
) -> dict[str, range]:
    """Return the rows and columns of the layer that hold a shape.

    Raises
    ------
    VaesrError
        If there is no shape, or it lies beside the layer.
    """
    if shapes is None or not len(shapes.data):
        raise VaesrError("Draw a rectangle in a Shapes layer first, or choose another region.")
    chosen = max(shapes.selected_data, default=len(shapes.data) - 1)
    corners = np.array([to_world(shapes, vertex, units) for vertex in shapes.data[chosen]])
    outside = f"The rectangle does not touch '{layer.name}', please move it."
    return _region(layer, axes, corners, units, outside, displayed)


def _region(
    layer: napari.layers.Image,
    axes: str,
    corners: Any,
    units: Units,
    outside: str,
    displayed: Sequence[int],
) -> dict[str, range]:
    """Return the rows and columns around world positions; an axis along which they agree is whole."""
    indices = np.array([to_shown_pixels(layer, corner, units, displayed) for corner in corners])
    region = {}
    for axis, (name, length) in enumerate(zip(axes, source_array(layer).shape, strict=True)):
        if name not in "YX" or np.ptp(indices[:, axis]) == 0:
            continue
        lowest, highest = indices[:, axis].min(), indices[:, axis].max()
        # Pixel i reaches from i - 1/2 to i + 1/2; rounding must not add a pixel at the edge of one.
        start = max(0, int(np.floor(lowest + 0.5 + 1e-9)))
        stop = min(length, int(np.ceil(highest + 0.5 - 1e-9)))
        if start >= stop:
            raise VaesrError(outside)
        region[name] = range(start, stop)
    return region

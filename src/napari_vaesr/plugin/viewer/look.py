"""What of a result is on show: the source before, the mean after, or how sure the mean is.

Nothing here needs a window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from napari.layers import Image

from napari_vaesr.arrays import Float32Array
from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.viewer.layers import RELATIVE_KEY, insert_above, same_place, unique_name
from napari_vaesr.plugin.viewer.results import ShownResult, layer_with, results
from napari_vaesr.plugin.viewer.sources import likely_source, source_array, suggested_axes
from napari_vaesr.plugin.viewer.world import to_world
from napari_vaesr.trust.certainty import (
    TOPS,
    Certainty,
    certainty_of,
    nice_top,
    painted,
    relative_uncertainty,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

LOOKS = {"before": "Before", "after": "After", "certainty": "Certainty"}
"""What can be looked at, with its title."""

PATCH_PIXELS = 160
"""Result pixels across the smaller side of the window when a place is gone to, at least."""


def axes_of(result: ShownResult) -> str:
    """Return the axes of a result's maps."""
    told = str(result.record.get("source", {}).get("axes", "")).replace("S", "")
    return told if len(told) == result.mean.ndim else suggested_axes(result.mean).replace("S", "")


def relative_of(result: ShownResult) -> Float32Array:
    """Return the std over the contrast above background, smoothed; kept with the mean once computed.

    Raises
    ------
    VaesrError
        If the result is computed as one scrolls, so that there is no whole to look at.
    """
    metadata = result.mean.metadata
    if RELATIVE_KEY not in metadata:
        if hasattr(source_array(result.mean), "is_scrolled"):
            raise VaesrError(
                "This result is computed as you scroll: run it with Advanced, Compute, All at once "
                "to see how sure it is."
            )
        mean, std = (np.asarray(each) for each in (source_array(result.mean), result.std()))
        metadata[RELATIVE_KEY] = relative_uncertainty(mean, std, axes_of(result))
    relative: Float32Array = metadata[RELATIVE_KEY]
    return relative


def certainty_of_result(result: ShownResult) -> Certainty:
    """Say how sure a result is; raises as `relative_of`."""
    return certainty_of(relative_of(result), axes_of(result))


def top_of(result: ShownResult) -> float:
    """Return the relative uncertainty where the colours of the joint map end."""
    known = result.mean.metadata.get(RELATIVE_KEY)
    return TOPS[-1] if known is None else nice_top(known)


def joint_layer(layers: Any, result: ShownResult) -> Image:
    """Return the layer with the joint map of a result, which is made when it is first asked for.

    Parameters
    ----------
    layers : LayerList
        Of the viewer; a new one is put right above the mean.
    result : ShownResult
        What to show.

    Returns
    -------
    napari.layers.Image
        Colour, exactly over the mean, hidden at first.

    Raises
    ------
    VaesrError
        As `relative_of`.
    """
    there: Image | None = layer_with(layers, result, "certainty")
    if there is not None:
        return there
    relative = relative_of(result)
    picture = painted(np.asarray(result.luma()), relative, axes_of(result), nice_top(relative))
    return add_joint(layers, result, picture, visible=False)


def add_joint(layers: Any, result: ShownResult, picture: Any, **place: Any) -> Image:
    """Put the joint map of a result, or of a part of it, right above the mean, and leave chosen what is."""
    made = Image(
        picture,
        **{**same_place(result.mean), **place},
        name=unique_name(f"{result.name} certainty", [each.name for each in layers]),
        rgb=True,
        metadata=result.metadata("certainty"),
    )
    insert_above(layers, result.mean, made)
    return made


def show_look(layers: Any, result: ShownResult, source: Layer | None, look: str) -> None:
    """Show one of the `LOOKS` of a result and hide what would cover it.

    Raises
    ------
    VaesrError
        As `relative_of`, and for *before* when the source is gone.
    """
    if look == "before" and source is None:
        raise VaesrError(f"The source '{result.record['source']['name']}' is no longer there.")
    joint = joint_layer(layers, result) if look == "certainty" else layer_with(layers, result, "certainty")
    for layer in result.uncertainty:
        layer.visible = False
    if joint is not None:
        joint.visible = look == "certainty"
    result.mean.visible = look == "after"
    if source is not None:
        # A channel of a composite would be added to its own mean; elsewhere it just lies below.
        source.visible = look == "before" or (look == "after" and source.blending != "additive")


def look_of(layers: Any, result: ShownResult) -> str:
    """Return which of the `LOOKS` of a result is on show."""
    joint = layer_with(layers, result, "certainty")
    if joint is not None and joint.visible:
        return "certainty"
    return "after" if result.mean.visible else "before"


def source_in(layers: Any, result: ShownResult) -> Layer | None:
    """Return the source of a result, as noted or else by its name, or None where it is gone or is another."""
    return cast("Layer | None", likely_source(result.record, layers))


def result_with(layers: Any, mean: Layer) -> ShownResult | None:
    """Return the result that a mean is of, if its uncertainty is there too."""
    return next((each for each in results(layers) if each.mean is mean), None)


def go_to(viewer: ViewerModel, result: ShownResult, place: dict[str, int]) -> None:
    """Move the viewer to a place of a result, so that a patch around it is seen closely.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    result : ShownResult
        Whose pixels the place counts.
    place : dict of str to int
        As in `Certainty`.
    """
    index = [place.get(name, 0) for name in axes_of(result)]
    there = to_world(result.mean, index, viewer.dims.units)
    point = np.array(viewer.dims.point, dtype=float)
    point[-len(there) :] = there
    viewer.dims.point = point
    shown = list(viewer.dims.displayed)
    camera = viewer.scene.camera
    camera.center = point[shown] if len(shown) == 3 else (0.0, *point[shown])
    next_to = to_world(result.mean, [*index[:-1], index[-1] + 1], viewer.dims.units)
    pixel = float(np.linalg.norm(next_to - there))
    camera.zoom = max(camera.zoom, min(viewer.canvas.size) / (PATCH_PIXELS * pixel))


def place_on_sliders(viewer: ViewerModel, result: ShownResult, place: dict[str, int]) -> dict[str, int]:
    """Return a place of a result with its planes counted as the sliders of the viewer count them.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    result : ShownResult
        Whose pixels the place counts.
    place : dict of str to int
        As in `Certainty`; rows and columns stay those of the result.
    """
    axes, dims = axes_of(result), viewer.dims
    there = to_world(result.mean, [place.get(name, 0) for name in axes], dims.units)
    counted = dict(place)
    for axis, name in enumerate(axes):
        start, _, step = dims.range[axis + dims.ndim - len(axes)]
        if name not in "YX" and step:
            counted[name] = round((float(there[axis]) - start) / step)
    return counted

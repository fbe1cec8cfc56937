"""Whether an image is like those that a model learnt from, told by how it looks.

A model's card holds how its training inputs look, and a few small classifiers that tell these from other
images: noise alone, drawings, masks, photographs, and training inputs that were sharpened, deconvolved,
compressed or enlarged; `napari_vaesr.training.input_statistics` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_vaesr.arrays import Array, Float64Array
from napari_vaesr.imaging.axes import Source
from napari_vaesr.imaging.colour import visible_luma
from napari_vaesr.imaging.region import Region
from napari_vaesr.imaging.sampling import evenly_spaced, middle_of
from napari_vaesr.trust.features import SIDE, features
from napari_vaesr.zoo.card import InputStatistics
from napari_vaesr.zoo.registry import Model

if TYPE_CHECKING:
    from napari_vaesr.engine.job import UpscaleJob


PLANES = 3
"""Planes of a stack that are looked at, evenly spaced."""

REACH = 6.0
"""Standard deviations beyond which a feature counts as this far off."""

OTHERS = {"microscopy": "a photograph", "photographs": "a micrograph"}
"""What else an image may be, by what a model is for."""


def strangeness(plane: Array, inputs: Sequence[InputStatistics]) -> float:
    """Return how unlike the training inputs a plane is: above 0 it is, below it is not.

    Parameters
    ----------
    plane : array of shape (Y, X)
        Intensities in any unit.
    inputs : sequence of InputStatistics
        Of a model, and of the one that it was fine-tuned from: what is like either is not strange.

    Returns
    -------
    float
        Minus infinity where the plane is too small to tell, has no contrast, or other numbers were learnt
        from than are known now.
    """
    look = features(plane)
    if look is None or not inputs or any(look.size != len(each.centre) for each in inputs):
        return -np.inf
    return min(float(scores(look[None], each)[0]) - each.limit for each in inputs)


def scores(looks: Array, statistics: InputStatistics) -> Float64Array:
    """Return the mean score of the classifiers, before the limit.

    Parameters
    ----------
    looks : array of shape (N, features)
        See `napari_vaesr.trust.features`.
    statistics : InputStatistics
        Of a model's card.

    Returns
    -------
    float64 array of shape (N,)
    """
    inputs = standard(looks, np.array(statistics.centre), np.array(statistics.scale))
    found = []
    for member in statistics.members:
        hidden, output = np.array(member.hidden), np.array(member.output)
        found.append(np.tanh(inputs @ hidden[:, :-1].T + hidden[:, -1]) @ output[:-1] + output[-1])
    mean: Float64Array = np.mean(found, axis=0)
    return mean


def standard(looks: Array, centre: Array, scale: Array) -> Float64Array:
    """Bring looks to what classifiers take: distances from the middle of the training inputs.

    Parameters
    ----------
    looks : array of shape (..., features)
        See `napari_vaesr.trust.features`.
    centre, scale : array of shape (features,)
        Middle and width of those of the training inputs.

    Returns
    -------
    float64 array of the shape of `looks`
        Within `REACH` of 0.
    """
    distances: Float64Array = np.clip((looks - centre) / scale, -REACH, REACH)
    return distances


def unlike(source: Source, model: Model, region: Mapping[str, range] | None = None) -> str:
    """Say in a sentence that an image is unlike what a model learnt from; empty where it is not, or unknown.

    At most three planes of the part are looked at, the middle of each.

    Parameters
    ----------
    source : Source
        The image.
    model : Model
        Its card may hold statistics of its training inputs.
    region : mapping of str to range, optional
        The part that is upscaled.
    """
    inputs = model.card.inputs
    if not inputs:
        return ""
    axes = source.axes
    part = Region(region or {}).of(axes.lengths)
    numbers = axes.planes_of(part)
    middle = part.changed({name: middle_of(part[name], SIDE) for name in axes.plane}).slices
    found = []
    for place in evenly_spaced(len(numbers), PLANES):
        plane = axes.read_plane(source.array, numbers[place], *(middle[name] for name in axes.plane))
        if plane.ndim == 3:
            plane = visible_luma(plane)
        if np.isfinite(plane).all():
            found.append(strangeness(plane, inputs))
    if not found or float(np.median(found)) <= 0:
        return ""
    return (
        f"This image is unlike those that the model {model.card.name} learnt from: it may be noise alone, a "
        f"drawing, a mask or {OTHERS[inputs[0].subject]}, or sharpened, compressed or enlarged already. "
        "Check the result, or give the image as it was recorded."
    )


def note_unlike(job: UpscaleJob) -> str:
    """Note `unlike` of what a job upscales among its messages, where there is something to say; return it."""
    strange = unlike(job.source, job.model, job.region)
    if strange:
        job.messages.append(strange)
    return strange

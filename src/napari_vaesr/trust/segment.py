"""Objects in an image: by a threshold, by labels that are given, or by any function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.errors import VaesrError

Array = npt.NDArray[Any]
Labels = npt.NDArray[np.int32]

METHODS = ("otsu", "li", "triangle")
"""Ways to find a threshold."""


COUNTED = 4_000_000
"""Pairs of objects up to which pixels are counted for each pair, which is faster than to sort them."""


@dataclass(frozen=True)
class Threshold:
    """Objects are what is brighter than a threshold, connected by their corners too.

    Attributes
    ----------
    method : {"otsu", "li", "triangle"} or float
        How the threshold is found, anew in every image; or the intensity itself.
    smoothing : float
        Standard deviation of a Gaussian before, in pixels of the image; 0 for none.
    smallest : int
        Objects of fewer pixels are left out.
    split : float
        Least distance in pixels between the middles of two objects: touching ones are split by a watershed.
        0 splits none.
    """

    method: str | float = "otsu"
    smoothing: float = 1.0
    smallest: int = 16
    split: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.method, str) and self.method not in METHODS:
            raise VaesrError(
                f"There is no threshold {self.method!r}, please choose from {', '.join(METHODS)} "
                "or give an intensity."
            )
        if min(self.smoothing, self.smallest, self.split) < 0:
            raise VaesrError("Smoothing, smallest and split can't be negative, please use 0 for none.")

    def __call__(self, image: Array) -> Labels:
        """Return the labels of the objects of an image, (Y, X) or (Z, Y, X); 0 is the background."""
        from scipy import ndimage
        from skimage import filters, measure

        image = image.astype(np.float32)
        if self.smoothing:
            image = ndimage.gaussian_filter(image, self.smoothing)
        if isinstance(self.method, str):
            flat = image.min() == image.max()
            find = getattr(filters, f"threshold_{self.method}")
            level = image.max() if flat else find(image)
        else:
            level = self.method
        labels = measure.label(image > level, connectivity=image.ndim)  # type: ignore[no-untyped-call]
        if self.split:
            labels = _split(labels > 0, labels, self.split)
        if self.smallest > 1:
            sizes = np.bincount(labels.ravel())
            kept = sizes >= self.smallest
            kept[0] = False
            labels = (np.cumsum(kept) * kept)[labels]
        return np.asarray(labels, np.int32)


def _split(mask: npt.NDArray[np.bool_], labels: Array, distance: float) -> Array:
    """Split objects by a watershed of the distance to their border."""
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1.0)
    middles = peak_local_max(depth, min_distance=max(1, round(distance)), labels=labels, exclude_border=False)  # type: ignore[no-untyped-call]
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(middles.T)] = np.arange(1, len(middles) + 1)
    return np.asarray(watershed(-depth, seeds, mask=mask))  # type: ignore[no-untyped-call]


Segment = Threshold | str | float | Array | Callable[[Array], Array]
"""What `as_segmentation` understands."""


def as_segmentation(segment: Any) -> Callable[[Array], Labels]:
    """Return a function from an image to its labels.

    Parameters
    ----------
    segment : Threshold, str, float or callable
        A threshold, the name of one or an intensity; or a function from an image, (Y, X) or (Z, Y, X), to
        labels of that shape, integers with 0 for the background.

    Raises
    ------
    VaesrError
        When it is none of these. The function raises it when labels have another shape or are no integers.
    """
    if isinstance(segment, str | float | int) and not isinstance(segment, bool):
        return Threshold(segment if isinstance(segment, str) else float(segment))
    if not callable(segment):
        raise VaesrError(
            "Objects are found by a threshold (otsu, li, triangle or an intensity), by labels, "
            f"or by a function from an image to labels, please give one of these instead of {segment!r}."
        )

    def checked(image: Array) -> Labels:
        return checked_labels(segment(image), image.shape)

    return checked


def checked_labels(labels: Any, shape: tuple[int, ...]) -> Labels:
    """Return labels as they are counted in, or refuse them.

    Raises
    ------
    VaesrError
        When they have another shape, are no integers or negative.
    """
    array = np.asarray(labels)
    if array.shape != shape:
        raise VaesrError(f"Labels of shape {array.shape} do not fit an image of shape {shape}, give others.")
    if array.dtype.kind == "b":
        from skimage import measure

        array = measure.label(array, connectivity=array.ndim)  # type: ignore[no-untyped-call]
    if array.dtype.kind not in "iu" or array.min(initial=0) < 0 or array.max(initial=0) > 2**31 - 1:
        raise VaesrError("Labels are whole numbers from 0, the background, please convert them.")
    return array.astype(np.int32)


def matched(reference: Labels, labels: Labels, overlap: float) -> dict[int, int]:
    """Find again the objects of one segmentation in another of the same field.

    Two objects are the same when each is the one that the other shares the most pixels with, and these are at
    least a part `overlap` of the pixels of both together (intersection over union).

    Returns
    -------
    dict of int to int
        Label in `labels` by label in `reference`, for those that were found.
    """
    both = (reference > 0) & (labels > 0)
    width = int(labels.max(initial=0)) + 1
    codes = reference[both].astype(np.int64) * width + labels[both]
    if (int(reference.max(initial=0)) + 1) * width <= COUNTED:
        counts = np.bincount(codes)
        pairs = np.flatnonzero(counts)
        shared = counts[pairs]
    else:
        pairs, shared = np.unique(codes, return_counts=True)
    ours, theirs = pairs // width, pairs % width
    sizes, other_sizes = np.bincount(reference.ravel()), np.bincount(labels.ravel())
    most = np.zeros(sizes.size, np.int64)
    other_most = np.zeros(other_sizes.size, np.int64)
    np.maximum.at(most, ours, shared)
    np.maximum.at(other_most, theirs, shared)
    union = sizes[ours] + other_sizes[theirs] - shared
    same = (shared == most[ours]) & (shared == other_most[theirs]) & (shared >= overlap * union)
    return {int(one): int(other) for one, other in zip(ours[same], theirs[same], strict=True)}

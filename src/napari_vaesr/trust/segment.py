"""Objects in an image: by a threshold, by labels that are given, or by any function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.arrays import Array
from napari_vaesr.errors import VaesrError

Labels = npt.NDArray[np.int32]

METHODS = ("otsu", "li", "triangle")
"""Ways to find a threshold."""


CACHED = 32_768
"""Pixels that are smoothed at a time."""

STEPS = 1024
"""Steps of float32 within which an image is flat: a threshold is found in a histogram of 256 parts."""

COUNTED = 4_000_000
"""Pairs of objects up to which pixels are counted for each pair, which is faster than to sort them."""

LARGEST = 2**31 - 1
"""Number of an object."""


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
        numbers = [each for each in (self.method, self.smoothing, self.split) if not isinstance(each, str)]
        if not np.isfinite(numbers).all():
            raise VaesrError("Threshold, smoothing and split are finite numbers, please correct them.")
        if min(self.smoothing, self.smallest, self.split) < 0:
            raise VaesrError("Smoothing, smallest and split can't be negative, please use 0 for none.")

    def __call__(self, image: Array) -> Labels:
        """Return the labels of the objects of an image, (Y, X) or (Z, Y, X); 0 is the background."""
        from skimage import measure

        image = image.astype(np.float32)
        if self.smoothing:
            image = smoothed(image, self.smoothing)
        level = _level(image, self.method) if isinstance(self.method, str) else self.method
        mask = image > level
        labels = np.asarray(measure.label(mask, connectivity=image.ndim), np.int32)  # type: ignore[no-untyped-call]
        if self.split:
            labels = np.asarray(_split(mask, labels, self.split), np.int32)
        if self.smallest > 1:
            places = np.flatnonzero(mask)
            which = labels.ravel()[places]
            kept = np.bincount(which) >= self.smallest
            kept[:1] = False
            labels.ravel()[places] = (np.cumsum(kept) * kept)[which]
        return labels


def _level(image: Array, method: str) -> float:
    """Return the threshold of an image; a flat one has nothing above it."""
    from skimage import filters

    least, greatest = image.min(), image.max()
    if greatest - least <= STEPS * np.spacing(max(abs(least), abs(greatest))):
        return float(greatest)
    return float(getattr(filters, f"threshold_{method}")(image))


def smoothed(image: Array, sigma: float) -> Array:
    """Return an image smoothed by a Gaussian, as SciPy's ``gaussian_filter`` does, in a third of the time.

    Rows are taken a few at a time, so that what is added up stays in the processor's cache.

    Parameters
    ----------
    image : ndarray of float32
        Of any number of axes, mirrored at its borders.
    sigma : float
        Standard deviation in pixels.
    """
    reach = int(4 * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(reach + 1) / sigma) ** 2)
    weights = (weights / (2 * weights.sum() - 1)).astype(image.dtype)
    rows = max(1, CACHED // max(1, image[:1].size))
    for axis in range(image.ndim):
        margins = [(reach, reach) if each == axis else (0, 0) for each in range(image.ndim)]
        padded = np.pad(image, margins, mode="symmetric")
        shifted = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis)
        image = np.empty_like(image)
        for start in range(0, len(image), rows):
            part, total = shifted[start : start + rows], image[start : start + rows]
            np.multiply(part[..., reach], weights[0], out=total)
            for step in range(1, reach + 1):
                pair = part[..., reach - step] + part[..., reach + step]
                pair *= weights[step]
                total += pair
    return image


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

    Parameters
    ----------
    labels : array
        Numbers of objects; a mask is split into what hangs together.
    shape : tuple of int
        Of the image.

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
    if array.dtype.kind not in "iu" or array.min(initial=0) < 0 or array.max(initial=0) > LARGEST:
        raise VaesrError(
            f"Labels are whole numbers from 0, the background, to {LARGEST}, please convert them."
        )
    return array.astype(np.int32)


def matched(reference: Labels, labels: Labels, overlap: float) -> dict[int, int]:
    """Find again the objects of one segmentation in another of the same field.

    Two objects are the same when each is the one that the other shares the most pixels with, and these are at
    least a part `overlap` of the pixels of both together (intersection over union).

    Parameters
    ----------
    reference, labels : integer array
        Of one shape; 0 is the background.
    overlap : float
        Above 0, up to 1.

    Returns
    -------
    dict of int to int
        Label in `labels` by label in `reference`, for those that were found.
    """
    (own, reference), (other_own, labels) = without_gaps(reference), without_gaps(labels)
    mine, others = _foreground(reference), _foreground(labels)
    sizes, other_sizes = (np.bincount(each.ravel()[at]) for each, at in ((reference, mine), (labels, others)))
    width = max(1, other_sizes.size)
    codes = reference.ravel()[mine].astype(np.int64) * width + labels.ravel()[mine]
    if sizes.size * width <= COUNTED:
        counts = np.bincount(codes)
        pairs = np.flatnonzero(counts)
        shared = counts[pairs]
    else:
        pairs, shared = np.unique(codes, return_counts=True)
    ours, theirs = pairs // width, pairs % width
    ours, theirs, shared = ours[theirs > 0], theirs[theirs > 0], shared[theirs > 0]
    most = np.zeros(sizes.size, np.int64)
    other_most = np.zeros(other_sizes.size, np.int64)
    np.maximum.at(most, ours, shared)
    np.maximum.at(other_most, theirs, shared)
    union = sizes[ours] + other_sizes[theirs] - shared
    same = (shared == most[ours]) & (shared == other_most[theirs]) & (shared >= overlap * union)
    found = zip(own[ours[same]], other_own[theirs[same]], strict=True)
    return {int(one): int(other) for one, other in found}


def without_gaps(labels: Array) -> tuple[Array, Array]:
    """Return the number that an object had by the one that it has now, and labels of the latter.

    What counts by number has room for all up to the largest: those in the thousands of millions, as some
    programs give them, are numbered anew. Others stay.
    """
    largest = int(labels.max(initial=0))
    if largest <= max(labels.size, COUNTED):
        return np.arange(largest + 1), labels
    own, dense = np.unique(np.append(labels.ravel(), 0), return_inverse=True)
    return own, dense[:-1].reshape(labels.shape).astype(np.int32)


def _foreground(labels: Labels) -> npt.NDArray[np.intp]:
    """Return the flat indices of what is no background; faster so than of the labels themselves."""
    return np.flatnonzero(labels != 0)

"""Errors that all of an image shares, which samples do not tell: of its contrast, its sharpness, its edges.

Samples differ from place to place, so over many objects their differences average out. What a network does
wrong in the same way everywhere does not: it leaves a little blur or takes too much, dims what is bright, or
moves all edges outwards. On images whose truth is known, errors are a part of each pattern of `patterns`, and
how these parts vary from image to image is on the model's card (`Calibration.shared`). Who measures adds as
much to every sample, drawn once for all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_vaesr.arrays import Array, Float64Array
from napari_vaesr.engine.assembly import scratch
from napari_vaesr.engine.draws import Field
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.record import Record
from napari_vaesr.engine.result import Result
from napari_vaesr.imaging.region import Factors
from napari_vaesr.pairs.images import as_dtype
from napari_vaesr.zoo.calibration import NORMAL_INTERVAL, SHARED_KINDS, Covariance

BLUR, EDGE = 0.7, 0.5
"""Standard deviations, in input pixels, of the Gaussian whose details are sharpness, and of that whose
gradient shows edges."""

ENOUGH = 48
"""Images from which a covariance is estimated at the least, where there are so many."""

LEVEL = 0.9
"""Share of the images whose parts a normal distribution of the covariance is to hold."""


@dataclass(frozen=True)
class Shares:
    """How much of each pattern there is in the error of one image, and in its samples.

    Attributes
    ----------
    wrong : array of shape (kinds,)
        Parts of the patterns that make up the truth minus the mean, by least squares.
    said : array of shape (kinds, kinds)
        Covariance of the same of samples minus their mean.
    """

    wrong: Float64Array
    said: Float64Array


def patterns(mean: Array, axes: str, factors: Factors) -> Array:
    """Return what contrast, sharpness and the place of edges change in an image.

    Parameters
    ----------
    mean : ndarray
        An upscaled image, without colours.
    axes : str
        A letter for each of its axes.
    factors : Factors
        How many times more pixels it has; along other axes pixels are left alone.

    Returns
    -------
    float32 array of shape (kinds, *shape)
        Its distance from its average; what a Gaussian takes away; and its steepness per pixel, which moves
        edges outwards. All are in the unit of the image, and change with its intensities as it does.
    """
    from scipy.ndimage import gaussian_filter

    image = mean.astype(np.float32)
    made = [float(factors.along(name)) for name in axes]
    wide, fine = ([size * factor if factor > 1 else 0.0 for factor in made] for size in (BLUR, EDGE))
    found = scratch((SHARED_KINDS, *image.shape), np.float32)
    contrast, sharpness, edges = found
    np.subtract(image, image.mean(dtype=np.float64), out=contrast)
    np.subtract(image, gaussian_filter(image, wide), out=sharpness)
    for axis, factor in enumerate(made):
        if factor > 1:
            order = [int(each == axis) for each in range(image.ndim)]
            edges += gaussian_filter(image, fine, order) ** 2
    np.sqrt(edges, out=edges)
    return found


def shares_of(mean: Array, truth: Array, apart: Array | None, factors: Factors, axes: str = "YX") -> Shares:
    """Find how much of each pattern there is in an error.

    Parameters
    ----------
    mean, truth : array
        Of one shape and unit.
    apart : array of shape (samples, *shape) or None
        Samples minus their mean, two or more; None where they are not known and say nothing.
    factors, axes
        See `patterns`.
    """
    known = patterns(mean, axes, factors).reshape(SHARED_KINDS, -1).T.astype(np.float64)
    parts = np.linalg.pinv(known, rcond=1e-6)
    wrong = parts @ (truth.astype(np.float64) - mean).ravel()
    if apart is None:
        return Shares(wrong, np.zeros((SHARED_KINDS, SHARED_KINDS)))
    said = np.cov(parts @ apart.reshape(len(apart), -1).T.astype(np.float64))
    return Shares(wrong, said)


def fit_shared(found: Sequence[Shares]) -> Covariance:
    """Return the covariance of shared errors beyond what samples say of them.

    A normal distribution of it holds nine tenths of the images for each kind, however far off the rest are.
    The mean counts as spread: no image is corrected.

    Parameters
    ----------
    found : sequence of Shares
        Of one image or more.
    """
    wrong = np.stack([each.wrong for each in found])
    widths = np.maximum(np.quantile(np.abs(wrong), LEVEL, axis=0) / NORMAL_INTERVAL, 1e-12)
    clipped = np.clip(wrong / widths, -2, 2)
    alike = clipped.T @ clipped
    own = np.sqrt(np.maximum(np.diag(alike), 1e-12))
    total = alike / np.outer(own, own) * np.outer(widths, widths)
    # Medians, for a few images without structure say anything.
    beyond = total - np.median([each.said for each in found], axis=0)
    values, vectors = np.linalg.eigh((beyond + beyond.T) / 2)
    fitted = vectors * np.maximum(values, 0) @ vectors.T
    fitted = (fitted + fitted.T) / 2
    return tuple(tuple(float(f"{value:.6g}") for value in row) for row in fitted)


@dataclass(frozen=True)
class SharedErrors:
    """Adds errors that all of an image shares to the samples of its fields.

    Attributes
    ----------
    covariances : tuple of Covariance
        One for each channel of the image.
    factors : Factors
        How it was upscaled.
    seed : int
        Of what is drawn.
    """

    covariances: tuple[Covariance, ...]
    factors: Factors
    seed: int

    @classmethod
    def of(cls, source: Any) -> SharedErrors | None:
        """Return those of what is measured, as its calibration tells them; None where it does not.

        Parameters
        ----------
        source : UpscaleJob, Result, Record or other
            Samples alone tell nothing.
        """
        if isinstance(source, UpscaleJob):
            source = source.record()
        elif isinstance(source, Result):
            source = source.made
        if not isinstance(source, Record):
            return None
        last = source.calibration[-len(source.intensity) :]  # the passes before it are corrected by it, too
        known = tuple(each.shared for each in last if each.shared is not None)
        if not known or len(known) < len(last):
            return None
        return cls(known, source.settings.factors, source.settings.seed)

    def __call__(self, field: Field) -> Field:
        """Return a field whose samples have shared errors as well; the mean stays."""
        samples = self.added(field.mean, field.samples, field.axes, field.place.get("C", 0))
        return replace(field, samples=samples)

    def added(self, mean: Array, samples: Sequence[Array], axes: str, channel: int) -> Sequence[Array]:
        """Return samples with shared errors, each made when it is asked for.

        Parameters
        ----------
        mean : ndarray
            Their mean.
        samples : sequence of ndarray
            Of the same shape.
        axes : str
            A letter for each axis of `mean`.
        channel : int
            Of the image.
        """
        channel = channel if len(self.covariances) > 1 else 0
        values, vectors = np.linalg.eigh(np.array(self.covariances[channel]))
        # The one root that has no signs to choose.
        root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
        parts = drawn(len(samples), self.seed) @ root
        return _Added(samples, patterns(mean, axes, self.factors), parts.astype(np.float32))


def drawn(count: int, seed: int) -> Float64Array:
    """Draw normal numbers of mean 0 and, of eight or more, covariance 1, the same for the same seed.

    Parameters
    ----------
    count : int
        How many; they come in pairs of opposites, as samples do.
    seed : int
        Any integer.

    Returns
    -------
    array of shape (count, kinds)
    """
    pairs = (count + 1) // 2
    normal = np.random.default_rng([seed % 2**64, SHARED_KINDS]).standard_normal((pairs, SHARED_KINDS))
    if pairs > SHARED_KINDS:
        normal = np.linalg.qr(normal)[0] * np.sqrt(pairs)
    both = np.stack([normal, -normal], axis=1).reshape(-1, SHARED_KINDS)[:count]
    balanced: Float64Array = both - both.mean(axis=0)
    return balanced


class _Added(Sequence[Array]):
    """Samples with their parts of the patterns, one at a time."""

    def __init__(self, samples: Sequence[Array], known: Array, parts: Array) -> None:
        self._samples, self._known, self._parts = samples, known, parts

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, number):  # type: ignore[no-untyped-def]
        sample = self._samples[number]
        image = sample.astype(np.float32)
        for part, pattern in zip(self._parts[number], self._known, strict=True):
            image += part * pattern
        return as_dtype(sample.dtype, image)

"""How sure a result is, at a glance: the joint map, its colours, and one plain sentence.

A std alone looks like the image again, for bright places differ more. What tells is the std over the contrast
that a place has above the background, averaged over a few pixels. Everything here takes arrays in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.arrays import Array, Float32Array
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.colour import visible_luma
from napari_vaesr.imaging.sampling import here_and_there
from napari_vaesr.trust.percent import percent

SMOOTHING = 2.0
"""Standard deviation in result pixels of the Gaussian that mean and variance are averaged with."""

LEAST_CONTRAST = 0.2
"""Part of the image's whole contrast that every place counts as having: in the background a std is not
compared with nothing."""

TOLERANCE = 0.1
"""Relative uncertainty up to which a place counts as sure."""

PATCH = 8.0
"""Smoothing, in result pixels, when the least sure place is looked for: a patch, not a pixel."""

TOPS = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Relative uncertainties at which a scale of colours may end."""

SURE, BETWEEN, UNSURE = (0.29, 0.7, 1.0), (0.62, 0.62, 0.60), (1.0, 0.51, 0.12)
"""Colours of certainty: blue, grey and orange of the same luma, told apart in every kind of colour vision."""

GAMMA = 0.75
"""Of the brightness, so that colours can be told in dim places too."""

SAMPLED = 1_000_000
"""Pixels at most that contrast is measured on."""


@dataclass(frozen=True)
class Contrast:
    """What the grey levels of a channel span.

    Attributes
    ----------
    background : float
        The most frequent level.
    span : float
        From the background to the farther end of the image, the 0.2 or the 99.8 percentile; above zero.
    low, high : float
        These percentiles.
    """

    background: float
    span: float
    low: float
    high: float


@dataclass(frozen=True)
class Certainty:
    """How sure a result is in all.

    Attributes
    ----------
    share : float
        Part of the pixels whose relative uncertainty is at most `tolerance`.
    tolerance : float
        Standard deviation over the contrast above background.
    place : dict of str to int
        The least sure place, a pixel of the result by axis letter; by number along axes without one.
    there : float
        The relative uncertainty of the patch there.
    """

    share: float
    tolerance: float
    place: dict[str, int]
    there: float

    @property
    def sentence(self) -> str:
        """The same in words; places are counted from 0, as in the viewer."""
        return self.told_of("the image")

    def told_of(self, what: str) -> str:
        """Say it of something else, such as ``"this plane"``."""
        names = {"T": "time", "C": "channel", "Z": "plane", "Y": "row", "X": "column"}
        where = ", ".join(f"{names.get(name, f'axis {name} at')} {at}" for name, at in self.place.items())
        return (
            f"{percent(self.share)} of {what} is sure to within {percent(self.tolerance)} of its "
            f"contrast; least sure: ± {percent(self.there)} at {where}."
        )


def contrast_of(mean: Array) -> Contrast:
    """Find the background of a channel, bright or dark, and how far its grey levels reach from it.

    Parameters
    ----------
    mean : array
        Grey levels of any shape.
    """
    levels = np.asarray(here_and_there(mean, SAMPLED), np.float64).ravel()
    low, high = (float(level) for level in np.percentile(levels, (0.2, 99.8)))
    if not high > low:
        return Contrast(low, max(abs(low), 1.0), low, high)
    counts, edges = np.histogram(levels, 128, (low, high))
    smooth = np.convolve(np.pad(counts, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    fullest = int(np.argmax(smooth))
    background = float(edges[fullest] + edges[fullest + 1]) / 2
    return Contrast(background, max(high - background, background - low), low, high)


def relative_uncertainty(mean: Array, std: Array, axes: str | None = None) -> Float32Array:
    """Return the std over the contrast above background, both averaged over a few pixels.

    Parameters
    ----------
    mean : array
        Of a result; colours, if any, along a last axis.
    std : array
        Of the same shape, without the colours.
    axes : str, optional
        One letter of ``TCZYX`` per axis of `std`; by default the last two are Y and X. Channels are looked
        at one by one.

    Returns
    -------
    array
        Float32, of the shape of `std`. 0.1 means that the samples differ by a tenth of the contrast.

    Raises
    ------
    VaesrError
        When the shapes do not fit each other or the axes.
    """
    mean, std, names = _checked(mean, std, axes)
    relative = np.empty(std.shape, np.float32)
    for part in _channels(std.shape, names):
        contrast = contrast_of(mean[part])
        for plane in _planes(std.shape, names, part):
            relative[plane] = _relative(mean[plane], std[plane], contrast, SMOOTHING)
    return relative


def joint_map(
    mean: Array, std: Array, axes: str | None = None, *, top: float | None = None
) -> npt.NDArray[np.uint8]:
    """Return mean and certainty in one picture: brightness is the mean, colour how sure it is.

    Blue is sure, grey in between, orange guessed.

    Parameters
    ----------
    mean, std, axes
        As for `relative_uncertainty`.
    top : float, optional
        Relative uncertainty from which on a place is all orange; see `nice_top` for the default.

    Returns
    -------
    array of uint8
        Of the shape of `std` with three colours at the end.

    Raises
    ------
    VaesrError
        As `relative_uncertainty`.

    Examples
    --------
    >>> picture = joint_map(result.mean, result.std)  # doctest: +SKIP
    """
    mean, std, names = _checked(mean, std, axes)
    relative = _finite(relative_uncertainty(mean, std, names))
    return painted(mean, relative, names, nice_top(relative) if top is None else top)


def painted(mean: Array, relative: Float32Array, axes: str, top: float) -> npt.NDArray[np.uint8]:
    """Colour grey levels by a relative uncertainty; see `joint_map`.

    Parameters
    ----------
    mean : array
        Of the shape of `relative`, or with colours at the end.
    relative : float32 array
        As from `relative_uncertainty`, finite.
    axes : str
        One letter of ``TCZYX`` per axis of `relative`.
    top : float
        Relative uncertainty from which on a place is all orange.
    """
    mean = _luma(mean, relative)
    picture = np.empty((*relative.shape, 3), np.uint8)
    for part in _channels(relative.shape, axes):
        contrast = contrast_of(mean[part])
        spread = max(contrast.high - contrast.low, 1e-12)
        for plane in _planes(relative.shape, axes, part):
            bright = np.clip((mean[plane].astype(np.float32) - contrast.low) / spread, 0, 1) ** GAMMA
            colours = colour_of(relative[plane] / top)
            picture[plane] = np.round(255 * bright[..., None] * colours).astype(np.uint8)
    return picture


def colour_of(share: Array) -> Float32Array:
    """Return the colour of certainty at a share of the scale, 0 sure and 1 guessed; shape (..., 3)."""
    at = np.clip(np.asarray(share, np.float32), 0, 1)
    stops = np.array([SURE, BETWEEN, UNSURE], np.float32)
    return np.stack([np.interp(at, (0, 0.5, 1), stops[:, channel]) for channel in range(3)], -1).astype(
        np.float32
    )


def nice_top(relative: Float32Array) -> float:
    """Return the least of `TOPS` that 98 of 100 pixels stay below.

    Parameters
    ----------
    relative : float32 array
        As from `relative_uncertainty`, of any shape.
    """
    reach = _quantile(relative, 0.98)
    return next((top for top in TOPS if reach <= top), TOPS[-1])


def least_sure_tenth(relative: Float32Array) -> float:
    """Return the relative uncertainty that a tenth of the pixels exceeds.

    Parameters
    ----------
    relative : float32 array
        As from `relative_uncertainty`, of any shape.
    """
    return _quantile(relative, 0.9)


def certainty(mean: Array, std: Array, axes: str | None = None, *, tolerance: float = TOLERANCE) -> Certainty:
    """Say how much of a result is sure, and where it is least so.

    Parameters
    ----------
    mean, std, axes
        As for `relative_uncertainty`.
    tolerance : float
        Relative uncertainty, one standard deviation, up to which a pixel counts as sure.

    Raises
    ------
    VaesrError
        As `relative_uncertainty`.
    """
    mean, std, names = _checked(mean, std, axes)
    return certainty_of(_finite(relative_uncertainty(mean, std, names)), names, tolerance)


def certainty_of(relative: Float32Array, axes: str, tolerance: float = TOLERANCE) -> Certainty:
    """Do as `certainty` does with a relative uncertainty that is known.

    Parameters
    ----------
    relative : float32 array
        As from `relative_uncertainty`, finite.
    axes : str
        One letter of ``TCZYX`` per axis.
    tolerance : float
        As for `certainty`.
    """
    from scipy.ndimage import gaussian_filter, gaussian_filter1d

    worst, told, place = -1.0, 0.0, (0,) * relative.ndim
    for plane in _planes(relative.shape, axes, (slice(None),) * relative.ndim):
        patches = gaussian_filter(relative[plane], PATCH, mode="constant")  # not at the very edge
        highest = np.unravel_index(int(np.argmax(patches)), patches.shape)
        if patches[highest] > worst:
            worst = float(patches[highest])
            inside = [
                gaussian_filter1d(np.ones(length), PATCH, mode="constant")[at]
                for length, at in zip(patches.shape, highest, strict=True)
            ]
            told = worst / float(np.prod(inside))  # the mean of what of the patch lies in the image
            inner = iter(highest)
            place = tuple(int(next(inner)) if isinstance(at, slice) else at for at in plane)
    share = float(np.mean(relative <= tolerance))
    return Certainty(share, tolerance, dict(zip(axes, place, strict=True)), told)


def _relative(mean: Array, std: Array, contrast: Contrast, smoothing: float) -> Float32Array:
    """Return the relative uncertainty of one plane."""
    from scipy.ndimage import gaussian_filter

    level = gaussian_filter(mean.astype(np.float32), smoothing, mode="reflect")
    spread = np.sqrt(gaussian_filter(np.square(std, dtype=np.float32), smoothing, mode="reflect"))
    least = np.float32(LEAST_CONTRAST * contrast.span)
    return np.asarray(spread / np.maximum(np.abs(level - np.float32(contrast.background)), least), np.float32)


def _finite(relative: Float32Array) -> Float32Array:
    """Return a relative uncertainty, or refuse it: where the mean or the std is no number, nor is it."""
    if not np.isfinite(relative).all():
        raise VaesrError("The mean or the std holds NaN or infinite values, please replace them first.")
    return relative


def _checked(mean: Array, std: Array, axes: str | None) -> tuple[Array, Array, str]:
    """Return the mean in grey, the std and the axes of both."""
    mean, std = np.asarray(mean), np.asarray(std)
    colours = mean.shape[-1:] if mean.ndim == std.ndim + 1 and mean.shape[-1] in (3, 4) else ()
    if mean.shape != std.shape + colours:
        raise VaesrError(
            f"The mean has shape {mean.shape} and the std {std.shape}, give those of one result."
        )
    numbers = "".join(map(str, range(std.ndim - 2)))
    names = (axes or f"{numbers}YX").upper().replace("S", "")
    if len(names) != std.ndim or not {"Y", "X"} <= set(names):
        raise VaesrError(
            f"The axes {names!r} do not fit the shape {std.shape}, give one letter for each axis."
        )
    return _luma(mean, std), std, names


def _luma(mean: Array, like: Array) -> Array:
    return mean if mean.ndim == like.ndim else visible_luma(mean)


def _channels(shape: tuple[int, ...], axes: str) -> Iterator[tuple[Any, ...]]:
    """Yield an index for every channel, which leaves the number of axes as it is."""
    for number in range(shape[axes.index("C")]) if "C" in axes else [None]:
        yield tuple(
            slice(number, number + 1) if name == "C" and number is not None else slice(None) for name in axes
        )


def _planes(shape: tuple[int, ...], axes: str, part: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield an index for every plane of a part."""
    loops = [
        range(*at.indices(size)) for at, size, name in zip(part, shape, axes, strict=True) if name not in "YX"
    ]
    for place in np.ndindex(*map(len, loops)):
        inner = iter(loop[index] for loop, index in zip(loops, place, strict=True))
        yield tuple(slice(None) if name in "YX" else next(inner) for name in axes)


def _quantile(values: Float32Array, share: float) -> float:
    step = max(1, values.size // SAMPLED)
    return float(np.quantile(values.ravel()[::step], share))

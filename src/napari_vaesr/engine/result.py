"""What an upscaling gives back: whole, or piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_vaesr.arrays import Array, Float32Array
from napari_vaesr.engine.record import Record
from napari_vaesr.engine.settings import UncertaintyKind
from napari_vaesr.imaging.region import Factors, Region
from napari_vaesr.zoo.calibration import NORMAL_INTERVAL

DARKEST = 1e-3
"""Relative uncertainty counts a mean darker than this part of the intensity range as being this bright."""


@dataclass(frozen=True)
class Result:
    """An upscaled image, how sure it is, and how it was made.

    Arrays are those of NumPy, or of Dask where they are computed when they are read.

    Attributes
    ----------
    mean : ndarray
        The upscaled image in the dtype of the input (float32 for all floats); `Y` and `X` are `scale`
        times as long.
    std : ndarray or None
        Calibrated standard deviation in the input's intensity units, float32, without `S`; None for one
        sample.
    uncertainty : ndarray or None
        The kind of uncertainty asked for; the same as `std` unless another kind was. Of the kind ``interval``
        it has one axis more, the first, of lower and upper bound.
    record : dict
        All that is needed to make the result again, ready for JSON.
    axes : str
        Names of the axes of `mean`, those of the input.
    samples : ndarray or None
        Every image drawn, one axis of samples before those of `mean`, in its dtype; None unless they were to
        be kept. Calibrated as `std` is: they differ by so much at every pixel.
    """

    mean: Array
    std: Float32Array | None
    uncertainty: Float32Array | None
    record: dict[str, Any]
    axes: str
    samples: Array | None = None

    @property
    def made(self) -> Record:
        """The record, read: how it was made."""
        return Record.read(self.record)

    @property
    def lower(self) -> Float32Array | None:
        """Lower bound of the 90 % interval, if the kind of uncertainty is ``interval``."""
        return self._bound(0)

    @property
    def upper(self) -> Float32Array | None:
        """Upper bound of the 90 % interval, if the kind of uncertainty is ``interval``."""
        return self._bound(1)

    def _bound(self, which: int) -> Float32Array | None:
        is_interval = self.made.settings.uncertainty == "interval"
        return self.uncertainty[which] if is_interval and self.uncertainty is not None else None


@dataclass(frozen=True)
class Piece:
    """A finished part of an image; arrays have their axes in the image's order.

    Attributes
    ----------
    region : Region
        Where it is, low-res pixels.
    mean : ndarray
        In the dtype of the result, enlarged.
    std : ndarray or None
        Calibrated, float32, without ``S``; None for a single sample.
    uncertainty : ndarray or None
        The same, or the kind asked for; an interval has its two bounds along a first axis.
    samples : ndarray or None
        Like the mean behind one axis of samples, where they were kept.
    """

    region: Region
    mean: Array
    std: Float32Array | None
    uncertainty: Float32Array | None
    samples: Array | None

    @property
    def maps(self) -> Sequence[Float32Array]:
        """The maps of the uncertainty: none, one, or the lower and the upper bound of an interval."""
        if self.std is None or self.uncertainty is None:
            return ()
        return list(self.uncertainty) if self.uncertainty.ndim > self.std.ndim else [self.uncertainty]

    def inside(self, region: Region, factors: Factors) -> dict[str, slice]:
        """Return by axis letter where the piece lies in the upscaled region."""
        return self.region.enlarged(factors).within(region.enlarged(factors))


def result_dtype(dtype: Any) -> np.dtype[Any]:
    """Return the dtype of the mean: integers as they are, float32 for all floats."""
    source = np.dtype(dtype)
    return source if source.kind in "iu" else np.dtype(np.float32)


def map_names(kind: UncertaintyKind) -> tuple[str, ...]:
    """Name the maps that make up a kind of uncertainty: one, or lower and upper."""
    return ("lower", "upper") if kind == "interval" else (kind,)


def maps_of(kind: UncertaintyKind, uncertainty: Float32Array) -> Sequence[Float32Array]:
    """Return views of the maps that make up an uncertainty, in the order of `map_names`."""
    return list(uncertainty) if kind == "interval" else [uncertainty]


def as_maps(plane: Float32Array) -> Float32Array:
    """Return the uncertainty of one plane with an axis of maps, (1, Y, X) or (2, Y, X)."""
    return plane.reshape(-1, *plane.shape[-2:])


def maps_shape(kind: UncertaintyKind, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of an uncertainty whose maps have the shape `shape`."""
    count = len(map_names(kind))
    return shape if count == 1 else (count, *shape)


def uncertainty_map(
    kind: UncertaintyKind, mean: Float32Array, std: Float32Array, gain: float, reach: float = NORMAL_INTERVAL
) -> Float32Array:
    """Turn a plane's standard deviation into the kind of uncertainty asked for.

    Parameters
    ----------
    kind : {"std", "variance", "relative", "interval"}
        ``relative`` is the standard deviation over the absolute mean, which counts as at least a thousandth
        of the intensity range, so that it stays finite in the dark.
    mean, std : float32 array of shape (Y, X)
        In the source's intensity units; for colour, of its luma.
    gain : float
        The intensity range of the source.
    reach : float
        Half width of the interval in standard deviations.

    Returns
    -------
    float32 array of shape (Y, X), or (2, Y, X) for the lower and upper bound of the interval
    """
    match kind:
        case "variance":
            return std * std
        case "relative":
            brightness: Float32Array = np.maximum(np.abs(mean), np.float32(DARKEST * gain))
            return std / brightness
        case "interval":
            width = np.float32(reach) * std
            return np.stack([mean - width, mean + width])
        case _:
            return std


def uncertainty_range(kind: str, gain: float) -> tuple[float, float]:
    """Return the range in which to show a map of an uncertainty that is not computed yet.

    Parameters
    ----------
    kind : {"std", "variance", "relative"}
        What is shown; the bounds of an interval are shown as the mean is.
    gain : float
        The intensity range of the source, a tenth of which is a large standard deviation.
    """
    spread = 0.1 * gain
    return 0.0, {"std": spread, "variance": spread**2}.get(kind, 0.5)

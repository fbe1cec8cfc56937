"""Linear scaling of intensities to what the network knows, and exactly back."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes, SourceArray

IntensityMethod = Literal["percentile", "dtype", "minmax"]

PERCENTILES = (0.1, 99.9)
PLANES_PER_CHANNEL = 8
VALUES_PER_PLANE = 1_000_000

SMALLEST_GAIN, LARGEST = 1e-30, 1e37
"""What float32, in which results are kept, holds with room to spare."""


class IntensityScaling(BaseModel):
    """A straight line between source intensities and unit intensities: ``unit = (value - offset) / gain``.

    Nothing is clipped: a value outside the fitted range gets a unit intensity below 0 or above 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset: float = Field(allow_inf_nan=False, description="Source intensity that becomes 0.")
    gain: float = Field(gt=0, allow_inf_nan=False, description="Source intensities from 0 to 1.")

    def to_unit(self, values: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return unit intensities; computed in float64, kept in float32."""
        unit: npt.NDArray[np.float64] = (np.asarray(values, dtype=np.float64) - self.offset) / self.gain
        return unit.astype(np.float32)

    def from_unit(self, unit: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return source intensities; integers are rounded and clipped to `dtype` here and nowhere else."""
        values = np.asarray(unit, dtype=np.float64) * self.gain + self.offset
        wanted = np.dtype(dtype)
        if wanted.kind not in "iu":
            return values.astype(wanted)
        limits = np.iinfo(wanted)
        rounded = np.rint(values)
        with np.errstate(invalid="ignore"):  # float64 has no 2**63 - 1: mend what lies beyond after the cast
            whole = rounded.astype(wanted)
        whole[rounded >= float(limits.max)] = limits.max
        whole[rounded <= float(limits.min)] = limits.min
        return whole

    def std_from_unit(self, std: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return a standard deviation in source intensities: the gain applies, the offset doesn't."""
        return (np.asarray(std, dtype=np.float64) * self.gain).astype(np.float32)


def check_array(array: SourceArray, axes: Axes) -> None:
    """Refuse what can't be upscaled.

    Raises
    ------
    VaesrError
        For boolean, complex, object and other non-numeric dtypes, empty images, and a shape that is not the
        one the axes were made for.
    """
    dtype = np.dtype(array.dtype)
    if dtype.kind == "b":
        raise VaesrError("The image is boolean (a mask), please choose an image with intensities.")
    if dtype.kind == "c":
        raise VaesrError("The image is complex, please give its magnitude or its phase instead.")
    if dtype.kind not in "iuf":
        raise VaesrError(f"The image has the dtype {dtype}, please convert it to integers or floats.")
    if 0 in array.shape:
        raise VaesrError(
            f"The image is empty (shape {tuple(array.shape)}), please choose one that has pixels."
        )
    if tuple(array.shape) != axes.shape:
        raise VaesrError(
            f"The axes were made for the shape {axes.shape}, please make them for {tuple(array.shape)}."
        )


def check_finite(plane: npt.NDArray[Any]) -> None:
    """Raise `VaesrError` when a plane of floats holds NaN or infinity."""
    if plane.dtype.kind == "f" and not np.isfinite(plane).all():
        raise VaesrError(
            "The image holds NaN or infinite values, please replace them (numpy.nan_to_num) first."
        )


def fit_scalings(array: SourceArray, axes: Axes, method: IntensityMethod) -> tuple[IntensityScaling, ...]:
    """Find the scaling of every channel, once for the whole stack.

    A bounded, fixed choice of pixels is looked at (at most 8 planes per channel, evenly spaced, and about a
    million pixels of each), so that a lazy and an eager run of any extent get the same numbers.

    Parameters
    ----------
    array : NumPy, Dask or Zarr array
        The whole image.
    axes : Axes
        Its axes.
    method : {"percentile", "dtype", "minmax"}
        ``percentile`` puts the 0.1 and 99.9 percentiles at 0 and 1. ``minmax`` puts the extremes there.
        ``dtype`` takes the full range of ``uint8`` and of floats within [0, 1], and the extremes otherwise.

    Returns
    -------
    tuple of IntensityScaling
        One per position of ``C``, a single one without ``C``.

    Raises
    ------
    VaesrError
        When `check_array` or `check_finite` refuse the image.
    """
    check_array(array, axes)
    channels = axes.shape[axes.names.index("C")] if "C" in axes.names else 1
    return tuple(_fit(_sample(array, axes, channel), method) for channel in range(channels))


def _sample(array: SourceArray, axes: Axes, channel: int) -> npt.NDArray[Any]:
    """Return the pixels of one channel that its scaling is fitted to, flat."""
    planes = axes.planes_of_channel(channel)
    chosen = np.linspace(0, len(planes) - 1, min(len(planes), PLANES_PER_CHANNEL)).round().astype(int)
    step = int(np.ceil(np.sqrt(axes.height * axes.width / VALUES_PER_PLANE)))
    parts = []
    for position in chosen:
        part = axes.read_plane(array, planes[position], slice(None, None, step), slice(None, None, step))
        check_finite(part)
        parts.append(part[..., :3].ravel() if axes.is_rgb else part.ravel())  # alpha is not an intensity
    return np.concatenate(parts)


def _fit(sample: npt.NDArray[Any], method: IntensityMethod) -> IntensityScaling:
    lowest, highest = float(sample.min()), float(sample.max())
    if method == "dtype" and sample.dtype == np.uint8:
        return IntensityScaling(offset=0, gain=255)
    if method == "dtype" and sample.dtype.kind == "f" and lowest >= 0 and highest <= 1:
        return IntensityScaling(offset=0, gain=1)
    low, high = lowest, highest
    if method == "percentile":
        low, high = (float(value) for value in np.percentile(sample.astype(np.float64), PERCENTILES))
        # Nearly everything is background, perhaps with the noise of rounding beside a few bright pixels.
        if not high - low > 1e-6 * (highest - lowest):
            low, high = lowest, highest
    gain = high - low
    if max(-lowest, highest, gain) > LARGEST or 0 < gain < SMALLEST_GAIN:
        raise VaesrError(
            f"The intensities, from {lowest:.3g} to {highest:.3g}, are beyond what float32 can hold, "
            "please rescale the image first."
        )
    return IntensityScaling(offset=low, gain=gain if gain > 0 else 1)  # a constant image maps to 0 and back

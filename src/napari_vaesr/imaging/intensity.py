"""Linear scaling of intensities to what the network knows, and exactly back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, field_validator

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes, Source, SourceArray
from napari_vaesr.imaging.colour import luma, premultiplied
from napari_vaesr.imaging.likeness import are_apart
from napari_vaesr.imaging.noise import estimate_noise, fit_noise
from napari_vaesr.imaging.sampling import evenly_spaced, middle_part

IntensityMethod = Literal["percentile", "dtype", "minmax"]

PERCENTILES = (0.1, 99.9)
PLANES_PER_CHANNEL, MOST_PLANES = 8, 64
VALUES_PER_PLANE = 1_000_000

NOISE_BLOCK = 512
"""Largest side of the part of a plane that its noise is estimated on."""

SMALLEST_GAIN, LARGEST = 1e-30, 1e37
"""What float32, in which results are kept, holds with room to spare."""

FEWEST_STEPS = 16
"""Values of float32 between the darkest and the brightest intensity that make an image."""


class IntensityScaling(BaseModel):
    """A straight line between source intensities and unit intensities: ``unit = (value - offset) / gain``.

    Nothing is clipped: a value outside the fitted range gets a unit intensity below 0 or above 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    offset: float = Field(allow_inf_nan=False, description="Source intensity that becomes 0.")
    gain: float = Field(gt=0, allow_inf_nan=False, description="Source intensities from 0 to 1.")
    noise: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="Standard deviation of the noise, in unit intensity; see `estimate_noise`.",
    )

    noise_line: tuple[float, float] | None = Field(
        default=None,
        description="Slope and intercept of the variance of the noise over the intensity, both in unit "
        "intensity; see `imaging.noise`. None: the same noise everywhere.",
    )

    apart: bool = Field(
        default=False,
        description="Whether neighbouring planes have too little in common for one to tell of another; see "
        "`imaging.likeness`.",
    )

    @field_validator("noise_line")
    @classmethod
    def _a_variance_is_finite(cls, line: tuple[float, float] | None) -> tuple[float, float] | None:
        if line is not None and not (np.isfinite(line).all() and min(line) >= 0):
            raise ValueError("slope and intercept are finite numbers from 0")
        return line

    @property
    def fits_float32(self) -> bool:
        """Whether float32 can tell the intensities apart, as they are; other constant images have gain 1."""
        largest = max(abs(self.offset), abs(self.offset + self.gain))
        return self.gain == 1 or self.gain >= FEWEST_STEPS * float(np.spacing(np.float32(largest)))

    def to_unit(self, values: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Return unit intensities.

        Parameters
        ----------
        values : array
            In source intensities, of any shape.

        Returns
        -------
        float32 array
            About 0 to 1, computed in float64; what lies beyond is kept.
        """
        unit: npt.NDArray[np.float64] = (np.asarray(values, dtype=np.float64) - self.offset) / self.gain
        return unit.astype(np.float32)

    def unit_luma(self, pixels: npt.NDArray[Any], is_rgb: bool) -> npt.NDArray[np.float32]:
        """Return what the network sees: unit intensities, of colours (..., S) their luma.

        Parameters
        ----------
        pixels : array of shape (...) or (..., S)
            In source intensities; alpha is left out.
        is_rgb : bool
            Whether the last axis is colours.

        Returns
        -------
        float32 array of shape (...)
        """
        return luma(self.to_unit(pixels[..., :3])) if is_rgb else self.to_unit(pixels)

    def from_unit(self, unit: npt.ArrayLike, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return source intensities; integers are rounded and clipped to `dtype` here and nowhere else.

        Parameters
        ----------
        unit : array
            Unit intensities; those beyond 0 and 1 are kept so far as `dtype` holds them.
        dtype : dtype
            Of the result.
        """
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
        """Return a standard deviation in source intensities: the gain applies, the offset doesn't.

        Parameters
        ----------
        std : array
            In unit intensity, of any shape.
        """
        return (np.asarray(std, dtype=np.float64) * self.gain).astype(np.float32)


UNIT = IntensityScaling(offset=0, gain=1)
"""Of what is in unit intensity already, such as what one pass leaves to the next."""


def read_luma(
    source: Source, scalings: Sequence[IntensityScaling], number: int, rows: slice, columns: slice
) -> npt.NDArray[np.float32]:
    """Read rows and columns of a plane as the network sees it, in unit intensity.

    Parameters
    ----------
    source : Source
        The image.
    scalings : sequence of IntensityScaling
        One for each channel.
    number : int
        Which plane.
    rows, columns : slice
        Which part of it.
    """
    axes = source.axes
    part = axes.read_plane(source.array, number, rows, columns)
    return scalings[axes.channel_of(number)].unit_luma(part, axes.is_rgb)


def check_array(array: SourceArray, axes: Axes) -> None:
    """Refuse what can't be upscaled.

    Parameters
    ----------
    array : array
        The pixels; none of them are read.
    axes : Axes
        What they should be arranged by.

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


def check_finite(pixels: npt.NDArray[Any], names: str = "", starts: Mapping[str, int] | None = None) -> None:
    """Refuse pixels that hold NaN or infinity.

    Parameters
    ----------
    pixels : array
        Of any shape and dtype; integers always pass.
    names : str
        Letters of its axes, where the plane is to be named.
    starts : mapping of str to int, optional
        Where it lies in the image along the axes of planes, by their letters.

    Raises
    ------
    VaesrError
        When one of the floats is not finite.
    """
    if pixels.dtype.kind != "f" or (finite := np.isfinite(pixels)).all():
        return
    place = dict(starts or {})
    for name, index in zip(names, np.argwhere(~finite)[0], strict=False):
        if name not in "YXS":
            place[name] = place.get(name, 0) + int(index)
    where = " at " + ", ".join(f"{name} {index}" for name, index in place.items()) if place else ""
    raise VaesrError(
        f"The image holds NaN or infinite values{where}, please replace them (numpy.nan_to_num) first."
    )


def fit_scalings(
    array: SourceArray, axes: Axes, method: IntensityMethod, channels: Iterable[int] | None = None
) -> tuple[IntensityScaling, ...]:
    """Find the scaling and the noise of every channel, once for the whole stack.

    A bounded, fixed choice of pixels is looked at, so that a lazy and an eager run of any extent get the same
    numbers: at most 8 planes per channel, evenly spaced, up to 64 where these are blank, and about a
    million pixels of each. For the noise, and for what every second has in common with a neighbour, it is
    their middle of at most 512 pixels a side, where some are not blank without those that are.

    Parameters
    ----------
    array : NumPy, Dask or Zarr array
        The whole image.
    axes : Axes
        Its axes.
    method : {"percentile", "dtype", "minmax"}
        ``percentile`` puts the 0.1 and 99.9 percentiles at 0 and 1. ``minmax`` puts the extremes there.
        ``dtype`` takes the full range of ``uint8`` and of floats within [0, 1], and the extremes otherwise.
    channels : iterable of int, optional
        Positions along ``C`` that are looked at; all by default.

    Returns
    -------
    tuple of IntensityScaling
        One for each of them, a single one without ``C``.

    Raises
    ------
    VaesrError
        When `check_array` or `check_finite` refuse the image.
    """
    check_array(array, axes)
    every = range(axes.lengths.get("C", 1))
    return tuple(
        _fit_channel(array, axes, each, method) for each in (every if channels is None else channels)
    )


def _fit_channel(array: SourceArray, axes: Axes, channel: int, method: IntensityMethod) -> IntensityScaling:
    """Look at a bounded, fixed choice of a channel's pixels; only very large planes are read twice."""
    planes = axes.planes_of_channel(channel)
    step = int(np.ceil(np.sqrt(axes.height * axes.width / VALUES_PER_PLANE)))
    rows, columns = (middle_part(size, NOISE_BLOCK) for size in (axes.height, axes.width))

    def look(number: int) -> _Look:
        part = axes.read_plane(array, number, slice(None, None, step), slice(None, None, step))
        check_finite(part, "", axes.plane_coordinates(number))
        block = part[rows, columns] if step == 1 else axes.read_plane(array, number, rows, columns)
        if axes.is_rgb:
            part = premultiplied(part).astype(part.dtype)[..., :3]  # alpha is not an intensity
        return _Look(number, part, _luma(block, axes))

    looks = _looks(planes, look)
    is_all = step == 1 and len(looks) == len(planes)
    scaling = _fit(np.concatenate([each.part.ravel() for each in looks]), method, is_all)
    looks = [each for each in looks if not each.is_blank] or looks  # blank ones tell nothing of the noise
    noise = float(np.median([estimate_noise(each.block) for each in looks]))
    line = fit_noise([np.clip((each.block - scaling.offset) / scaling.gain, -1, 2) for each in looks])
    along, pairs = axes.stacked_along, []
    if along is not None:
        for each in looks[::2]:
            place = axes.plane_coordinates(each.number)
            place[along] += 1 if place[along] + 1 < axes.lengths[along] else -1
            neighbour = _luma(axes.read_plane(array, axes.plane_number(place), rows, columns), axes)
            pairs.append((scaling.to_unit(each.block), scaling.to_unit(neighbour)))
    found = {"noise": min(noise / scaling.gain, 1.0), "noise_line": line, "apart": are_apart(pairs, line)}
    return scaling.model_copy(update=found)


@dataclass(frozen=True)
class _Look:
    """What is looked at of a plane: pixels all over it, and those of its middle that tell of the noise."""

    number: int
    part: npt.NDArray[Any]
    block: npt.NDArray[np.float64]

    @property
    def is_blank(self) -> bool:
        return bool(self.part.min() == self.part.max())


def _looks(planes: Sequence[int], look: Callable[[int], _Look]) -> list[_Look]:
    """Look at evenly spaced planes; where all of them are blank, at those between until some are not."""
    seen = evenly_spaced(len(planes), PLANES_PER_CHANNEL)
    looks = [look(planes[position]) for position in seen]
    while len(seen) < min(len(planes), MOST_PLANES) and all(each.is_blank for each in looks):
        finer = evenly_spaced(len(planes), 2 * len(seen))
        further = (look(planes[position]) for position in finer if position not in seen)
        looks += islice((each for each in further if not each.is_blank), PLANES_PER_CHANNEL)
        seen = finer
    return looks


def _luma(block: npt.NDArray[Any], axes: Axes) -> npt.NDArray[np.float64]:
    """Return the luma of colours; where nothing was looked at yet there may be NaN, which counts as 0."""
    if axes.is_rgb:
        block = luma(premultiplied(block)[..., :3].astype(np.float64))
    return np.nan_to_num(block.astype(np.float64))


def _fit(sample: npt.NDArray[Any], method: IntensityMethod, is_all: bool) -> IntensityScaling:
    """Fit intensities to a sample, or to all of a channel."""
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
    # Results of floats are float32; those of integers are integers again, by way of float64.
    held = np.float32 if sample.dtype.kind == "f" else np.float64
    step = float(np.spacing(held(max(abs(low), abs(high)))))
    is_even = bool(sample.min() == sample.max())
    if sample.dtype.itemsize > 4 and not is_even and gain < FEWEST_STEPS * step:
        raise VaesrError(
            f"The intensities differ by {gain:.3g} around {low:.3g}, too little for {held.__name__} to tell "
            "apart, please subtract their mean first."
        )
    if gain > 0:
        return IntensityScaling(offset=low, gain=gain)
    # A constant image maps to 0 and back. What the network makes of 0 is less than float32 tells apart; not
    # where there are pixels that were not looked at, whose intensities may be anything.
    is_even &= is_all and sample.dtype.kind == "f"
    smallest = 2 * FEWEST_STEPS * float(np.spacing(np.float32(abs(low))))
    return IntensityScaling(offset=low, gain=max(smallest, SMALLEST_GAIN) if is_even else 1)


def straight_line(values: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and offset of the least-squares line from values to those wanted at the same places.

    The slope is 0 where all values are alike.

    Parameters
    ----------
    values, wanted : float64 array
        Of one shape.
    """
    mean = float(values.mean())
    centred = values - mean
    power = float(np.sum(centred**2))
    slope = float(np.sum(centred * wanted)) / power if power else 0.0
    return slope, float(wanted.mean()) - slope * mean

"""What is measured of objects, and in which units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.engine.draws import Field
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.record import Record
from napari_vaesr.engine.result import Result
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.units import symbol
from napari_vaesr.imaging.region import Factors, Region

Array = npt.NDArray[Any]

ALL = 0
"""The object that stands for all of them together."""

COUNT = "count"
"""How many objects there are, of `ALL` only."""

AREAS = {"area", "area_bbox", "area_convex", "area_filled"}
LENGTHS = {
    "axis_major_length",
    "axis_minor_length",
    "centroid",
    "centroid_local",
    "centroid_weighted",
    "centroid_weighted_local",
    "equivalent_diameter_area",
    "feret_diameter_max",
    "perimeter",
    "perimeter_crofton",
}
POSITIONS = ("centroid", "centroid_weighted")
"""Lengths that are told from the origin of the image."""


def intensity_sum(mask: npt.NDArray[np.bool_], image: Array) -> float:
    """Sum the intensities of an object."""
    return float(image[mask].sum(dtype=np.float64))


OWN: dict[str, Callable[..., float]] = {"intensity_sum": intensity_sum}
"""Properties that scikit-image lacks."""


@dataclass(frozen=True)
class Quantities:
    """What to measure: names of scikit-image's properties, and functions.

    Raises
    ------
    VaesrError
        When there is none of such a name, or it is not made of numbers.
    """

    properties: tuple[str, ...]
    extra: tuple[Callable[..., float], ...] = ()

    @cached_property
    def builtin(self) -> tuple[str, ...]:
        """Those that scikit-image has."""
        return tuple(name for name in dict.fromkeys(self.properties) if name not in OWN)

    @cached_property
    def functions(self) -> tuple[Callable[..., float], ...]:
        """The others."""
        return (*(OWN[name] for name in dict.fromkeys(self.properties) if name in OWN), *self.extra)

    def table(self, labels: Array, image: Array, spacing: tuple[float, ...]) -> dict[str, Array]:
        """Return columns of numbers, one row for each label."""
        from skimage.measure import regionprops_table

        try:
            columns: dict[str, Array] = regionprops_table(
                labels,
                image,
                properties=("label", *self.builtin),
                extra_properties=self.functions or None,
                spacing=spacing,
            )
        except AttributeError as error:
            raise VaesrError(
                f"There is no property like that to measure ({error}), please choose from those of "
                "scikit-image's regionprops_table, such as area, perimeter or intensity_mean."
            ) from error
        except NotImplementedError as error:
            raise VaesrError(
                f"One of the properties {', '.join(self.builtin)} can't be measured here ({error}); leave it out."
            ) from error
        for name, column in columns.items():
            if column.dtype.kind not in "biuf":
                raise VaesrError(f"The property {name} is not a number, please leave it out.")
        return columns


@dataclass(frozen=True)
class Spacing:
    """Distances between upscaled pixels, by axis letter, and where the first one is.

    Attributes
    ----------
    size : dict of str to float
        Distance between pixels.
    origin : dict of str to float
        Position of the centre of the first pixel.
    units : dict of str to str
        Of both; empty for pixels.
    """

    size: dict[str, float] = field(default_factory=dict)
    origin: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        source: Any,
        pixel_size: Mapping[str, float] | None,
        units: Mapping[str, str] | None,
        offset: Mapping[str, float] | None,
    ) -> Spacing:
        """Return the spacing of what was made of an image with these pixels.

        Without `pixel_size` lengths are in pixels of the upscaled image, from its own first pixel.

        Raises
        ------
        VaesrError
            When a size is not positive.
        """
        if pixel_size is None:
            return cls()
        if not all(size > 0 and np.isfinite(size) for size in pixel_size.values()):
            raise VaesrError("The pixel size has to be above 0 along every axis, please correct it.")
        factors, region = _factors_and_region(source)
        size = {name: pixel_size.get(name, 1.0) / factors.along(name) for name in "ZYX"}
        first = {name: 0.0 for name in "ZYX"} | region.first_pixel(factors)
        origin = {
            name: (offset or {}).get(name, 0.0) + first[name] * pixel_size.get(name, 1.0) for name in "ZYX"
        }
        symbols = {name: symbol(unit) or unit for name, unit in (units or {}).items()}
        return cls(size, origin, symbols)

    def within(self, own: Field) -> Spacing:
        """Return the spacing along the axes of a field, in their order."""
        return replace(
            self,
            size={name: self.size.get(name, 1.0) for name in own.axes},
            origin={name: self.origin.get(name, 0.0) for name in own.axes},
        )

    def units_of(self, quantities: set[str], axes: str) -> dict[str, str]:
        """Return the unit of every quantity that has one; pixels where none was told."""
        found = {self.units.get(name, "px") for name in axes}
        if len(found) > 1:
            return {}
        (unit,) = found
        power = {2: "²", 3: "³"}[len(axes)]
        names = {}
        for quantity in quantities:
            kind = quantity.rpartition("-")[0] or quantity
            if quantity in AREAS:
                names[quantity] = f"{unit}{power}"
            elif quantity in LENGTHS or kind in LENGTHS or quantity in _CENTROIDS:
                names[quantity] = unit
        return names


_CENTROIDS = {f"{name}_{axis.lower()}" for name in LENGTHS if "centroid" in name for axis in "ZYX"}


def regions(
    image: Array, labels: Array, axes: str, quantities: Quantities, spacing: Spacing
) -> dict[tuple[int, str], float]:
    """Measure every object of an image, and all together.

    Parameters
    ----------
    image : ndarray
        Intensities.
    labels : ndarray of int
        Of its shape, 0 for the background.
    axes : str
        Letters of its axes.
    quantities : Quantities
        What to measure.
    spacing : Spacing
        Along these axes.

    Returns
    -------
    dict of (int, str) to float
        By label and quantity; 0 stands for all objects together. A quantity with a number for every axis
        becomes one for each, such as ``centroid_y``.
    """
    sizes = tuple(spacing.size[name] for name in axes)
    found: dict[tuple[int, str], float] = {(ALL, COUNT): float(np.count_nonzero(np.bincount(labels.ravel())[1:]))}
    mask = (labels > 0).astype(np.uint8)
    for part in (mask, labels):
        columns = quantities.table(part, image, sizes)
        numbers = columns.pop("label")
        for name, column in columns.items():
            quantity, shift = _named(name, axes, spacing)
            for number, value in zip(numbers, column, strict=True):
                key = (ALL if part is mask else int(number), quantity)
                found[key] = float(value) + shift
    if not mask.any():
        for name in quantities.table(np.ones(1 * mask.ndim * (1,), np.uint8), np.ones((1,) * mask.ndim), sizes):
            if name != "label":
                quantity, _ = _named(name, axes, spacing)
                found[ALL, quantity] = 0.0 if quantity in AREAS | set(OWN) | {"perimeter"} else np.nan
    return found


def _named(name: str, axes: str, spacing: Spacing) -> tuple[str, float]:
    """Return the name of a column with letters for axes, and what is added to bring it to its origin."""
    base, _, index = name.rpartition("-")
    if base in LENGTHS and index.isdecimal() and int(index) < len(axes):
        letter = axes[int(index)]
        shift = spacing.origin[letter] if base in POSITIONS else 0.0
        return f"{base}_{letter.lower()}", shift
    return name, 0.0


def _factors_and_region(source: Any) -> tuple[Factors, Region]:
    """Return how many times larger the pixels were, and the part of the source that was made larger."""
    if isinstance(source, UpscaleJob):
        return source.factors, source.region
    if isinstance(source, Result):
        record = Record.read(source.record)
        return record.settings.factors, record.extent
    return Factors(), Region()

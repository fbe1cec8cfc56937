"""What is measured of objects, and in which units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from napari_vaesr.arrays import Array
from napari_vaesr.engine.draws import Field
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.result import Result
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.units import comparable, symbol
from napari_vaesr.imaging.geometry import Turn
from napari_vaesr.imaging.region import Factors, Region
from napari_vaesr.trust.segment import without_gaps

T = TypeVar("T")

ALL = 0
"""The object that stands for all of them together."""

COUNT = "count"
"""How many objects there are, of `ALL` only."""

AREAS = {"area", "area_bbox", "area_convex", "area_filled"}
VOLUMES = {name.replace("area", "volume"): name for name in AREAS}
"""What they are called in volumes, where scikit-image calls them areas, too."""

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


FAST = ("area", "intensity_mean", "intensity_sum", "centroid")
"""Counted here for all objects at once, for scikit-image looks at them one by one. The sum it lacks."""


@dataclass(frozen=True)
class Quantities:
    """What to measure: names of scikit-image's properties, ``intensity_sum``, and functions.

    In volumes an area is a volume and called so; either name may be asked for.

    Raises
    ------
    VaesrError
        When there is none of such a name, or it is not made of numbers.
    """

    properties: tuple[str, ...]
    extra: tuple[Callable[..., float], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "properties", tuple(VOLUMES.get(name, name) for name in self.properties))
        self.table(np.ones((3, 3), np.int32), np.ones((3, 3)), (1.0, 1.0))

    def table(
        self,
        labels: Array,
        image: Array,
        spacing: tuple[float, ...],
        counted: dict[str, Array] | None = None,
    ) -> dict[str, Array]:
        """Return columns of numbers, one row for each label.

        Parameters
        ----------
        labels : integer array of shape (Y, X) or (Z, Y, X)
            Objects; 0 is the background.
        image : array of the same shape
            Intensities.
        spacing : tuple of float
            Distance between pixels along each axis, in one unit.
        counted : dict of str to array, optional
            Those of `FAST`, where they are known already.
        """
        asked = dict.fromkeys(self.properties)
        counted = _counted(labels, image, spacing, tuple(asked)) if counted is None else counted
        columns = {"label": counted["label"]}
        for name in (each for each in asked if each in FAST):
            columns |= {key: each for key, each in counted.items() if key.partition("-")[0] == name}
        others = tuple(name for name in asked if name not in FAST)
        if others or self.extra:
            columns |= self._by_scikit_image(others, labels, image, spacing)
        return columns

    def _by_scikit_image(
        self, names: tuple[str, ...], labels: Array, image: Array, spacing: tuple[float, ...]
    ) -> dict[str, Array]:
        from skimage.measure import regionprops_table

        def measured(*asked: str, **others: Any) -> dict[str, Array]:
            found = regionprops_table(labels, image, properties=asked, spacing=spacing, **others)  # type: ignore[no-untyped-call]
            return dict(found)

        try:
            columns = measured(*names, extra_properties=self.extra or None)
        except Exception as error:
            for name in names:  # scikit-image has many ways to say no, and few say of what
                try:
                    measured(name)
                except Exception as reason:
                    raise _unmeasured(name, reason, labels.ndim, spacing) from error
            raise  # by a function of the user's own
        for name, column in columns.items():
            if column.dtype.kind not in "biuf":
                raise VaesrError(f"The property {name} is not a number, please leave it out.")
        return columns


def _unmeasured(name: str, reason: Exception, ndim: int, spacing: tuple[float, ...]) -> VaesrError:
    """Return the sentence on a property that scikit-image did not measure."""
    if isinstance(reason, AttributeError):
        return VaesrError(
            f"There is no such property to measure, {name}: please choose from those of scikit-image's "
            "regionprops_table, such as area, perimeter or intensity_mean."
        )
    if not isinstance(reason, NotImplementedError):
        return VaesrError(f"{name} can't be measured of some of these objects, please leave it out.")
    if ndim > 2:
        return VaesrError(f"{name} can't be measured of volumes, please leave it out.")
    sides = " × ".join(f"{side:g}" for side in spacing)
    return VaesrError(f"{name} can't be measured with pixels of {sides}, please leave it out.")


def _counted(
    labels: Array, image: Array, spacing: tuple[float, ...], asked: tuple[str, ...]
) -> dict[str, Array]:
    """Return the columns of `FAST` that are asked for, and always label, area and intensities."""
    places = np.flatnonzero(labels != 0)
    which = labels.ravel()[places].astype(np.intp)
    counts = np.bincount(which)
    numbers = np.flatnonzero(counts)
    pixels = counts[numbers]

    def summed(values: Array) -> Array:
        return np.bincount(which, values)[numbers]

    total = summed(image.ravel()[places].astype(np.float64))
    columns = {
        "label": numbers,
        "area": pixels * float(np.prod(spacing)),
        "intensity_mean": total / pixels,
        "intensity_sum": total,
    }
    if "centroid" in asked:
        for axis, index in enumerate(np.unravel_index(places, labels.shape)):
            columns[f"centroid-{axis}"] = summed(index) / pixels * spacing[axis]
    return columns


def _together(counted: dict[str, Array]) -> dict[str, Array]:
    """Return the columns of `FAST` for all objects as one; none for none."""
    area, total = counted["area"], counted["intensity_sum"]
    if not area.size:
        return counted
    columns = {
        "label": np.array([1]),
        "area": np.array([area.sum()]),
        # Areas are as many pixels times one and the same number.
        "intensity_mean": np.array([np.average(counted["intensity_mean"], weights=area)]),
        "intensity_sum": np.array([total.sum()]),
    }
    middles = {name: column for name, column in counted.items() if name.startswith("centroid")}
    return columns | {name: np.array([np.average(each, weights=area)]) for name, each in middles.items()}


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
    mirrored : str
        Letters of the axes along which positions fall.
    turn : Turn or None
        From these positions to those in the world, where they differ.
    """

    size: dict[str, float] = field(default_factory=dict)
    origin: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    mirrored: str = ""
    turn: Turn | None = None

    @classmethod
    def of(
        cls,
        source: Any,
        pixel_size: Mapping[str, float] | None,
        units: Mapping[str, str] | None,
        offset: Mapping[str, float] | None,
        turn: Turn | None = None,
    ) -> Spacing:
        """Return the spacing of what was made of an image with these pixels.

        Without `pixel_size` in space lengths are in pixels of the upscaled image, from its own first pixel.

        Parameters
        ----------
        source : UpscaleJob, Result or array
            What is measured; tells the factors and the part.
        pixel_size : mapping of str to float or None
            Distance between pixels of the image by axis letter.
        units : mapping of str to str or None
            Of these numbers, by axis letter.
        offset : mapping of str to float or None
            Where the centre of the image's first pixel is, in these units.
        turn : Turn, optional
            How the image is turned in the world; its positions are in these units.

        Raises
        ------
        VaesrError
            When a size is 0 or no number; below 0 it is that of an axis that is mirrored.
        """
        pixel_size, told, offset = _by_letter(pixel_size), _by_letter(units), _by_letter(offset)
        if not pixel_size.keys() & {*"ZYX"}:
            return cls()
        if not all(size and np.isfinite(size) for size in pixel_size.values()):
            raise VaesrError("The pixel size is 0 or no number along an axis, please correct it.")
        # Volumes and distances need one unit, that of X; what can't be told in it stays as it is.
        alike = comparable(pixel_size, told)
        offset = {**offset, **comparable({name: offset[name] for name in alike if name in offset}, told)}
        pixel_size = {**pixel_size, **alike}
        units = {**told, **(dict.fromkeys(alike, told["X"]) if "X" in told else {})}
        factors, region = _factors_and_region(source)
        size = {name: abs(pixel_size.get(name, 1.0)) / factors.along(name) for name in "ZYX"}
        first = dict.fromkeys("ZYX", 0.0) | region.first_pixel(factors)
        origin = {name: offset.get(name, 0.0) + first[name] * pixel_size.get(name, 1.0) for name in "ZYX"}
        symbols = {name: symbol(unit) or unit for name, unit in units.items()}
        mirrored = "".join(name for name in "ZYX" if pixel_size.get(name, 1.0) < 0)
        if turn is not None:
            turn = turn.in_units(comparable(dict.fromkeys(alike, 1.0), told))
        return cls(size, origin, symbols, mirrored, turn)

    def within(self, own: Field) -> Spacing:
        """Return the spacing along the axes of a field, in their order; where others are stays known."""
        names = [*own.axes, *(name for name in self.origin if name not in own.axes)]
        return replace(
            self,
            size={name: self.size.get(name, 1.0) for name in own.axes},
            origin={name: self.origin.get(name, 0.0) for name in names},
        )

    def units_of(self, quantities: set[str], axes: str) -> dict[str, str]:
        """Return the unit of every quantity that has one; pixels where no pixel size was told.

        Parameters
        ----------
        quantities : set of str
            Such as ``area`` and ``centroid-0``.
        axes : str
            Letters of the axes of a field.
        """
        unknown = "" if self.size else "px"
        found = {self.units.get(name, unknown) for name in axes}
        if len(found) > 1 or "" in found:
            return {}
        (unit,) = found
        power = {2: "²", 3: "³"}[len(axes)]
        names = {}
        for quantity in quantities:
            kind = quantity.rpartition("-")[0] or quantity
            if quantity in AREAS or quantity in VOLUMES:
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
        becomes one for each, such as ``centroid_y``, and an area of a volume ``volume``.
    """
    sizes = tuple(spacing.size[name] for name in axes)
    own, labels = without_gaps(labels)
    single = _counted(labels, image, sizes, quantities.properties)
    found: dict[tuple[int, str], float] = {(ALL, COUNT): float(single["label"].size)}
    mask = (labels > 0).astype(np.uint8)
    for part, counted in ((mask, _together(single)), (labels, single)):
        columns = quantities.table(part, image, sizes, counted)
        numbers = columns.pop("label")
        for name, column in columns.items():
            quantity, sign, shift = _named(name, axes, spacing)
            for number, value in zip(numbers, column, strict=True):
                key = (ALL if part is mask else int(own[number]), quantity)
                found[key] = sign * float(value) + shift
    if not single["label"].size:  # nothing there: sums are 0, and means are not known
        for name in quantities.table(np.ones_like(mask), np.ones(mask.shape), sizes):
            quantity, *_ = _named(name, axes, spacing)
            found[ALL, quantity] = 0.0 if name in AREAS | {"intensity_sum", "perimeter"} else np.nan
        del found[ALL, "label"]
    if spacing.turn is not None:
        found |= _in_world(found, axes, spacing, spacing.turn)
    return dict(sorted(found.items(), key=lambda item: item[0][0]))


def _named(name: str, axes: str, spacing: Spacing) -> tuple[str, float, float]:
    """Return the name of a column with letters for axes, and its sign and shift in the frame of the image."""
    if name in AREAS and len(axes) > 2:
        return name.replace("area", "volume"), 1.0, 0.0
    base, _, index = name.rpartition("-")
    if base in LENGTHS and index.isdecimal() and int(index) < len(axes):
        letter = axes[int(index)]
        is_place = base in POSITIONS
        sign = -1.0 if is_place and letter in spacing.mirrored else 1.0
        return f"{base}_{letter.lower()}", sign, spacing.origin[letter] if is_place else 0.0
    return name, 1.0, 0.0


def _in_world(
    found: Mapping[tuple[int, str], float], axes: str, spacing: Spacing, turn: Turn
) -> dict[tuple[int, str], float]:
    """Return the positions among what was found as they are in the world, where the image is turned."""
    placed: dict[tuple[int, str], float] = {}
    for base in POSITIONS:
        for number in [number for number, quantity in found if quantity == f"{base}_x"]:
            own = {name: found[number, f"{base}_{name.lower()}"] for name in axes}
            world = turn.to_world({**spacing.origin, **own})
            placed |= {(number, f"{base}_{name.lower()}"): world[name] for name in axes}
    return placed


def _by_letter(told: Mapping[str, T] | None) -> dict[str, T]:
    """Return what is told of axes by their letters, which may be small ones."""
    return {str(name).upper(): value for name, value in (told or {}).items()}


def _factors_and_region(source: Any) -> tuple[Factors, Region]:
    """Return how many times larger the pixels were, and the part of the source that was made larger."""
    if isinstance(source, UpscaleJob):
        return source.factors, source.region
    if isinstance(source, Result):
        return source.made.settings.factors, source.made.extent
    return Factors(), Region()

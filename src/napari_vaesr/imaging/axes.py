"""Named axes: which axes are the plane, and in which order the others are looped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.region import Factors, Region

LETTERS = "TCZYXS"
MOST_PLANES = 2**20
"""Planes that an image may have; a list of many more alone would fill the memory."""

STACKING = "ZT"
"""Axes that planes can be stacked along; where an image has both, they are along the first."""

LARGEST_PLANE = 2**40
"""Pixels that a plane may have."""

Place = Mapping[str, int]
"""An index for every looped axis."""

MEANING = "T time, C channel, Z depth, Y rows, X columns, S the colours of an RGB image"


class SourceArray(Protocol):
    """What is asked of an image: NumPy, Dask and Zarr arrays all have it."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""
        ...

    @property
    def dtype(self) -> Any:
        """Type of a pixel."""
        ...

    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True)
class Axes:
    """The named axes of an array, and the planes they make.

    A *plane* is what the network sees: all of two axes, mostly ``Y`` and ``X`` (and ``S`` of a colour image),
    at one position of every other axis. Planes are numbered from 0 in C order over those other axes, the
    *loop* axes.

    Attributes
    ----------
    names : str
        One upper-case letter per axis of the array, in its own order, for example ``"TCZYX"``.
    shape : tuple of int
        Length of every axis.
    plane : str
        Letters of the plane's rows and columns: ``"YX"``, or ``"ZX"`` or ``"ZY"`` of a volume.
    """

    names: str
    shape: tuple[int, ...]
    plane: str = "YX"

    @classmethod
    def parse(cls, names: str, shape: Sequence[int]) -> Axes:
        """Check axis letters against the shape of an array.

        Parameters
        ----------
        names : str
            Unique letters from ``TCZYXS`` in the order of the array's axes; lower case is accepted.
        shape : sequence of int
            The array's shape.

        Raises
        ------
        VaesrError
            When the letters don't fit the shape, repeat, are unknown, lack ``Y`` or ``X``, or ``S`` is not
            3 or 4 long; or when an axis has length 0.
        """
        letters = str(names).strip().upper()
        lengths = tuple(int(length) for length in shape)
        unknown = sorted(set(letters) - set(LETTERS))
        if unknown:
            raise VaesrError(f"Axes {names!r} hold {''.join(unknown)!r}, please use {MEANING}.")
        if len(set(letters)) != len(letters):
            raise VaesrError(f"Axes {names!r} name a letter twice, please name every axis once.")
        if len(letters) != len(lengths):
            raise VaesrError(
                f"Axes {names!r} name {len(letters)} axes but the image has shape {lengths}, "
                f"please give one letter for each of its {len(lengths)} axes ({MEANING})."
            )
        if "Y" not in letters or "X" not in letters:
            raise VaesrError(f"Axes {names!r} for the shape {lengths} lack Y or X, please name both.")
        if 0 in lengths:
            raise VaesrError(f"The image is empty (shape {lengths}), please choose one that has pixels.")
        planes = math.prod(n for name, n in zip(letters, lengths, strict=True) if name not in "YXS")
        pixels = math.prod(n for name, n in zip(letters, lengths, strict=True) if name in "YX")
        if planes > MOST_PLANES or pixels > LARGEST_PLANE:
            raise VaesrError(
                f"An image of shape {lengths} has more planes or pixels than can be handled, "
                "please choose a part of it."
            )
        if "S" in letters and lengths[letters.index("S")] not in (3, 4):
            raise VaesrError(
                f"Axis S of the shape {lengths} must be 3 or 4 long (RGB or RGBA), "
                f"please name separate channels C."
            )
        return cls(letters, lengths)

    @property
    def lengths(self) -> dict[str, int]:
        """Length of every axis by its letter."""
        return dict(zip(self.names, self.shape, strict=True))

    @property
    def height(self) -> int:
        """Length of the plane's rows' axis, mostly ``Y``, in pixels."""
        return self.lengths[self.plane[0]]

    @property
    def width(self) -> int:
        """Length of the plane's columns' axis, mostly ``X``, in pixels."""
        return self.lengths[self.plane[1]]

    @property
    def across(self) -> str:
        """Letter of the axis of a volume that lies across the plane: ``Z`` of ``Y`` and ``X``."""
        return next(name for name in "YXZ" if name not in self.plane)

    def beside(self, along: str) -> str:
        """Letter of the axis that neighbours lie along: of planes of ``Y`` and ``X`` `along`, else across."""
        return along if self.plane == "YX" else self.across

    @property
    def stacked_along(self) -> str | None:
        """Letter of the axis that planes are stacked along: ``Z``, else ``T``; None for single ones."""
        return next((name for name in STACKING if self.lengths.get(name, 1) > 1), None)

    @property
    def is_rgb(self) -> bool:
        """Whether pixels are colours, that is, whether there is an ``S`` axis."""
        return "S" in self.names

    @property
    def loop_names(self) -> str:
        """Letters of the axes that planes are numbered over, in the array's order."""
        return "".join(name for name in self.names if name not in self.plane + "S")

    @property
    def loop_shape(self) -> tuple[int, ...]:
        """Lengths of the loop axes."""
        return tuple(self.lengths[name] for name in self.loop_names)

    @property
    def plane_names(self) -> str:
        """Letters of the axes inside a plane, in the array's order, for example ``"YX"`` or ``"SYX"``."""
        return "".join(name for name in self.names if name in self.plane + "S")

    @property
    def plane_count(self) -> int:
        """Number of planes."""
        return math.prod(self.loop_shape)

    def plane_coordinates(self, n: int) -> dict[str, int]:
        """Return the index of plane `n` along every loop axis, by letter.

        Raises
        ------
        VaesrError
            When there is no such plane.
        """
        if not 0 <= n < self.plane_count:
            raise VaesrError(f"There is no plane {n}, please choose one from 0 to {self.plane_count - 1}.")
        indices = np.unravel_index(n, self.loop_shape) if self.loop_shape else ()
        return {name: int(index) for name, index in zip(self.loop_names, indices, strict=True)}

    def plane_number(self, coordinates: Mapping[str, int]) -> int:
        """Return the number of the plane at these indices.

        Parameters
        ----------
        coordinates : mapping of str to int
            One index for every loop axis; other letters are ignored.

        Raises
        ------
        VaesrError
            When one of the loop axes has no such index, or none is given for it.
        """
        number = 0
        for name, length in zip(self.loop_names, self.loop_shape, strict=True):
            index = coordinates.get(name)
            if index is None or not 0 <= index < length:
                raise VaesrError(
                    f"Axis {name} is at {index}, please give an index from 0 to {length - 1} for it."
                )
            number = number * length + int(index)
        return number

    def channel_of(self, n: int) -> int:
        """Return the index of plane `n` along ``C``, 0 where there is no such axis."""
        return self.plane_coordinates(n).get("C", 0)

    def planes_of_channel(self, channel: int) -> list[int]:
        """Return the numbers of the planes at one index along ``C``; all of them without such an axis."""
        numbers: npt.NDArray[np.int_] = np.arange(self.plane_count).reshape(self.loop_shape)
        if "C" in self.loop_names:
            numbers = np.take(numbers, channel, axis=self.loop_names.index("C"))
        planes: list[int] = numbers.ravel().tolist()
        return planes

    def planes_of(self, region: Region) -> list[int]:
        """Return the numbers of the planes that a region has a part of, in order."""
        positions = product(*(region.get(name, range(self.lengths[name])) for name in self.loop_names))
        return [self.plane_number(dict(zip(self.loop_names, each, strict=True))) for each in positions]

    def region(self, n: int, rows: range, columns: range) -> Region:
        """Return a part of plane `n` as a region, every axis but ``S`` named.

        Parameters
        ----------
        n : int
            The plane, in the order of the loop axes.
        rows, columns : range
            The part of it, pixels.

        Raises
        ------
        VaesrError
            When there is no such plane.
        """
        ranges = {name: range(index, index + 1) for name, index in self.plane_coordinates(n).items()}
        return Region({**ranges, self.plane[0]: rows, self.plane[1]: columns})

    def output_selector(self, n: int, rows: slice, columns: slice) -> tuple[int | slice, ...]:
        """Return the index of a part of plane `n` in an array with these axis names.

        The length of the plane's axes plays no part, so it serves an upscaled array too. What is written
        there must have the axes in the array's order: see `arrange_plane`.
        """
        index: dict[str, int | slice] = {
            **self.plane_coordinates(n),
            self.plane[0]: rows,
            self.plane[1]: columns,
            "S": slice(None),
        }
        return tuple(index[name] for name in self.names)

    def read_plane(self, array: SourceArray, n: int, rows: slice, columns: slice) -> npt.NDArray[Any]:
        """Read a part of plane `n` in one bounded read.

        Parameters
        ----------
        array : NumPy, Dask or Zarr array
            The image these axes belong to.
        n : int
            Plane number.
        rows, columns : slice
            The part wanted, in pixels.

        Returns
        -------
        ndarray of shape (Y, X) or (Y, X, S)
            In this order whatever the order in the array; the letters are those of `plane`.
        """
        part = as_plain(array[self.output_selector(n, rows, columns)])
        order = [name for name in self.plane + "S" if name in self.names]
        return np.transpose(part, [self.plane_names.index(name) for name in order])

    def arrange_plane(self, plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Bring a (Y, X) or (Y, X, S) plane into the order that the axes have in the array."""
        order = self.plane + "S"
        return np.transpose(plane, [order.index(name) for name in self.plane_names])

    def with_lengths(self, lengths: Mapping[str, int]) -> Axes:
        """Return the same axes, some of them of another length."""
        return replace(self, shape=tuple({**self.lengths, **lengths}[name] for name in self.names))

    def of_region(self, region: Region) -> Axes:
        """Return the axes of a part of the image."""
        return self.with_lengths(region.lengths)

    def upscaled(self, factors: Factors) -> Axes:
        """Return the axes of the whole image made larger."""
        lengths = self.lengths.items()
        return self.with_lengths({name: len(factors.made_of(name, range(n))) for name, n in lengths})

    def of_enlarged(self, region: Region, factors: Factors) -> Axes:
        """Return the axes of what becomes of a part of the image."""
        return self.with_lengths(region.enlarged(factors).lengths)

    def without_samples(self) -> Axes:
        """Return the same axes less ``S``, as the uncertainty of a colour image has them."""
        lengths = {name: length for name, length in self.lengths.items() if name != "S"}
        return replace(self, names="".join(lengths), shape=tuple(lengths.values()))


@dataclass(frozen=True)
class Source:
    """An image and its axes.

    Attributes
    ----------
    array : NumPy, Dask or Zarr array
        The pixels.
    axes : Axes
        What they are arranged by.
    pixel_size : mapping of str to float
        Distance between pixels by axis letter, in one unit; empty where it is not known.
    """

    array: SourceArray
    axes: Axes
    pixel_size: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, array: SourceArray, names: str, pixel_size: Mapping[str, float] = MappingProxyType({})
    ) -> Source:
        """Name the axes of an array.

        Parameters
        ----------
        array : array
            Any that has a shape and a dtype and reads slices, such as those of NumPy, Dask and Zarr.
        names : str
            One letter of ``TCZYXS`` per axis.
        pixel_size : mapping of str to float, optional
            Distance between pixels by axis letter, in one unit.

        Raises
        ------
        VaesrError
            As `Axes.parse`.
        """
        return cls(array, Axes.parse(names, array.shape), dict(pixel_size))

    def read(self, region: Region) -> npt.NDArray[Any]:
        """Read a region, every axis but ``S`` named, in one bounded read; axes in the array's order."""
        where = {**region.slices, "S": slice(None)}
        return as_plain(self.array[tuple(where[name] for name in self.axes.names)])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a pixel."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype


def as_plain(part: Any) -> npt.NDArray[Any]:
    """Return a part of any array as a NumPy array.

    Raises
    ------
    VaesrError
        When it cannot be had as one, or pixels of it are masked: what is below a mask is no intensity.
    """
    if hasattr(part, "magnitude") and hasattr(part, "units"):  # a quantity of pint, or one like it
        part = part.magnitude
    if hasattr(part, "dask"):
        # Callbacks that are on in the program, such as napari's cache, fail where two threads compute.
        computed = part.compute(callbacks=())
    else:
        computed = part.compute() if hasattr(part, "compute") else part
    if np.ma.is_masked(computed):
        raise VaesrError("Pixels of the image are masked, please fill them (numpy.ma.filled) first.")
    try:
        return np.asarray(computed)
    except (TypeError, RuntimeError) as error:  # on a GPU, for example
        raise VaesrError(
            "The image can't be read as a NumPy array, please give one: of a CuPy array, cupy.asnumpy(image)."
        ) from error


def default_axes(ndim: int, rgb: bool = False) -> str | None:
    """Return axis letters where the number of axes leaves no doubt, else None.

    Axes are never guessed from sizes: a plain 2-D image is ``"YX"`` and a 3-D image known to be RGB is
    ``"YXS"``; anything else has to be named by the user.
    """
    return {(2, False): "YX", (3, True): "YXS"}.get((ndim, rgb))

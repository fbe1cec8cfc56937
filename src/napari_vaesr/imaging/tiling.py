"""Cutting a plane into tiles that give the same result as the whole plane.

All coordinates are global low-res pixels of the plane. A tile's *core* is the part of the result it is
responsible for; its *padded* part is what the network has to see for that, core plus halo. Padded parts start
and stop on multiples of the alignment (the network's coarsest latent stride), so every tile divides the plane
into latent cells at the same places. They end with the image, at the next multiple of the alignment; the few
pixels in between, and whatever else is asked for outside of the image, are reflected.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.errors import VaesrError


@dataclass(frozen=True)
class Tile:
    """One tile of a plane.

    Attributes
    ----------
    rows, columns : range
        The core, low-res pixels.
    padded_rows, padded_columns : range
        The core with its halo; may leave the image on every side.
    """

    rows: range
    columns: range
    padded_rows: range
    padded_columns: range

    @property
    def padded_shape(self) -> tuple[int, int]:
        """Height and width of the padded tile, low-res pixels."""
        return len(self.padded_rows), len(self.padded_columns)

    def core_slices(self, factor: tuple[int, int] = (1, 1)) -> tuple[slice, slice]:
        """Return where the core lies inside the padded tile enlarged by factors of rows and columns."""
        rows, columns = factor
        return _inside(self.rows, self.padded_rows, rows), _inside(self.columns, self.padded_columns, columns)

    def widened(self, pixels: int, shape: tuple[int, int]) -> Tile:
        """Return the tile with a larger core, as far as image and halo reach.

        Parameters
        ----------
        pixels : int
            Low-res ones, to add on every side.
        shape : (int, int)
            Height and width of the plane.
        """

        def more(core: range, padded: range, size: int) -> range:
            first, stop = (
                max(0, padded.start, core.start - pixels),
                min(size, padded.stop, core.stop + pixels),
            )
            return range(first, stop)

        height, width = shape
        return Tile(
            more(self.rows, self.padded_rows, height),
            more(self.columns, self.padded_columns, width),
            self.padded_rows,
            self.padded_columns,
        )

    def inside(self, other: Tile, factor: tuple[int, int] = (1, 1)) -> tuple[slice, slice]:
        """Return where the core lies inside the core of another tile, enlarged as for `core_slices`."""
        rows, columns = factor
        return _inside(self.rows, other.rows, rows), _inside(self.columns, other.columns, columns)


def _inside(core: range, padded: range, scale: int) -> slice:
    """Where one range lies inside another that is upscaled."""
    return slice((core.start - padded.start) * scale, (core.stop - padded.start) * scale)


def round_up(value: int, multiple: int) -> int:
    """Return the smallest multiple of `multiple` that is not below `value`."""
    return -(-value // multiple) * multiple


def chunk_side(side: int, longest: int) -> int:
    """Halve the side of a block until it is short enough for a chunk, so that chunks fill blocks."""
    while side > longest and side % 2 == 0:
        side //= 2
    return side


def plan_tiles(
    rows: range,
    columns: range,
    tile: int,
    halo: int,
    alignment: int,
    shape: tuple[int, int] | None = None,
) -> list[Tile]:
    """Cover a region with tiles, every pixel exactly once.

    Parameters
    ----------
    rows, columns : range
        The region, low-res pixels; it may start and stop anywhere.
    tile : int
        Largest side of a core, low-res pixels; rounded up to the alignment. Tiles are made as equal as
        possible, so they are often a little smaller.
    halo : int
        Context on every side of a core, low-res pixels; rounded up to the alignment.
    alignment : int
        Core origins (but for the region's own start) and padded ranges sit on multiples of this.

    shape : (int, int), optional
        Height and width of the image, at whose border padded ranges end; they may leave it without.

    Returns
    -------
    list of Tile
        Row by row.

    Raises
    ------
    VaesrError
        When the region is empty, `tile` or `alignment` is below 1, or `halo` below 0.
    """
    if tile < 1:
        raise VaesrError(f"The tile size is {tile}, please choose at least 1 pixel.")
    if halo < 0 or alignment < 1:
        raise VaesrError(
            f"Tiles need a halo from 0 and an alignment from 1, please change {halo} and {alignment}."
        )
    for extent in (rows, columns):
        if extent.step != 1 or not extent:
            raise VaesrError(f"The region {extent} holds no pixels to upscale, please choose a larger one.")
    height, width = shape or (None, None)
    return [
        Tile(core_rows, core_columns, padded_rows, padded_columns)
        for core_rows, padded_rows in _plan_axis(rows, tile, halo, alignment, height)
        for core_columns, padded_columns in _plan_axis(columns, tile, halo, alignment, width)
    ]


def _plan_axis(
    extent: range, tile: int, halo: int, alignment: int, size: int | None
) -> list[tuple[range, range]]:
    """Return (core, padded) along one axis: equal aligned cells, cut to the extent at both ends."""
    halo = round_up(halo, alignment)
    first = extent.start // alignment * alignment
    length = round_up(extent.stop - first, alignment)
    count = -(-length // round_up(tile, alignment))
    cell = round_up(-(-length // count), alignment)
    first_pixel = -halo if size is None else 0
    # Whatever the size of the tiles, they look no farther around the extent.
    end = min(first + length + halo, math.inf if size is None else round_up(size, alignment))
    return [
        (
            range(max(start, extent.start), min(start + cell, extent.stop)),
            range(max(start - halo, first_pixel), int(min(start + cell + halo, end))),
        )
        for start in range(first, extent.stop, cell)
    ]


def reflect_indices(indices: range | npt.NDArray[np.intp], size: int) -> npt.NDArray[np.intp]:
    """Return which pixel stands in for each index, by the rule of ``numpy.pad(mode="reflect")``.

    Parameters
    ----------
    indices : range or array of int
        Positions along an axis, any distance outside it.
    size : int
        Length of the axis in pixels, at least 1; a single pixel stands in for everything.
    """
    positions = np.asarray(indices, dtype=np.intp)
    if size == 1:
        return np.zeros_like(positions)
    period = 2 * (size - 1)
    positions = positions % period
    return np.minimum(positions, period - positions)


def read_padded(
    read: Callable[[slice, slice], npt.NDArray[Any]], tile: Tile, height: int, width: int
) -> npt.NDArray[Any]:
    """Read a padded tile, reflecting what lies outside the image.

    Parameters
    ----------
    read : callable
        ``read(rows, columns)`` returns the image's pixels there, of shape (Y, X) or (Y, X, S). Called once,
        with the smallest box that holds every pixel needed.
    tile : Tile
        What to read.
    height, width : int
        Size of the image in pixels.

    Returns
    -------
    ndarray of shape (len(tile.padded_rows), len(tile.padded_columns)) or with S behind
    """
    rows = reflect_indices(tile.padded_rows, height)
    columns = reflect_indices(tile.padded_columns, width)
    top, left = int(rows.min()), int(columns.min())
    box = read(slice(top, int(rows.max()) + 1), slice(left, int(columns.max()) + 1))
    return box[rows - top][:, columns - left]

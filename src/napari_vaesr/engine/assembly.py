"""A whole result in memory, put together from the pieces in which it is computed."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from napari_vaesr.arrays import Array, Float32Array
from napari_vaesr.engine.result import Piece, maps_of, maps_shape, result_dtype
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes

LARGEST_HELD = 2**29
"""Bytes of samples that are held in memory; more of them lie in a temporary file."""


class Assembly:
    """Mean, uncertainty and samples of a result, as `Result` has them once all pieces are in place.

    Parameters
    ----------
    axes : Axes
        Of the result's mean.
    settings : UpscaleSettings
        Decide what there is to hold.
    dtype : dtype
        The source's.
    keep_samples : bool
        Hold every sample too.

    Raises
    ------
    VaesrError
        When it does not fit into memory.
    """

    def __init__(
        self, axes: Axes, settings: UpscaleSettings, dtype: npt.DTypeLike, keep_samples: bool
    ) -> None:
        self._axes, self._spread_axes, self._kind = axes, axes.without_samples(), settings.uncertainty
        shape, dtype = axes.shape, result_dtype(dtype)
        self.mean: Array = allocate(shape, dtype)
        self.std: Float32Array | None = None
        self.uncertainty: Float32Array | None = None
        if settings.has_spread:
            spread = self._spread_axes.shape
            self.std = self.uncertainty = allocate(spread, np.float32)
            if self._kind != "std":
                self.uncertainty = allocate(maps_shape(self._kind, spread), np.float32)
        self.samples: Array | None = scratch((settings.samples, *shape), dtype) if keep_samples else None

    def put(self, inside: Mapping[str, slice], piece: Piece) -> None:
        """Put a piece in its place.

        Parameters
        ----------
        inside : mapping of str to slice
            Where in the result, by axis letter.
        piece : Piece
            What was computed.
        """
        where = _index(self._axes, inside)
        self.mean[where] = piece.mean
        if self.samples is not None and piece.samples is not None:
            self.samples[(slice(None), *where)] = piece.samples
        where = _index(self._spread_axes, inside)
        if self.std is not None and piece.std is not None:
            self.std[where] = piece.std
        if (
            self.uncertainty is not None
            and self.uncertainty is not self.std
            and piece.uncertainty is not None
        ):
            for whole, part in zip(maps_of(self._kind, self.uncertainty), piece.maps, strict=True):
                whole[where] = part


def _index(axes: Axes, inside: Mapping[str, slice]) -> tuple[slice, ...]:
    return tuple(inside.get(name, slice(None)) for name in axes.names)


def allocate(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Return an array to be filled.

    Parameters
    ----------
    shape : tuple of int
        How long its axes are.
    dtype : dtype
        Of its numbers.

    Returns
    -------
    array
        Zeros.

    Raises
    ------
    VaesrError
        When it does not fit into memory.
    """
    try:
        return np.zeros(shape, dtype)
    except (MemoryError, ValueError):
        pass
    raise VaesrError(
        f"A result of shape {shape} does not fit into memory, "
        "please write it to a file or choose fewer planes or a part of them."
    )


def scratch(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Return an array to be filled that takes no memory if it is large: a temporary file, gone with it.

    Parameters
    ----------
    shape : tuple of int
        How long its axes are.
    dtype : dtype
        Of its numbers.

    Raises
    ------
    VaesrError
        When the disk has no room for it.
    """
    needed = math.prod(shape) * np.dtype(dtype).itemsize
    if needed <= LARGEST_HELD:
        return allocate(shape, dtype)
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise VaesrError(
            f"The samples take {needed / 1e9:.1f} GB and the folder of temporary files, {folder}, has "
            f"{free / 1e9:.1f} GB left: choose a part of the image or fewer samples, or name another folder "
            "by the variable TMPDIR."
        )
    with tempfile.TemporaryFile() as file:  # the mapping keeps what it maps
        return np.memmap(file, np.dtype(dtype), "w+", shape=shape)

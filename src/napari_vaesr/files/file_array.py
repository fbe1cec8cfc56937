"""Arrays that stay in their file until they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import dask.array
import numpy as np
import numpy.typing as npt
from dask.base import tokenize

from napari_vaesr.errors import NotEnoughMemory, TryAgain, VaesrError
from napari_vaesr.files.place import Place, fingerprint
from napari_vaesr.imaging.axes import MOST_PLANES, Axes

LARGEST_CHUNK = 64 * 1024**2
"""Bytes of a plane above which it is read in parts."""

PART = 4096
"""About how long the sides of such a part are, in pixels; longer where the plane is narrow."""


@dataclass(frozen=True)
class FileArray:
    """An array in a file, opened when it is first read, here or in another process.

    Attributes
    ----------
    path : Path or Address
        The file, for messages.
    open : callable
        Returns the array; has to be picklable.
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its type.
    """

    path: Place
    open: Callable[[], Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @cached_property
    def _array(self) -> Any:
        return self.open()

    def __getitem__(self, key: Any, /) -> npt.NDArray[Any]:
        try:
            return np.asarray(self._array[key])
        except TryAgain:
            raise
        except MemoryError as error:  # the file may be sound, and smaller tiles may do
            raise NotEnoughMemory(
                f"There is not enough memory to read {self.path}, please close other programs or choose a "
                "part of the image."
            ) from error
        except Exception as error:  # whatever a decoder raises, the user needs to know which file it was
            raise TryAgain(
                f"{self.path} cannot be read here, it may be damaged or gone: {reason(error)}."
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        return FileArray, (self.path, self.open, self.shape, self.dtype)


def as_dask(array: FileArray, axes: str, native: tuple[int, ...]) -> Any:
    """Return a Dask array with one chunk per plane, or parts of a plane where it is very large.

    Parameters
    ----------
    array : FileArray
        What is read.
    axes : str
        Its axes.
    native : tuple of int
        Chunks of the file, so that parts of a plane hold whole ones.

    Raises
    ------
    VaesrError
        When it has so many planes and parts of them that nobody could go through them.
    """
    named = Axes.parse(axes, array.shape)
    plane = prod(n for name, n in zip(named.names, array.shape, strict=True) if name in "YXS")
    large = plane * array.dtype.itemsize > LARGEST_CHUNK
    side = PART**2 // min(PART, named.height, named.width) if large else max(named.height, named.width)
    chunks = tuple(
        min(n, -(-side // own) * own) if name in "YX" else n if name == "S" else 1
        for name, n, own in zip(named.names, array.shape, native, strict=True)
    )
    if prod(-(-n // part) for n, part in zip(array.shape, chunks, strict=True)) > MOST_PLANES:
        shown = " × ".join(map(str, array.shape))
        raise VaesrError(f"{array.path} has {shown} pixels, more than can be handled: please choose a part.")
    token = tokenize(str(array.path.resolve()), *fingerprint(array.path), array.shape, array.open)
    empty = np.empty((0,) * array.ndim, array.dtype)
    return dask.array.from_array(array, chunks=chunks, name=f"image-{token}", meta=empty)  # type: ignore[no-untyped-call]


def reason(error: BaseException) -> str:
    """Return the first line of an error's message, without the full stop, to be put into a sentence."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__

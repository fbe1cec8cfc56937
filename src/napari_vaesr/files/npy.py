"""NumPy files, read piece by piece: a mapped file that is cut off meanwhile takes the process with it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class NpyArray:
    """The array of a ``.npy`` file.

    Attributes
    ----------
    path : Path
        The file.
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its type.
    start : int
        Where in the file its numbers begin, in bytes.
    is_fortran : bool
        Whether the first axis changes fastest.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int
    is_fortran: bool

    @classmethod
    def open(cls, path: Path) -> NpyArray:
        """Read a file's header; nothing is unpickled.

        Raises
        ------
        OSError, ValueError, EOFError
            When the file is damaged, cut off, or holds objects or an archive.
        """
        # Only NumPy knows all versions of the header. No page of the mapping is ever touched.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(mapped, np.memmap):
            mapped.close()
            raise ValueError("it holds several arrays, please save a single one with numpy.save")
        is_fortran = mapped.flags.f_contiguous and not mapped.flags.c_contiguous
        return cls(path, mapped.shape, mapped.dtype, int(mapped.offset), is_fortran)

    def __getitem__(self, key: Any, /) -> npt.NDArray[Any]:
        """Read a part; an index, or a slice with a positive step, along every axis."""
        parts = key if isinstance(key, tuple) else (key,)
        parts += (slice(None),) * (len(self.shape) - len(parts))
        if self.is_fortran:
            return self._read(self.shape[::-1], parts[::-1]).transpose()
        return self._read(self.shape, parts)

    def _read(self, shape: tuple[int, ...], parts: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        """Read a part of an array in C order, run by run."""
        chosen = [
            range(part, part + 1) if not isinstance(part, slice) else range(*part.indices(length))
            for part, length in zip(parts, shape, strict=True)
        ]
        # Axes behind the last one that is cut are read at once, and those before it index by index.
        cut = max((axis for axis, each in enumerate(chosen) if len(each) < shape[axis]), default=0)
        behind = prod(shape[cut + 1 :])
        outer, inner = chosen[:cut], chosen[cut]
        read = np.empty((*map(len, outer), len(inner), *shape[cut + 1 :]), self.dtype)
        if read.size:
            span = slice(inner[0] * behind, (inner[-1] + 1) * behind)
            with self.path.open("rb") as file:
                places = product(*map(enumerate, outer))
                for place in places:
                    run = 0
                    for (_, index), length in zip(place, shape, strict=False):
                        run = run * length + index
                    first = run * shape[cut] * behind + span.start
                    file.seek(self.start + first * self.dtype.itemsize)
                    content = file.read((span.stop - span.start) * self.dtype.itemsize)
                    numbers = np.frombuffer(content, self.dtype)
                    if len(numbers) < span.stop - span.start:
                        raise OSError("it is cut off")
                    whole = numbers.reshape(-1, *shape[cut + 1 :])
                    read[tuple(at for at, _ in place)] = whole[:: inner.step]
        single = tuple(0 if not isinstance(part, slice) else slice(None) for part in parts)
        return read[single]

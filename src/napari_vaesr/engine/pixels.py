"""What a pass reads: the image itself, or what the pass before it made, in memory or on disk."""

from __future__ import annotations

import math
import shutil
import zlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from napari_vaesr.arrays import Array, Float32Array
from napari_vaesr.engine.assembly import Assembly
from napari_vaesr.engine.passes import Pass
from napari_vaesr.engine.result import Piece
from napari_vaesr.engine.upscaler import Step
from napari_vaesr.files.atomic import sync
from napari_vaesr.imaging.axes import Axes, Source
from napari_vaesr.imaging.colour import premultiplied
from napari_vaesr.imaging.intensity import check_finite
from napari_vaesr.imaging.region import Region
from napari_vaesr.imaging.tiling import chunk_side

CHUNK = 256
"""Longest side of the chunks in which an intermediate result lies on disk."""


class Pixels(ABC):
    """What is asked of what a pass reads; regions are pixels of the whole image, every axis named."""

    def prepare(self, region: Region) -> Generator[Step, None, None]:
        """Do what has to be done before a region can be read; yields as the work goes on."""
        yield from ()

    @abstractmethod
    def read(self, region: Region) -> Array:
        """Return the pixels of a region, the axes in the image's order, ``S`` whole."""

    def variance(self, region: Region) -> Float32Array | None:
        """Return their variance in unit intensity, without ``S``; None where they are what they are."""
        return None

    def residuals(self, region: Region) -> Float32Array | None:
        """Return what samples add to them, an axis of samples first; None where none were kept."""
        return None


class Original(Pixels):
    """The image itself, in its own intensities.

    Parameters
    ----------
    source : Source
        The image.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self, region: Region) -> Array:
        """Read a region; see `Pixels`.

        Raises
        ------
        VaesrError
            When it holds NaN or infinity.
        """
        pixels: Array = self._source.read(region)
        names = self._source.axes.names
        starts = {name: part.start for name, part in region.items() if name not in "YX"}
        check_finite(pixels, names, starts)
        if "S" not in names:
            return pixels
        # Colours are weighted by their alpha until the result is written.
        at = names.index("S")
        return np.moveaxis(premultiplied(np.moveaxis(pixels, at, -1)), -1, at)


@dataclass(frozen=True)
class Held(Pixels):
    """What a pass made, in memory, in unit intensities.

    Attributes
    ----------
    made : Assembly
        The pixels.
    region : Region
        Where in the enlarged image they are.
    axes : Axes
        Of that image.
    """

    made: Assembly
    region: Region
    axes: Axes

    def read(self, region: Region) -> Array:
        """Return a part; see `Pixels`."""
        part: Array = self.made.mean[index_of(region, self.region, self.axes)]
        return part

    def variance(self, region: Region) -> Float32Array | None:
        """Return the variance of a part; see `Pixels`."""
        if self.made.std is None:
            return None
        part: Float32Array = self.made.std[index_of(region, self.region, self.axes.without_samples())]
        return part**2

    def residuals(self, region: Region) -> Float32Array | None:
        """Return what samples add to a part's mean; see `Pixels`."""
        if self.made.samples is None:
            return None
        where = index_of(region, self.region, self.axes)
        parts: Float32Array = self.made.samples[(slice(None), *where)] - self.made.mean[where]
        return parts


@dataclass(frozen=True)
class Stored(Pixels):
    """What a pass makes, in a Zarr folder that any process can write blocks of and read.

    Attributes
    ----------
    path : Path
        The folder.
    step : Pass
        What makes it.
    """

    path: Path
    step: Pass

    @classmethod
    def create(cls, path: Path, step: Pass, block: Mapping[str, int], has_spread: bool) -> Stored:
        """Lay out a new folder; one that is there is removed.

        Parameters
        ----------
        path : Path
            The folder.
        step : Pass
            What will be made.
        block : mapping of str to int
            Sides of the blocks that are written, low-res pixels.
        has_spread : bool
            Whether there are variances, too.
        """
        if path.exists():
            shutil.rmtree(path)
        group = zarr.create_group(path)
        sides = step.block_sides(block)
        sides["S"] = step.result_axes.lengths.get("S", 1)
        for name in ["mean", "std"] if has_spread else ["mean"]:
            axes = _axes_of(step, name)
            group.create_array(
                name,
                shape=axes.shape,
                chunks=tuple(chunk_side(sides[letter], CHUNK) for letter in axes.names),
                dtype=np.float32,
                compressors=BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
            )
        return cls(path, step)

    def put(self, piece: Piece) -> None:
        """Write a block."""
        region = piece.region.enlarged(self.step.factors)
        self._arrays["mean"][self._index("mean", region)] = piece.mean
        if piece.std is not None:
            self._arrays["std"][self._index("std", region)] = piece.std
        for file in self._files(piece.region):
            sync(file)

    def stored(self, block: Region) -> int | None:
        """Return a checksum of what was made of a block, as it is on the disk; None where it is not."""
        checksum = 0
        try:
            for file in self._files(block):
                checksum = zlib.crc32(file.read_bytes(), checksum)
        except OSError:
            return None
        return checksum

    @property
    def is_whole(self) -> bool:
        """Whether there is a folder that was laid out to the end."""
        try:
            return bool(self._arrays["mean"].shape == self.step.result_axes.shape)
        except (OSError, KeyError, ValueError):
            return False

    def _files(self, block: Region) -> Iterator[Path]:
        """Yield the files that hold what was made of a block."""
        region = block.enlarged(self.step.factors)
        for name, array in sorted(self._arrays.items()):
            chunks = (
                range(part.start // side, -(-part.stop // side)) if part.stop is not None else range(1)
                for part, side in zip(self._index(name, region), array.chunks, strict=True)
            )
            for place in product(*chunks):
                yield self.path.joinpath(name, "c", *map(str, place))

    def read(self, region: Region) -> Array:
        """Return a part; see `Pixels`."""
        return np.asarray(self._arrays["mean"][self._index("mean", region)])

    def variance(self, region: Region) -> Float32Array | None:
        """Return the variance of a part; see `Pixels`."""
        if "std" not in self._arrays:
            return None
        std: Float32Array = np.asarray(self._arrays["std"][self._index("std", region)])
        return std**2

    def _index(self, name: str, region: Region) -> tuple[slice, ...]:
        """Return where a region lies in the array of this name."""
        return index_of(region, self.step.result_region, _axes_of(self.step, name))

    @cached_property
    def _arrays(self) -> dict[str, Any]:
        # Empty chunks are written too: what is not there has not been computed.
        with zarr.config.set({"array.write_empty_chunks": True}):
            return dict(zarr.open_group(self.path, mode="r+").arrays())

    def __reduce__(self) -> tuple[Any, ...]:
        return Stored, (self.path, self.step)


def _axes_of(step: Pass, name: str) -> Axes:
    """Return the axes of the array of this name: the mean has colours."""
    return step.result_axes if name == "mean" else step.result_axes.without_samples()


def index_of(region: Region, whole: Region, axes: Axes) -> tuple[slice, ...]:
    """Return the index of a region in an array that holds another one around it.

    Parameters
    ----------
    region : Region
        What is wanted.
    whole : Region
        What the array holds, pixels of the same image.
    axes : Axes
        Of the array; ``S`` is taken whole.
    """
    inside = region.within(whole)
    return tuple(inside.get(name, slice(None)) for name in axes.names)


def bytes_of(step: Pass, has_spread: bool) -> int:
    """Return the size of what a pass leaves to the next."""
    axes = step.result_axes
    return 4 * (math.prod(axes.shape) + math.prod(axes.without_samples().shape) * has_spread)

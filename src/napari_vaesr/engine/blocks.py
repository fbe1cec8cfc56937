"""Blocks: the parts in which a result is computed lazily, streamed into files, and spread over workers."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.planes import Piece
from napari_vaesr.engine.result import maps_shape, result_dtype
from napari_vaesr.engine.upscaler import Step
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.region import Factors, Region

LARGEST_BLOCK = 2048
"""Side of a block in pixels of the result; a larger plane is cut."""


@dataclass(frozen=True)
class BlockGrid:
    """The blocks of a job, each a part of one plane, numbered plane by plane and row by row.

    Attributes
    ----------
    axes : Axes
        Of the source.
    region : Region
        What is upscaled, low-res pixels, every axis named.
    side : int
        Side of a block in low-res pixels; blocks at the lower and right border are smaller.
    """

    axes: Axes
    region: Region
    side: int

    @classmethod
    def of(cls, job: UpscaleJob) -> BlockGrid:
        """Return the grid for a job; sides are powers of two, as chunks of files often are."""
        largest = max(job.factors.along(name) for name in job.axes.plane)
        side = 2 ** (max(LARGEST_BLOCK // largest, 1).bit_length() - 1)
        return cls(job.axes, job.region, side)

    @property
    def order(self) -> str:
        """Letters of the axes, the last of which changes fastest from block to block."""
        return self.axes.loop_names + self.axes.plane

    @property
    def shape(self) -> tuple[int, ...]:
        """How many blocks there are along each axis, in `order`."""
        return tuple(len(self.parts(name)) for name in self.order)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Height and width that hold the largest block, powers of two, in low-res pixels."""
        height, width = (_power_of_two(min(self.side, len(self.region[name]))) for name in self.axes.plane)
        return height, width

    def __len__(self) -> int:
        return math.prod(self.shape)

    def __getitem__(self, number: int) -> Region:
        return self.at(tuple(int(n) for n in np.unravel_index(number, self.shape)))

    def at(self, place: tuple[int, ...]) -> Region:
        """Return a block by its place along each axis, in `order`."""
        return Region({name: self.parts(name)[index] for name, index in zip(self.order, place, strict=True)})

    def place(self, number: int, factors: Factors) -> Region:
        """Return where a block lies in the result."""
        inside = self[number].within(self.region)
        return Region({name: range(part.start, part.stop) for name, part in inside.items()}).enlarged(factors)

    def parts(self, name: str) -> list[range]:
        """Return how the blocks cut an axis."""
        whole, side = self.region[name], self.side if name in self.axes.plane else 1
        return [whole[start : start + side] for start in range(0, len(whole), side)]


def block_steps(job: UpscaleJob, block: Region) -> Generator[Step, None, Piece]:
    """Compute a block: yields as the work goes on, and returns the result.

    Closing the generator cancels.
    """
    (number,) = job.axes.planes_of(block)
    plane = job.source_plane(number)
    rows, columns = (block[name] for name in job.axes.plane)
    plane.hold(job.tiles(rows, columns))
    made = job.axes.of_region(block).upscaled(job.factors)
    shape = made.height, made.width
    samples = (job.axes.lengths["S"],) if job.axes.is_rgb else ()
    mean = np.empty(shape + samples, result_dtype(job.array.dtype))
    kind = job.settings.uncertainty
    spread = np.empty(maps_shape(kind, shape), np.float32) if job.settings.has_spread else None
    for step in job.upscaler.moments(plane, rows, columns):
        if step.message:
            job.messages.append(step.message)
        if step.finished is not None:
            done = step.finished
            piece = plane.finish(done.tile, job.upscaler.factor, done.mean, done.std, kind)
            inside = piece.inside(block, job.factors)
            where = inside[job.axes.plane[0]], inside[job.axes.plane[1]]
            mean[where] = piece.mean
            if spread is not None and piece.uncertainty is not None:
                spread[..., *where] = piece.uncertainty
        yield step
    return Piece(block, mean, None, spread)


def _power_of_two(value: int) -> int:
    """Return the smallest power of two that is not below `value`."""
    return 1 << (value - 1).bit_length()

"""Blocks: the parts in which a result is computed lazily, streamed into files, and spread over workers."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.planes import Piece, result_dtype
from napari_vaesr.engine.result import maps_shape
from napari_vaesr.engine.upscaler import Step

LARGEST_BLOCK = 2048
"""Side of a block in pixels of the result; a larger plane is cut."""


@dataclass(frozen=True)
class Block:
    """A part of one plane.

    Attributes
    ----------
    position : int
        Which of the job's planes, from 0.
    rows, columns : range
        Where it is in the source's plane, low-res pixels.
    """

    position: int
    rows: range
    columns: range

    @property
    def pixels(self) -> int:
        """How many low-res pixels it has."""
        return len(self.rows) * len(self.columns)


@dataclass(frozen=True)
class BlockGrid:
    """The blocks of a job, numbered plane by plane and row by row.

    Attributes
    ----------
    planes : int
        How many planes.
    rows, columns : range
        The region of every plane, low-res pixels.
    side : int
        Side of a block in low-res pixels; blocks at the lower and right border are smaller.
    """

    planes: int
    rows: range
    columns: range
    side: int

    @classmethod
    def of(cls, job: UpscaleJob) -> BlockGrid:
        """Return the grid for a job; sides are powers of two, as chunks of files often are."""
        side = 2 ** (max(LARGEST_BLOCK // job.settings.scale, 1).bit_length() - 1)
        return cls(len(job.planes), job.rows, job.columns, side)

    @property
    def shape(self) -> tuple[int, int]:
        """How many blocks a plane has along Y and along X."""
        return -(-len(self.rows) // self.side), -(-len(self.columns) // self.side)

    @property
    def block_shape(self) -> tuple[int, int]:
        """Height and width that hold the largest block, powers of two, in low-res pixels."""
        return (
            _power_of_two(min(self.side, len(self.rows))),
            _power_of_two(min(self.side, len(self.columns))),
        )

    def __len__(self) -> int:
        return self.planes * self.shape[0] * self.shape[1]

    def __getitem__(self, number: int) -> Block:
        position, row, column = (int(n) for n in np.unravel_index(number, (self.planes, *self.shape)))
        return self.at(position, row, column)

    def at(self, position: int, row: int, column: int) -> Block:
        """Return a block by its plane and its place in the grid of that plane."""
        return Block(position, self.parts("Y")[row], self.parts("X")[column])

    def parts(self, axis: Literal["Y", "X"]) -> list[range]:
        """Return how the blocks cut an axis."""
        whole = self.rows if axis == "Y" else self.columns
        return [whole[start : start + self.side] for start in range(0, len(whole), self.side)]


def block_steps(job: UpscaleJob, block: Block) -> Generator[Step, None, Piece]:
    """Compute a block: yields as the work goes on, and returns the result.

    Closing the generator cancels.
    """
    scale = job.settings.scale
    plane = job.source_plane(job.planes[block.position])
    plane.hold(job.tiles(block.rows, block.columns))
    shape = len(block.rows) * scale, len(block.columns) * scale
    samples = (job.axes.shape[job.axes.names.index("S")],) if job.axes.is_rgb else ()
    mean = np.empty(shape + samples, result_dtype(job.array.dtype))
    kind = job.settings.uncertainty
    spread = np.empty(maps_shape(kind, shape), np.float32) if job.settings.has_spread else None
    for step in job.upscaler.moments(plane, block.rows, block.columns):
        if step.message:
            job.messages.append(step.message)
        if step.finished is not None:
            done = step.finished
            piece = plane.finish(done.tile, scale, done.mean, done.std, kind)
            where = piece.inside(block.rows, block.columns, scale)
            mean[where] = piece.mean
            if spread is not None and piece.uncertainty is not None:
                spread[..., *where] = piece.uncertainty
        yield step
    return Piece(block.rows, block.columns, mean, None, spread)


def _power_of_two(value: int) -> int:
    """Return the smallest power of two that is not below `value`."""
    return 1 << (value - 1).bit_length()

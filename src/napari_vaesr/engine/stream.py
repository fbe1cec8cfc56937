"""Results streamed into files, block by block; what is written is never computed again."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from napari_vaesr.engine.blocks import BlockGrid, block_steps
from napari_vaesr.engine.device import memory_released
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.planes import Piece
from napari_vaesr.engine.result import as_maps
from napari_vaesr.engine.stored import as_channels
from napari_vaesr.files.output import Output
from napari_vaesr.imaging.region import Region

WRITERS = 1
"""Blocks that are written while the next one is computed."""

Done = tuple[int, int | None]
"""Work done since the last one, and the number of a block that was written, if any was."""


def stream_blocks(
    job: UpscaleJob, output: Output, grid: BlockGrid, numbers: Iterable[int]
) -> Generator[Done, None, None]:
    """Compute blocks one after the other, and write them meanwhile.

    Parameters
    ----------
    job : UpscaleJob
        What to do.
    output : Output
        Where blocks go: their mean, or their colours, and their uncertainty as channels.
    grid : BlockGrid
        The blocks of the job.
    numbers : iterable of int
        Which of them.

    Yields
    ------
    work : int
        In units of `Progress`, since the last one.
    number : int or None
        The number of a block that is in the file now, and on the disk.
    """
    writing: deque[tuple[int, Future[None]]] = deque()
    with memory_released(), ThreadPoolExecutor(WRITERS, "write") as writers:
        for number in numbers:
            block = grid[number]
            piece = yield from _computed(job, block)
            writing.append((number, writers.submit(write_piece, job, output, piece)))
            del piece
            yield from _written(writing, at_most=WRITERS)
        yield from _written(writing, at_most=0)


def write_piece(job: UpscaleJob, output: Output, piece: Piece) -> None:
    """Write a piece of one plane as float32 channels."""
    inside = piece.inside(job.region, job.factors)
    where = Region({name: range(part.start, part.stop) for name, part in inside.items()})
    maps = () if piece.uncertainty is None else as_maps(piece.uncertainty)
    output.write(where, as_channels([piece.mean, *maps]))
    output.settle(where)


def _computed(job: UpscaleJob, block: Region) -> Generator[Done, None, Piece]:
    steps = block_steps(job, block)
    while True:
        try:
            step = next(steps)
        except StopIteration as finished:
            piece: Piece = finished.value
            return piece
        yield step.work, None


def _written(writing: deque[tuple[int, Future[None]]], at_most: int) -> Iterator[Done]:
    """Wait until no more than `at_most` blocks are still being written."""
    while writing and (len(writing) > at_most or writing[0][1].done()):
        number, future = writing.popleft()
        future.result()
        yield 0, number

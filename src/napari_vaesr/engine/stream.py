"""Results streamed into files, block by block; what is written is never computed again."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from napari_vaesr.engine.blocks import BlockGrid
from napari_vaesr.engine.device import memory_released
from napari_vaesr.engine.result import Piece
from napari_vaesr.engine.stage import Stage
from napari_vaesr.imaging.region import Region

WRITERS = 1
"""Blocks that are written while the next one is computed."""

Done = tuple[int, int | None]
"""Work done since the last one, and the number of a block that was written, if any was."""


class Store(Protocol):
    """Where pieces go; several processes may put some at once."""

    def put(self, piece: Piece) -> None:
        """Write a piece, and return when it would outlast a power failure."""

    def stored(self, block: Region) -> int | None:
        """Return a checksum of what was made of a block, as it is on the disk; None where it is not."""


def stream_blocks(
    stage: Stage, store: Store, grid: BlockGrid, numbers: Iterable[int]
) -> Generator[Done, None, None]:
    """Compute blocks one after the other, and write them meanwhile.

    Parameters
    ----------
    stage : Stage
        What to do.
    store : Store
        Where blocks go.
    grid : BlockGrid
        The blocks of the pass.
    numbers : iterable of int
        Which of them.

    Yields
    ------
    work : int
        In units of `Progress`, since the last one.
    number : int or None
        The number of a block that is in the file now.
    """
    writing: deque[tuple[int, Future[None]]] = deque()
    with memory_released(), ThreadPoolExecutor(WRITERS, "write") as writers:
        for number in numbers:
            piece = yield from _computed(stage, grid[number])
            writing.append((number, writers.submit(store.put, piece)))
            del piece
            yield from _written(writing, at_most=WRITERS)
        yield from _written(writing, at_most=0)


def _computed(stage: Stage, block: Region) -> Generator[Done, None, Piece]:
    steps = stage.compute(block)
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

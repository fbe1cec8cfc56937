"""The same result, computed where it is looked at: Dask arrays of mean and uncertainty."""

from __future__ import annotations

import uuid
import warnings
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import product
from threading import Lock, Thread
from time import sleep
from typing import Any

import dask.array as da
import numpy as np

from napari_vaesr.arrays import Array, Float32Array
from napari_vaesr.engine.blocks import BlockGrid
from napari_vaesr.engine.device import memory_released
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.pixels import Pixels, index_of
from napari_vaesr.engine.result import Piece, Result, map_names, result_dtype
from napari_vaesr.engine.stage import Stage
from napari_vaesr.engine.upscaler import Step
from napari_vaesr.engine.wanted import GivenUp, is_program_ending, unwanted_test
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.region import Region

CACHED_BYTES = 2**29
"""Finished chunks are kept up to this size, so that looking at the mean and then at the std computes once."""

IDLE_SECONDS = 0.3
"""How long nothing has to be asked for before neighbours are computed ahead."""

LOOK_AHEAD = "look-ahead"
"""Name of the threads that do so."""

TURN_SECONDS = 0.05
"""How often whoever waits for another chunk looks whether its own is still wanted."""

Key = tuple[int, ...]
"""A chunk: its place in the grid of blocks."""

Watch = Callable[[Piece], None]
"""Called with every block as it is done."""


def lazy_result(job: UpscaleJob, look_ahead: bool = False, watch: Watch | None = None) -> Result:
    """Return what a job makes as Dask arrays that compute it where they are read.

    Parameters
    ----------
    job : UpscaleJob
        What to do, on the whole image or a part of it.
    look_ahead : bool
        For viewers: while nothing is asked for, compute the planes next to the one that was, those in the
        direction of the last move first. Whatever is asked for meanwhile takes precedence.
    watch : callable, optional
        Called with every block of the result as it is done, in the thread that computes it.

    Returns
    -------
    Result
        Without samples.
    """
    chunks = _Chunks(job, look_ahead, watch)
    outline, grid, factors = chunks.outline, chunks.grid, chunks.stage.step.factors
    both = da.map_blocks(  # type: ignore[no-untyped-call]
        chunks.compute,
        chunks=tuple(
            tuple(len(factors.made_of(name, part)) for part in grid.parts(name)) for name in outline.names
        ),
        dtype=chunks.dtype,
        meta=np.empty((0,) * len(outline.names), chunks.dtype),
        name=f"upscale-{uuid.uuid4().hex}",
    )
    mean = both["mean"]
    if job.axes.is_rgb:  # the field's colours come last
        last = outline.names + "S"
        mean = mean.transpose([last.index(name) for name in job.axes.names])
    record = job.record().plain()
    if not chunks.maps:
        return Result(mean, None, None, record, job.axes.names)
    std, maps = both["std"], [both[name] for name in chunks.maps]
    if chunks.maps == ("std",):
        return Result(mean, std, std, record, job.axes.names)
    uncertainty = maps[0] if len(maps) == 1 else da.stack(maps)  # type: ignore[no-untyped-call]
    return Result(mean, std, uncertainty, record, job.axes.names)


class LazyPixels(Pixels):
    """What a pass makes, computed when the next one reads it; the blocks used last are remembered.

    Parameters
    ----------
    stage : Stage
        The pass that makes it.
    grid : BlockGrid
        Its blocks.
    """

    def __init__(self, stage: Stage, grid: BlockGrid) -> None:
        self._stage, self._grid = stage, grid
        self._recent: OrderedDict[Region, Piece] = OrderedDict()

    def prepare(self, region: Region) -> Generator[Step, None, None]:
        """Compute the blocks that a region has a part of; see `Pixels`."""
        blocks = self._blocks(region)
        for block in blocks:
            if block not in self._recent:
                self._recent[block] = yield from self._stage.compute(block)
            self._recent.move_to_end(block)
        while len(self._recent) > len(blocks) and self._kept_bytes() > CACHED_BYTES:
            self._recent.popitem(last=False)

    def read(self, region: Region) -> Array:
        """Return a part; see `Pixels`."""
        mean: Array = self._joined(region, self._stage.step.result_axes, lambda piece: piece.mean)
        return mean

    def variance(self, region: Region) -> Float32Array | None:
        """Return the variance of a part; see `Pixels`."""
        if not self._stage.upscaler.settings.has_spread:
            return None
        std: Float32Array = self._joined(
            region, self._stage.step.result_axes.without_samples(), lambda piece: piece.std
        )
        return std**2

    def _blocks(self, region: Region) -> list[Region]:
        wanted = region.reduced(self._stage.step.factors)
        places = {
            name: [index for index, part in enumerate(self._grid.parts(name)) if _overlap(part, wanted[name])]
            for name in wanted
        }
        names = list(places)
        return [self._grid.at(dict(zip(names, place, strict=True))) for place in product(*places.values())]

    def _joined(self, region: Region, axes: Axes, part_of: Callable[[Piece], Any]) -> Any:
        whole = np.empty(axes.of_region(region).shape, np.float32)
        for block in self._blocks(region):
            made = block.enlarged(self._stage.step.factors)
            common = Region({name: _overlap(part, region[name]) for name, part in made.items()})
            whole[index_of(common, region, axes)] = part_of(self._recent[block])[index_of(common, made, axes)]
        return whole

    def _kept_bytes(self) -> int:
        pieces = self._recent.values()
        return sum(piece.mean.nbytes + (0 if piece.std is None else piece.std.nbytes) for piece in pieces)


def _overlap(one: range, other: range) -> range:
    return range(max(one.start, other.start), max(one.start, other.start, min(one.stop, other.stop)))


class _Chunks:
    """Computes chunks of mean and uncertainty together, one at a time, and remembers the last ones.

    A chunk is a structured array with the fields ``mean`` (with the colours of an RGB image) and those of the
    uncertainty.
    """

    def __init__(self, job: UpscaleJob, look_ahead: bool = False, watch: Watch | None = None) -> None:
        self.job, self.grid, self.look_ahead = job, job.grid(len(job.passes) - 1), look_ahead
        self._watch, self._told = watch, len(job.messages)
        pixels: Pixels = job.original()
        for step in job.passes[:-1]:
            pixels = LazyPixels(job.stage(step.number, pixels), job.grid(step.number))
        self.stage = job.stage(len(job.passes) - 1, pixels)
        self.outline = job.result_axes.without_samples()
        samples = (job.axes.shape[job.axes.names.index("S")],) if job.axes.is_rgb else ()
        fields: list[tuple[Any, ...]] = [("mean", result_dtype(job.array.dtype), samples)]
        self.maps = map_names(job.settings.uncertainty) if job.settings.has_spread else ()
        fields += [(name, np.float32) for name in dict.fromkeys(["std", *self.maps] if self.maps else [])]
        self.dtype = np.dtype(fields)
        self._recent: OrderedDict[Key, Array] = OrderedDict()
        self._lock = Lock()
        self._asked: list[Key] = []
        self._requests = 0
        self._order = self.outline.loop_names + self.outline.plane
        self._shape = tuple(len(self.grid.parts(name)) for name in self._order)
        self._last: Key = (0,) * len(self._order)
        self._move = (len(self.outline.loop_names) - 1, 1)  # axis and direction of the last move

    def __dask_tokenize__(self) -> str:
        return uuid.uuid4().hex

    def compute(self, block_id: tuple[int, ...]) -> Array:
        """Return one chunk, from memory if it was computed lately; see `given_up_when` for `GivenUp`."""
        place = dict(zip(self.outline.names, block_id, strict=True))
        key = tuple(place[name] for name in self._order)
        given_up = unwanted_test()
        self._asked.append(key)
        try:
            with self._turn(given_up):
                chunk = self._recent.get(key)
                if chunk is None:
                    chunk = self._upscale(key, given_up)
                if chunk is None:
                    raise GivenUp
                self._keep(key, chunk)
                # Told here, for what is computed ahead has nobody to tell.
                news, self._told = self.job.messages[self._told :], len(self.job.messages)
                for message in news:
                    warnings.warn(message, stacklevel=2)
        finally:
            self._asked.remove(key)
        self._requests += 1
        if self.look_ahead:
            self._follow(key)
            work = partial(self._compute_ahead, self._requests, key)
            # No daemon: one that Python stops inside the network takes the program down with it.
            Thread(target=work, name=LOOK_AHEAD).start()
        return chunk

    @contextmanager
    def _turn(self, given_up: Callable[[], bool]) -> Iterator[None]:
        """Compute alone: the network uses all cores already, and a neighbour may want the same chunk."""
        while not self._lock.acquire(timeout=TURN_SECONDS):
            if given_up():
                raise GivenUp
        try:
            yield
        finally:
            self._lock.release()

    def _upscale(self, key: Key, given_up: Callable[[], bool]) -> Array | None:
        """Compute a chunk; None if it was given up on the way."""
        block = self.grid.at(dict(zip(self._order, key, strict=True)))
        piece: Piece | None = None
        with memory_released(), closing(self.stage.compute(block)) as steps:
            while piece is None:
                if given_up():
                    return None
                try:
                    next(steps)
                except StopIteration as finished:
                    piece = finished.value
        if self._watch is not None:
            self._watch(piece)
        lengths = block.enlarged(self.stage.step.factors).lengths
        chunk = np.empty([lengths[name] for name in self.outline.names], self.dtype)
        axes = self.job.axes
        chunk["mean"] = np.moveaxis(piece.mean, axes.names.index("S"), -1) if axes.is_rgb else piece.mean
        if piece.uncertainty is not None:
            chunk["std"] = piece.std
            for name, part in zip(self.maps, piece.maps, strict=True):
                chunk[name] = part
        return chunk

    def _keep(self, key: Key, chunk: Array) -> None:
        self._recent[key] = chunk
        self._recent.move_to_end(key)
        while len(self._recent) > 1 and self._kept_bytes() > CACHED_BYTES:
            self._recent.popitem(last=False)

    def _kept_bytes(self) -> int:
        return sum(chunk.nbytes for chunk in self._recent.values())

    def _follow(self, key: Key) -> None:
        """Take note of a move along one axis."""
        loops = range(len(self.outline.loop_names))
        moved = [(axis, key[axis] - self._last[axis]) for axis in loops if key[axis] != self._last[axis]]
        if len(moved) == 1:
            self._move = moved[0][0], 1 if moved[0][1] > 0 else -1
        self._last = key

    def _compute_ahead(self, request: int, position: Key) -> None:
        """Compute what is likely to be asked for next, until something is."""
        sleep(IDLE_SECONDS)
        room = CACHED_BYTES // 2  # the rest is for what has been looked at
        for key in self._neighbours(position):
            with self._lock:
                if request != self._requests or self._asked or is_program_ending():
                    return
                if key in self._recent:
                    continue
                chunk = None
                # What is wrong is told to whoever asks for this chunk.
                with suppress(Exception):
                    chunk = self._upscale(key, partial(self._is_other_asked, key))
                if chunk is None or chunk.nbytes > room:
                    return
                room -= chunk.nbytes
                self._keep(key, chunk)

    def _is_other_asked(self, key: Key) -> bool:
        return any(asked != key for asked in self._asked) or is_program_ending()

    def _neighbours(self, position: Key) -> Iterator[Key]:
        """Yield chunks of the planes ahead, and of the one behind, along the axis of the last move."""
        if not self.outline.loop_names:
            return
        axis, direction = self._move
        loops = len(self.outline.loop_names)
        for steps in (direction, 2 * direction, -direction):
            if 0 <= position[axis] + steps < self._shape[axis]:
                plane = (*position[:axis], position[axis] + steps, *position[axis + 1 : loops])
                for row_and_column in np.ndindex(*self._shape[loops:]):
                    yield *plane, *row_and_column

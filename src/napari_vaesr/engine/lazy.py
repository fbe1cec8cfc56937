"""The same result, computed where it is looked at: Dask arrays of mean and uncertainty."""

from __future__ import annotations

import uuid
import warnings
from collections import OrderedDict
from threading import Lock
from typing import Any

import dask.array as da
import numpy as np

from napari_vaesr.engine.device import memory_released
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.planes import result_dtype
from napari_vaesr.engine.result import Array, map_names, maps_of
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.imaging.axes import SourceArray
from napari_vaesr.zoo.registry import Model

LARGEST_CHUNK = 2048
"""Side of a chunk in pixels of the result; a larger plane is cut."""

CACHED_BYTES = 2**28
"""Finished chunks are kept up to this size, so that looking at the mean and then at the std computes once."""


def lazy_upscale(
    array: SourceArray, axes: str, settings: UpscaleSettings, *, model: Model | None = None
) -> tuple[da.Array, da.Array | None, dict[str, Any]]:
    """Upscale lazily: nothing is computed now but the intensity scaling, from a bounded sample.

    Parameters
    ----------
    array : NumPy, Dask or Zarr array
        The image.
    axes : str
        One letter of ``TCZYXS`` per axis.
    settings : UpscaleSettings
        As for `UpscaleJob`.
    model : Model, optional
        The model, if it is loaded already.

    Returns
    -------
    mean : dask Array
        One chunk per plane, or per part of a large plane. Equal to the eager result.
    uncertainty : dask Array or None
        The kind of ``settings.uncertainty``, without ``S``; computed together with the mean. An interval has
        its two bounds along a first axis. None for one sample.
    record : dict
        As in `Result`.

    Raises
    ------
    VaesrError
        As `UpscaleJob`, right away.
    """
    job = UpscaleJob(array, axes, settings, model=model)
    chunks = _Chunks(job)
    outline = job.axes.without_samples()
    side = max(LARGEST_CHUNK // settings.scale, 1)
    lengths = {"Y": chunks.cut(job.axes.height, side), "X": chunks.cut(job.axes.width, side)}
    chunk_lengths = tuple(
        tuple(length * settings.scale for length in lengths[name]) if name in "YX" else (1,) * size
        for name, size in zip(outline.names, outline.shape, strict=True)
    )
    both = da.map_blocks(  # type: ignore[no-untyped-call]
        chunks.compute,
        chunks=chunk_lengths,
        dtype=chunks.dtype,
        meta=np.empty((0,) * len(outline.names), chunks.dtype),
        name=f"upscale-{uuid.uuid4().hex}",
    )
    mean = both["mean"]
    if job.axes.is_rgb:  # the field's colours come last
        last = outline.names + "S"
        mean = mean.transpose([last.index(name) for name in job.axes.names])
    maps = [both[name] for name in chunks.maps]
    uncertainty = None if not maps else maps[0] if len(maps) == 1 else da.stack(maps)  # type: ignore[no-untyped-call]
    return mean, uncertainty, job.record()


class _Chunks:
    """Computes chunks of mean and uncertainty together, one at a time, and remembers the last ones.

    A chunk is a structured array with the fields ``mean`` (with the colours of an RGB image) and those of the
    uncertainty.
    """

    def __init__(self, job: UpscaleJob) -> None:
        self.job = job
        self.outline = job.axes.without_samples()
        samples = (job.axes.shape[job.axes.names.index("S")],) if job.axes.is_rgb else ()
        fields: list[tuple[Any, ...]] = [("mean", result_dtype(job.array.dtype), samples)]
        self.maps = map_names(job.settings.uncertainty) if job.settings.has_spread else ()
        fields += [(name, np.float32) for name in self.maps]
        self.dtype = np.dtype(fields)
        self._recent: OrderedDict[tuple[int, ...], Array] = OrderedDict()
        self._lock = Lock()

    def __dask_tokenize__(self) -> str:
        return uuid.uuid4().hex

    @staticmethod
    def cut(size: int, side: int) -> tuple[int, ...]:
        """Return the lengths of nearly equal parts of at most `side`."""
        count = -(-size // side)
        return tuple(size * (i + 1) // count - size * i // count for i in range(count))

    def compute(self, block_id: tuple[int, ...]) -> Array:
        """Return one chunk, from memory if it was computed lately."""
        with self._lock:  # the network uses all cores already, and a neighbour may want the same chunk
            if block_id in self._recent:
                self._recent.move_to_end(block_id)
                return self._recent[block_id]
            with memory_released():
                chunk = self._upscale(block_id)
            self._recent[block_id] = chunk
            while len(self._recent) > 1 and sum(kept.nbytes for kept in self._recent.values()) > CACHED_BYTES:
                self._recent.popitem(last=False)
            return chunk

    def _upscale(self, block_id: tuple[int, ...]) -> Array:
        job, scale = self.job, self.job.settings.scale
        place = dict(zip(self.outline.names, block_id, strict=True))
        side = max(LARGEST_CHUNK // scale, 1)
        rows = _part(self.cut(job.axes.height, side), place["Y"])
        columns = _part(self.cut(job.axes.width, side), place["X"])
        number = job.axes.plane_number(place)
        plane = job.source_plane(number)
        plane.hold(job.tiles(rows, columns))
        chunk = np.empty((len(rows) * scale, len(columns) * scale), self.dtype)
        for step in job.upscaler.moments(plane, rows, columns):
            if step.message:
                job.messages.append(step.message)
                warnings.warn(step.message, stacklevel=2)
            if step.finished is None:
                continue
            done = step.finished
            piece = plane.finish(done.tile, scale, done.mean, done.std, job.settings.uncertainty)
            where = piece.inside(rows, columns, scale)
            chunk["mean"][where] = piece.mean
            if piece.uncertainty is not None:
                parts = maps_of(job.settings.uncertainty, piece.uncertainty)
                for name, part in zip(self.maps, parts, strict=True):
                    chunk[name][where] = part
        shape = [chunk.shape["YX".index(name)] if name in "YX" else 1 for name in self.outline.names]
        return self.outline.arrange_plane(chunk).reshape(shape)


def _part(lengths: tuple[int, ...], index: int) -> range:
    start = sum(lengths[:index])
    return range(start, start + lengths[index])

"""Samples of a result, one after the other and never all in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product

import numpy as np

from napari_vaesr.arrays import Array
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.result import Result
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.colour import visible_luma
from napari_vaesr.imaging.region import Region


@dataclass(frozen=True)
class Field:
    """A plane, or a stack of planes along Z, with every sample of it.

    Attributes
    ----------
    place : dict of str to int
        Where it is along the axes that are not its own, such as ``{"T": 3, "C": 0}``, in indices of the
        image that was upscaled.
    axes : str
        Its own, ``YX`` or ``ZYX``; colours have become luma.
    mean : ndarray
        The mean of the samples.
    samples : sequence of ndarray
        Each of the shape of `mean`; read when it is asked for.
    """

    place: dict[str, int]
    axes: str
    mean: Array
    samples: Sequence[Array]


def fields_of_job(job: UpscaleJob, progress: Callable[[Progress], None] | None = None) -> Iterator[Field]:
    """Draw the samples of a job, field by field; see `draws`.

    Parameters
    ----------
    job : UpscaleJob
        What to draw: the part that it upscales.
    progress : callable, optional
        Called with every `Progress` of the whole job. What it raises stops the work.
    """
    with closing(draws(job)) as steps:
        for step in steps:
            if isinstance(step, Field):
                yield step
            elif progress is not None:
                progress(step)


def draws(job: UpscaleJob) -> Generator[Progress | Field, None, None]:
    """Draw the samples of a job, and tell of the progress in between.

    Those of one field are there together, for a tile has to be encoded once then; in a temporary file if they
    are many (see `napari_vaesr.engine.assembly.scratch`).

    Yields
    ------
    Progress or Field
        Several times per tile how far the whole job is, and each field as soon as it is there. Its samples
        are those of ``upscale(..., keep_samples=True)``.

    Raises
    ------
    VaesrError
        As the job does, or when there is no room for the samples of a field.
    """
    done = 0
    apart = _apart(job.axes.of_region(job.region))
    for indices in product(*(job.region[name] for name in apart)):
        place = dict(zip(apart, indices, strict=True))
        part = UpscaleJob(
            job.source,
            job.settings,
            job.region.changed({name: range(index, index + 1) for name, index in place.items()}),
            model=job.model,
            scalings=job.scalings,
            calibrations=job.calibrations,
            keep_samples=True,
        )
        with closing(iter(part)) as steps:
            for step in steps:
                yield Progress(done + step.done, job.total, step.message)
        done += part.total
        job.messages += [message for message in part.messages if message not in job.messages]
        yield from fields_of_result(part.result)


def fields_of_result(result: Result) -> Iterator[Field]:
    """Yield the fields of a result that kept its samples.

    Raises
    ------
    VaesrError
        When it did not.
    """
    if result.samples is None:
        raise VaesrError(
            "The result has kept no samples to measure on: upscale with keep_samples=True, or give the "
            "UpscaleJob itself, which is drawn from as it is measured."
        )
    first = {name: part.start for name, part in result.made.extent.items()}
    yield from fields_of_arrays(np.asarray(result.mean), result.samples, result.axes, first)


def fields_of_arrays(
    mean: Array | None, samples: Array, axes: str, first: dict[str, int] | None = None
) -> Iterator[Field]:
    """Yield the fields of samples in memory, or memory-mapped.

    Parameters
    ----------
    mean : ndarray or None
        Of the axes `axes`; the mean of the samples by default.
    samples : array
        One axis of samples before those of `axes`.
    axes : str
        One letter of ``TCZYXS`` per axis.
    first : dict of str to int, optional
        Index in the source of the first position of an axis, where it is not 0.

    Raises
    ------
    VaesrError
        When the axes don't fit, or there are fewer than two samples.
    """
    named = Axes.parse(axes, samples.shape[1:])
    if len(samples) < 2:
        raise VaesrError("One sample has no spread, give 2 samples or more, better 32.")
    whole: Array = np.asarray(samples.mean(axis=0, dtype=np.float32)) if mean is None else mean
    for place, positions in _fields(named):

        def own(array: Array, positions: list[int] = positions) -> Array:
            planes = [
                _luma(named.read_plane(array, position, slice(None), slice(None))) for position in positions
            ]
            return np.stack(planes) if len(_own_names(named)) > 2 else planes[0]

        start = first or {}
        at = {name: index + start.get(name, 0) for name, index in place.items()}
        yield Field(at, _own_names(named), own(whole), _Each(samples, own))


def _fields(axes: Axes) -> Iterator[tuple[dict[str, int], list[int]]]:
    """Say where every field is, and the positions of its planes."""
    apart = _apart(axes)
    for indices in product(*(range(axes.lengths[name]) for name in apart)):
        place = dict(zip(apart, indices, strict=True))
        yield place, axes.planes_of(Region({name: range(at, at + 1) for name, at in place.items()}))


def _apart(axes: Axes) -> list[str]:
    """Return the axes that fields lie along: all that are looped over, but for that of a stack.

    A stack makes one field: objects reach from plane to plane.
    """
    return [name for name in axes.loop_names if name != "Z" or axes.lengths[name] == 1]


def count_fields(axes: Axes) -> int:
    """Return how many fields an image, or a part of one, has."""
    return math.prod(axes.lengths[name] for name in _apart(axes))


def _own_names(axes: Axes) -> str:
    """Return the axes of a field; a single plane is no stack."""
    return "ZYX" if axes.lengths.get("Z", 1) > 1 else "YX"


def _luma(plane: Array) -> Array:
    """Return the luma of colours, which is what the model draws, and a grey plane as it is."""
    return plane if plane.ndim == 2 else visible_luma(plane)


class _Each(Sequence[Array]):
    """The samples of one field, cut out of an array of samples one at a time."""

    def __init__(self, samples: Array, own: Callable[[Array], Array]) -> None:
        self._samples, self._own = samples, own

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, number):  # type: ignore[no-untyped-def]
        return self._own(self._samples[number])

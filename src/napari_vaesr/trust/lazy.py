"""Lazy results that say what is found out about them: of the image at once, of planes as they are done."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import dask.array as da

from napari_vaesr.engine.arguments import as_source
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.lazy import lazy_result
from napari_vaesr.engine.result import Piece, Result
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import UnlikeTrainingWarning
from napari_vaesr.imaging.axes import SourceArray
from napari_vaesr.trust.departures import can_depart, departure_of, in_words, is_much
from napari_vaesr.trust.familiar import note_unlike
from napari_vaesr.zoo.registry import Model


def lazy_upscale(
    array: SourceArray,
    axes: str,
    settings: UpscaleSettings,
    *,
    model: Model | None = None,
    pixel_size: Mapping[str, float] | None = None,
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
    pixel_size : mapping of str to float, optional
        As for `napari_vaesr.upscale`.

    Returns
    -------
    mean : dask Array
        One chunk per plane, or per part of a large plane. Equal to the eager result.
    uncertainty : dask Array or None
        The kind of ``settings.uncertainty``, without ``S``; computed together with the mean. An interval has
        its two bounds along a first axis. None for one sample.
    record : dict
        As in `Result`. Its ``departures`` and ``messages`` grow as planes are computed.

    Raises
    ------
    VaesrError
        As `UpscaleJob`, right away.

    Warns
    -----
    UnlikeTrainingWarning
        When the image is unlike those that the model learnt from.
    """
    job = UpscaleJob(as_source(array, axes, pixel_size), settings, model=model)
    if strange := note_unlike(job):
        warnings.warn(strange, UnlikeTrainingWarning, stacklevel=2)
    result = lazily(job)
    mean: Any = result.mean
    uncertainty: Any = result.uncertainty
    return mean, uncertainty, result.record


def lazily(job: UpscaleJob, look_ahead: bool = False, tell: Callable[[str], object] | None = None) -> Result:
    """Return a lazy result whose record grows with what is found out as planes are computed.

    Its ``departures`` are those of the plane that departs most from the image of all that were computed so
    far, and empty before; ``messages`` says so where that is much, and what else the user was told meanwhile.

    Parameters
    ----------
    job : UpscaleJob
        What to do.
    look_ahead : bool
        As for `lazy_result`.
    tell : callable, optional
        Called, once, with the sentence where a plane departs much; perhaps in another thread.
    """
    worst: dict[str, Any] = {}
    much: list[str] = []

    def watch(piece: Piece) -> None:
        found = departure_of(job, piece.region, piece.mean)
        if found is not None and found["share"] > worst.get("share", -1.0):
            worst.update(found)
            if is_much(found) and not much:  # not of every plane
                much.append(in_words(found))
                if tell is not None:
                    tell(much[0])
        result.record["messages"][:] = [*job.messages, *much]

    result = lazy_result(job, look_ahead, watch)
    if can_depart(job):
        result.record["departures"] = worst
    return result

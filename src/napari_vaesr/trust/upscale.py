"""`upscale` and `lazy_upscale`, the Python doors: a job, and what is found out of its image and its result.

Of a lazy result that is found out of planes as they are done.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, Unpack

import dask.array as da

from napari_vaesr.engine.arguments import as_source, spelled_out
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.lazy import lazy_result
from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.result import Piece, Result
from napari_vaesr.engine.settings import Asked, UpscaleSettings, make_settings
from napari_vaesr.errors import UnlikeTrainingWarning
from napari_vaesr.imaging.axes import SourceArray
from napari_vaesr.imaging.region import Region
from napari_vaesr.trust.departures import can_depart, departure_of, in_words, is_much, with_departures
from napari_vaesr.trust.familiar import note_unlike
from napari_vaesr.zoo.registry import Model


@spelled_out
def upscale(
    image: Any,
    axes: str | None = None,
    *,
    model: str | PathLike[str] | Model = "microscopy",
    pixel_size: Mapping[str, float] | None = None,
    extent: Mapping[str, range] | str | None = None,
    keep_samples: bool = False,
    progress: Callable[[Progress], None] | None = None,
    **settings: Unpack[Asked],
) -> Result:
    """Upscale an image along the axes of its scale, with the uncertainty of every pixel.

    Parameters
    ----------
    image : array
        NumPy, Dask, Zarr or xarray array of integers or finite floats; anything else becomes a NumPy array.
    axes : str, optional
        One letter per axis: ``T`` time, ``C`` channel, ``Z`` depth, ``Y`` rows, ``X`` columns, ``S`` the
        colours of an RGB image. May be left out for a 2-D image, and where the array names its dimensions.
    model : str, path or Model
        A name (see `napari_vaesr.models`), a path, an address, or what `napari_vaesr.load_model` returned.
    pixel_size : mapping of str to float, optional
        Distance between pixels by axis letter, in one unit, such as ``{"Z": 0.6, "Y": 0.25, "X": 0.25}``.
    extent : mapping of str to range, or str, optional
        The part to upscale: ``{"Z": range(10, 20), "Y": range(64)}`` or ``"Z=10:20,Y=0:64"``. Nothing else is
        computed, and its pixels are those of the whole result. All by default.
    keep_samples : bool
        Keep every sample in `Result.samples`, which takes as many times the memory of the mean.
    progress : callable, optional
        Called with a `Progress` several times per tile. What it raises stops the work.
    **settings
        What else is asked for, by the names of `UpscaleSettings`.

    Returns
    -------
    Result
        NumPy arrays with the axes of the input.

    Raises
    ------
    VaesrError
        When something about the input or the settings is not right; the message says what to do.

    Warns
    -----
    UnlikeTrainingWarning
        When the image is unlike those that the model learnt from.

    Examples
    --------
    >>> result = upscale(stack, axes="ZYX", scale=2, samples=16)  # doctest: +SKIP
    >>> result.mean.shape, result.std.shape  # doctest: +SKIP
    ((60, 512, 512), (60, 512, 512))
    """
    asked = make_settings(model=model.card.name if isinstance(model, Model) else model, **settings)
    loaded = model if isinstance(model, Model) else None
    source = as_source(image, axes, pixel_size)
    region = Region.asked(extent)
    job = UpscaleJob(source, asked, region, model=loaded, keep_samples=keep_samples)
    if strange := note_unlike(job):
        warnings.warn(strange, UnlikeTrainingWarning, stacklevel=2)
    job.run(progress)
    return with_departures(job)


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

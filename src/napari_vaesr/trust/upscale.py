"""The Python door: one function."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import closing
from os import PathLike
from typing import Any, Literal

from napari_vaesr.engine.api import as_source
from napari_vaesr.engine.conditions import SectionsSetting
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.result import Result
from napari_vaesr.engine.settings import CubicWay, Precision, UncertaintyKind, make_settings
from napari_vaesr.errors import UnlikeTrainingWarning
from napari_vaesr.imaging.region import Region
from napari_vaesr.trust.departures import with_departures
from napari_vaesr.trust.familiar import note_unlike
from napari_vaesr.zoo.card import ANY
from napari_vaesr.zoo.registry import Model


def upscale(
    image: Any,
    axes: str | None = None,
    *,
    model: str | PathLike[str] | Model = "microscopy",
    scale: int | Mapping[str, float] = 2,
    isotropic: CubicWay | None = None,
    samples: int = 16,
    uncertainty: UncertaintyKind = "std",
    domain: str = ANY,
    context: Literal["auto", "Z", "T", "none"] = "auto",
    noise: Literal["auto"] | float | Mapping[str, float] = "auto",
    blur: float | Mapping[str, float] = 0.0,
    sections: SectionsSetting = "unknown",
    seed: int = 0,
    temperature: float = 1.0,
    device: str = "auto",
    precision: Precision = "auto",
    tile: int | None = None,
    memory: int | None = None,
    pixel_size: Mapping[str, float] | None = None,
    extent: Mapping[str, range] | str | None = None,
    keep_samples: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Upscale an image along ``Y`` and ``X``, or ``Z`` too, with the uncertainty of every pixel.

    Parameters
    ----------
    image : array
        NumPy, Dask, Zarr or xarray array of integers or finite floats; anything else becomes a NumPy array.
    axes : str, optional
        One letter per axis: ``T`` time, ``C`` channel, ``Z`` depth, ``Y`` rows, ``X`` columns, ``S`` the
        colours of an RGB image. May be left out for a 2-D image, and where the array names its dimensions.
    model : str, path or Model
        A name (see `napari_vaesr.models`), a path, an address, or what `napari_vaesr.load_model` returned.
    scale : int or mapping of str to int or float
        How many times more pixels along ``Y`` and ``X``; or by axis letter, along ``Z`` too:
        ``{"Z": 4}``, ``{"Z": 2.5, "Y": 2, "X": 2}``. Products of the model's own factors take several passes;
        along ``Z`` a factor need not be a whole number.
    isotropic : {"exact", "nearest"}, optional
        Upscale along ``Z``, too, to cubic voxels, from `pixel_size`: exact makes planes by the nearest factor
        above and resamples them, nearest takes the nearest factor.
    samples : int
        How many possible images are drawn. Their number costs time but no memory; 1 gives no uncertainty.
    uncertainty : {"std", "variance", "relative", "interval"}
        Which uncertainty `Result.uncertainty` holds; ``interval`` is the 90 % interval, also as
        `Result.lower` and `Result.upper`.
    domain : str
        Kind of image that the uncertainty is calibrated for, ``any`` or one of the model card's ``domains``,
        such as ``fluorescence``.
    context : {"auto", "Z", "T", "none"}
        Where neighbouring planes are looked at, by models that do; auto: along ``Z`` where there is a stack,
        else along ``T``.
    noise : "auto", float or mapping
        Noise of the image, for models that are told it, as `microscopy` is: auto estimates it for each
        channel; 0 keeps every texture; a number is its standard deviation in the image's own unit, and
        ``{"gain": 2.1, "read": 4.0, "offset": 100}`` are those of the camera.
    blur : float or mapping
        Blur of the optics to undo, for models that are told it: its standard deviation in input pixels, or
        ``{"na": 1.4, "wavelength": 0.52, "pixel_size": 0.1}``, lengths in one unit. 0 leaves the optics as
        they are.
    sections : {"unknown", "thin", "thick"}
        What planes are that become more along ``Z``, for models that are told it: thin, so that what lies
        between two was left out; or thick, each an average over all the way to the next. With ``noise=0``
        the middle of the new planes, or their average, is the plane given.
    seed : int
        The same seed gives the same result.
    temperature : float
        Strength of the latent noise, from 0.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps`` or ``xpu``.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Number format of the network.
    tile : int, optional
        Largest side of a tile in input pixels. The result does not depend on it, but for rounding.
    memory : int, optional
        MiB that the network may use at a time; a share of what the device has by default.
    pixel_size : mapping of str to float, optional
        Distance between pixels by axis letter, in one unit, such as ``{"Z": 0.6, "Y": 0.25, "X": 0.25}``.
    extent : mapping of str to range, or str, optional
        The part to upscale: ``{"Z": range(10, 20), "Y": range(64)}`` or ``"Z=10:20,Y=0:64"``. Nothing else is
        computed, and its pixels are those of the whole result. All by default.
    keep_samples : bool
        Keep every sample in `Result.samples`, which takes as many times the memory of the mean.
    progress : callable, optional
        Called with a `Progress` several times per tile. What it raises stops the work.

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
    settings = make_settings(
        model=model.card.name if isinstance(model, Model) else model,
        scale=scale,
        isotropic=isotropic,
        samples=samples,
        uncertainty=uncertainty,
        domain=domain,
        context=context,
        noise=noise,
        blur=blur,
        sections=sections,
        seed=seed,
        temperature=temperature,
        device=device,
        precision=precision,
        tile=tile,
        memory=memory,
    )
    loaded = model if isinstance(model, Model) else None
    source = as_source(image, axes, pixel_size)
    region = Region.asked(extent)
    job = UpscaleJob(source, settings, region, model=loaded, keep_samples=keep_samples)
    if strange := note_unlike(job):
        warnings.warn(strange, UnlikeTrainingWarning, stacklevel=2)
    with closing(iter(job)) as steps:
        for step in steps:
            if progress is not None:
                progress(step)
    return with_departures(job)

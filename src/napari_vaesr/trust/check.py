"""Does a model hold on this very image? Made small again and upscaled, it is compared with itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_vaesr.arrays import Float32Array
from napari_vaesr.engine.acquisition import noise_level
from napari_vaesr.engine.arguments import as_source
from napari_vaesr.engine.conditions import conditions_of
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.settings import UpscaleSettings, make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Source
from napari_vaesr.imaging.colour import premultiplied
from napari_vaesr.imaging.intensity import IntensityScaling, fit_scalings
from napari_vaesr.imaging.region import Region
from napari_vaesr.imaging.sampling import evenly_spaced, middle_of
from napari_vaesr.trust.image_noise import made_small, noise_model, with_noise
from napari_vaesr.trust.levels import without_truth_noise
from napari_vaesr.trust.percent import percent
from napari_vaesr.trust.rivals import bicubic, lanczos
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.card import ANY
from napari_vaesr.zoo.registry import Model, load_model

PLANES, SIDE = 3, 512
"""Planes of a stack that are looked at, evenly spaced, and the largest side of the middle of each."""

SMALLEST = 16
"""Pixels a side, of the image made small, that tell something."""

FLAT = 1e-3
"""Part of the intensity range that a plane has to span to be looked at."""

BETTER = 0.1
"""dB over interpolation from which on a model is better."""

HONEST = (0.8, 0.97)
"""Share of the pixels inside 90 % intervals that is near enough."""

NOISE_ALONE = 0.9
"""Part of the measured squared errors that is noise from which on the rest is not known: no estimate of the
noise is nearer."""

LARGEST_CORRECTION = 8.0
"""How many times larger or smaller a check may make the std."""


@dataclass(frozen=True)
class Check:
    """How a model does on an image that was made small again.

    Attributes
    ----------
    model : str
        Its name.
    scale : int
        The factor that was checked.
    psnr : dict of str to float
        In dB of the intensity range, of ``model``, ``bicubic`` and ``Lanczos``; the noise of the image itself
        is taken out of all errors.
    coverage : float
        Share of the pixels inside their 90 % intervals.
    ratio : float
        Root mean squared error over root mean squared std: 1 is right, 2 means twice too sure.
    noise : float
        Standard deviation of the image's noise, in parts of its intensity range.
    calibrations : tuple of Calibration
        One for each channel, of the last pass, with the std corrected to what the check found; for
        ``UpscaleJob(calibrations=...)``. Those of the model where nothing was found, see `is_told`.
    images : dict of str to ndarray
        Of the last plane checked: ``input`` (small), ``model``, ``bicubic``, ``image`` and ``z``, the error
        over the std.
    noise_share : float
        Part of the model's mean squared error, as measured, that is the noise of the image; 0 to 1.
    """

    model: str
    scale: int
    psnr: dict[str, float]
    coverage: float
    ratio: float
    noise: float
    calibrations: tuple[Calibration, ...]
    images: dict[str, Float32Array] = field(repr=False, default_factory=dict)
    noise_share: float = 0.0

    @property
    def gain(self) -> float:
        """By how many dB the model is better than the better interpolation."""
        return self.psnr["model"] - max(self.psnr["bicubic"], self.psnr["Lanczos"])

    @property
    def is_better(self) -> bool:
        """Whether the model is better than interpolation."""
        return self.gain >= BETTER

    @property
    def is_honest(self) -> bool:
        """Whether its intervals hold about what they should."""
        return HONEST[0] <= self.coverage <= HONEST[1]

    @property
    def is_told(self) -> bool:
        """Whether errors stand out from the noise of the image, so that coverage and ratio mean something."""
        return self.noise_share < NOISE_ALONE

    @property
    def sentence(self) -> str:
        """What came out, in one or two plain sentences, with what to do in Python."""
        return self.advised("correct it by UpscaleJob(..., calibrations=check.calibrations)")

    @property
    def is_off(self) -> bool:
        """Whether the model is of use here, but its uncertainty should be corrected."""
        return self.is_told and self.is_better and not self.is_honest

    def advised(self, how: str = "") -> str:
        """Return what came out in plain sentences, and `how` the uncertainty is corrected where it is off."""
        if not self.is_told:
            better = f"{self.gain:.1f} dB better" if self.is_better else f"no better ({self.gain:+.1f} dB)"
            return (
                f"On this image the model is {better} than interpolation, but errors as small as its own "
                "can't be told from the noise of the image, so that nothing is known of its uncertainty: "
                "check where there is more structure."
            )
        held = f"its 90 % intervals hold {percent(self.coverage, *HONEST)} of the pixels"
        if not self.is_better:
            return (
                f"On this image the model is no better than interpolation ({self.gain:+.1f} dB), and {held}: "
                "try another model, or fine-tune one on images like this."
            )
        first = f"On this image the model is {self.gain:.1f} dB better than interpolation, and {held}"
        if not self.is_off:
            return f"{first}."
        is_small, advice = self.coverage < 0.9, f"; {how}." if how else "."
        if self.factor < 1.05 or (self.ratio > 1) != is_small:  # the std is right, or off the other way
            return f"{first}: they are too {'narrow' if is_small else 'wide'}{advice}"
        size = "small" if is_small else "large"
        return f"{first}: the uncertainty is too {size} by a factor of {self.factor:.1f}{advice}"

    @property
    def factor(self) -> float:
        """How many times too small or too large the std is; at least 1."""
        return max(self.ratio, 1 / max(self.ratio, 1e-6))

    def to_dict(self) -> dict[str, Any]:
        """Return all but the images, ready for JSON."""
        told = asdict(self)
        del told["images"], told["calibrations"]
        calibrations = [each.model_dump() for each in self.calibrations]
        return {"sentence": self.advised(), "gain": self.gain, **told, "calibrations": calibrations}


def check(
    image: Any,
    axes: str | None = None,
    *,
    model: str | Path | Model = "microscopy",
    scale: int = 2,
    samples: int = 16,
    domain: str = ANY,
    noise: Literal["auto"] | float | Mapping[str, float] = "auto",
    blur: float | Mapping[str, float] = 0.0,
    seed: int = 0,
    device: str = "auto",
    extent: Mapping[str, range] | str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Check:
    """Check on an image whether a model holds what it promises.

    The image is made small again by antialiased bicubic interpolation, given as much noise as it has itself,
    upscaled, and compared with itself, beside bicubic and Lanczos interpolation. It cannot see what the
    optics removed: that is neither in the image nor in any result. At most three planes are looked at, 512
    pixels a side in their middle; those with nothing to see tell nothing.

    Parameters
    ----------
    image, axes, model, scale, samples, domain, noise, blur, seed, device, extent
        As for `napari_vaesr.upscale`.
    progress : callable, optional
        Called as the work goes on. What it raises stops it.

    Returns
    -------
    Check
        Its `sentence` says it all.

    Raises
    ------
    VaesrError
        When the image is too small or has no contrast, or as `napari_vaesr.upscale` does.

    Examples
    --------
    >>> print(check(image, scale=2).sentence)  # doctest: +SKIP
    On this image the model is 1.8 dB better than interpolation, and its 90 % intervals hold 88 % of ...
    """
    if samples < 2:
        raise VaesrError("One sample has no spread to check, draw 2 samples or more.")
    settings = make_settings(
        model=model.card.name if isinstance(model, Model) else model,
        scale=scale,
        samples=samples,
        domain=domain,
        noise=noise,
        blur=blur,
        seed=seed,
        device=device,
    )
    source, region = as_source(image, axes), Region.asked(extent)
    return check_source(source, settings, region, load_model(model), progress=progress)


def check_source(
    source: Source,
    settings: UpscaleSettings,
    region: Mapping[str, range],
    model: Model,
    *,
    scalings: tuple[IntensityScaling, ...] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Check:
    """Check a part of an image with settings, as `check` does.

    Parameters
    ----------
    source : Source
        The image.
    settings : UpscaleSettings
        What is asked for; the scale is one number.
    region : mapping of str to range
        The part, low-res pixels; axes that it does not name are whole.
    model : Model
        A loaded one.
    scalings : tuple of IntensityScaling, optional
        One per channel; fitted to the image by default.
    progress : callable, optional
        Called with every `Progress`. What it raises stops the check.

    Raises
    ------
    VaesrError
        When the scale is not one number, or as `check`.
    """
    axes, factors = source.axes, settings.factors
    if set(factors) != {"Y", "X"} or factors["Y"] != factors["X"]:
        others = "".join(name for name in factors if name not in "YX")
        beyond = f", and can't correct what is made along {others}" if others else ""
        raise VaesrError(f"A check sees Y and X alone{beyond}: give it one number as the scale, such as 2.")
    if scalings is None:
        scalings = fit_scalings(source.array, axes, model.card.intensity)
    part = Region(region).of(axes.lengths)
    scale = settings.factors.whole("X")
    rows, columns = (_part_checked(part[name], scale) for name in "YX")
    if min(len(rows), len(columns)) < SMALLEST * scale:
        raise VaesrError(
            f"A part of {len(part['X'])} x {len(part['Y'])} pixels is too small to be checked, choose "
            f"{SMALLEST * scale} or more pixels a side."
        )
    numbers = axes.planes_of(part)
    chosen = evenly_spaced(len(numbers), PLANES)
    done: list[_Plane] = []
    for count, number in enumerate(numbers[place] for place in chosen):

        def tell(step: Progress, count: int = count) -> None:
            if progress is not None:
                total = step.total * len(chosen)
                progress(Progress(step.total * count + step.done, total, "checking"))

        plane = axes.read_plane(
            source.array, number, slice(rows.start, rows.stop), slice(columns.start, columns.stop)
        )
        channel = axes.channel_of(number)
        truth = scalings[channel].unit_luma(premultiplied(plane) if axes.is_rgb else plane, axes.is_rgb)
        if not np.ptp(truth) < FLAT:  # NaN is refused where it is read
            done.append(_check_plane(truth, channel, settings, model, scalings, tell))
    if not done:
        raise VaesrError("There is nothing to see in this part of the image: check where there is structure.")
    return _summed(done, settings, model, len(scalings))


@dataclass(frozen=True)
class _Plane:
    """What came of one plane, in parts of the intensity range."""

    channel: int
    power: dict[str, float]
    std: Float32Array
    error: Float32Array
    noise: float
    noise_share: float
    calibration: Calibration
    images: dict[str, Float32Array]


def _check_plane(
    truth: Float32Array,
    channel: int,
    settings: UpscaleSettings,
    model: Model,
    scalings: tuple[IntensityScaling, ...],
    progress: Callable[[Progress], None],
) -> _Plane:
    scale = settings.factors.whole("X")
    noise = noise_model(truth)
    said = conditions_of(settings, scalings[channel])
    small = with_noise(made_small(truth, scale, said.blur), noise, scale, settings.seed, said.blur)
    spread = float(np.sqrt(np.mean(noise.variance(truth))))
    # What the model is told of the image holds for the small one, which has the same noise and blur.
    level = min(noise_level(settings.noise, scalings[channel]), 1.0)
    own = IntensityScaling(offset=0.0, gain=1.0, noise=level, noise_line=(said.slope, said.intercept))
    told = settings.model_copy(update={"noise": "auto", "blur": said.blur})
    job = UpscaleJob(Source.of(small, "YX"), told, model=model, scalings=[own])
    result = job.run(progress)
    assert result.std is not None
    estimates = {
        "model": np.asarray(result.mean, np.float32),
        "bicubic": bicubic(small, scale),
        "Lanczos": lanczos(small, scale),
    }
    inside = (slice(scale, -scale),) * 2
    power = {}
    for name, estimate in estimates.items():
        squared = float(np.mean((estimate - truth)[inside] ** 2, dtype=np.float64))
        power[name] = max(squared - spread**2, 0.05 * squared)
    std = np.asarray(result.std, np.float32)
    measured = (estimates["model"] - truth)[inside].ravel()
    error, share = without_truth_noise(std[inside].ravel(), measured, spread)
    z = (estimates["model"] - truth) / np.maximum(std, 1e-6)
    images = {"input": small, "image": truth, "z": np.asarray(z, np.float32), **estimates}
    return _Plane(
        channel,
        power,
        std[inside].ravel(),
        error.astype(np.float32),
        spread,
        share,
        job.calibrations[-1],
        images,
    )


def _summed(planes: list[_Plane], settings: UpscaleSettings, model: Model, channels: int) -> Check:
    """Put the planes together, and correct the calibration of every channel by them."""
    psnr = {
        name: float(-10 * np.log10(max(float(np.mean([each.power[name] for each in planes])), 1e-12)))
        for name in planes[0].power
    }
    inside = [np.mean(np.abs(each.error) <= each.calibration.interval * each.std) for each in planes]
    std = np.concatenate([each.std for each in planes])
    error = np.concatenate([each.error for each in planes])
    share, corrected = _noise_share(planes), []
    for channel in range(channels):
        own = [each for each in planes if each.channel == channel] or planes
        is_told = max(share, _noise_share(own)) < NOISE_ALONE
        corrected.append(_corrected(own) if is_told else own[0].calibration)
    return Check(
        model=model.card.name,
        scale=settings.factors.whole("X"),
        psnr=psnr,
        coverage=float(np.mean(inside)),
        ratio=_rms(error) / max(_rms(std), 1e-12),
        noise=float(np.mean([each.noise for each in planes])),
        calibrations=tuple(corrected),
        images=planes[-1].images,
        noise_share=share,
    )


def _noise_share(planes: list[_Plane]) -> float:
    return float(np.mean([each.noise_share for each in planes]))


def _corrected(planes: list[_Plane]) -> Calibration:
    """Scale a calibration so that the std is right here, and its intervals hold nine tenths of the pixels."""
    std = np.concatenate([each.std for each in planes])
    error = np.concatenate([each.error for each in planes])
    ratio = float(np.clip(_rms(error) / max(_rms(std), 1e-12), 1 / LARGEST_CORRECTION, LARGEST_CORRECTION))
    reach = float(np.quantile(np.abs(error) / np.maximum(ratio * std, 1e-9), 0.9))
    card = planes[0].calibration
    changed = {"slope": ratio * card.slope, "offset": ratio * card.offset, "floor": ratio * card.floor}
    return card.model_copy(update={**changed, "interval": max(reach, 1e-3), "guaranteed": None})


def _rms(values: Float32Array) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _part_checked(part: range, scale: int) -> range:
    """Return the middle of a range, a multiple of the scale long."""
    return middle_of(part, min(len(part), SIDE) // scale * scale)

"""How an image was acquired, as settings take it: the noise of the camera and the blur of the optics."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.intensity import IntensityScaling
from napari_vaesr.vae.config import Conditions

GAUSSIAN_WIDTH = 0.21
"""Standard deviation of the Gaussian nearest to a widefield point spread function, in wavelengths over the
numerical aperture: of the same peak, by least squares over the plane, to an Airy pattern (Zhang, Zerubia and
Olivo-Marin, 2007, "Gaussian approximations of fluorescence microscope point-spread function models")."""


class Noise(BaseModel):
    """Noise of a camera: of variance ``gain * (intensity - offset) + read**2``, in the image's own unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gain: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="Intensity that one photon adds, for shot noise."
    )
    read: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="Standard deviation where there is no light."
    )
    offset: float = Field(default=0.0, allow_inf_nan=False, description="Intensity where there is no light.")


class Optics(BaseModel):
    """What the point spread function of a widefield microscope follows from; lengths in one unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    na: float = Field(gt=0, le=1.7, description="Numerical aperture of the objective.")
    wavelength: float = Field(gt=0, allow_inf_nan=False, description="Wavelength of the light seen.")
    pixel_size: float = Field(gt=0, allow_inf_nan=False, description="Size of an input pixel.")

    @property
    def blur(self) -> float:
        """Standard deviation of the nearest Gaussian in input pixels."""
        return GAUSSIAN_WIDTH * self.wavelength / self.na / self.pixel_size


NoiseSetting = Literal["auto"] | float | Noise
BlurSetting = float | Optics


def blur_in_pixels(blur: BlurSetting) -> float:
    """Return a blur as a standard deviation in input pixels.

    Parameters
    ----------
    blur : float or Optics
        A standard deviation in input pixels, or what it follows from.
    """
    return blur.blur if isinstance(blur, Optics) else float(blur)


def parse_condition(name: str, text: str) -> str | float | dict[str, float]:
    """Read a noise or a blur as it is typed: ``auto``, a number, or numbers by name.

    Parameters
    ----------
    name : str
        What it is, for the message.
    text : str
        Such as ``auto``, ``0.6`` or ``na=1.4,wavelength=0.52,pixel_size=0.13``.

    Raises
    ------
    VaesrError
        When it is none of these.
    """
    if text == "auto":
        return text
    try:
        if "=" not in text:
            return float(text)
        parts = (part.split("=") for part in text.split(","))
        return {key.strip(): float(value) for key, value in parts}
    except ValueError:
        noises, blurs = "12.5 or gain=2.1,read=4", "0.6 or na=1.4,wavelength=0.52,pixel_size=0.13"
        example = noises if name == "noise" else blurs
        raise VaesrError(f"The {name} {text!r} can't be read, please give one such as {example}.") from None


def typed_condition(setting: NoiseSetting | BlurSetting) -> str:
    """Write a noise or a blur as `parse_condition` reads it."""
    if isinstance(setting, BaseModel):
        return ",".join(f"{key}={value}" for key, value in setting.model_dump().items())
    return setting if isinstance(setting, str) else str(setting)


def noise_line(noise: NoiseSetting, scaling: IntensityScaling) -> tuple[float, float]:
    """Return slope and intercept of the variance of a channel's noise, in unit intensity.

    Parameters
    ----------
    noise : "auto", float or Noise
        In the unit of the image; ``"auto"``: as it was measured.
    scaling : IntensityScaling
        Of the channel.

    Returns
    -------
    slope, intercept : float
        The variance is ``slope * intensity + intercept``. Those told are 1 at most: there is no more noise
        than there are intensities, and a blank channel among others has hardly any.
    """
    if noise == "auto":
        return (0.0, scaling.noise**2) if scaling.noise_line is None else scaling.noise_line
    if not isinstance(noise, Noise):
        return 0.0, min(1.0, float(noise) / scaling.gain) ** 2
    at_zero = noise.gain * (scaling.offset - noise.offset) + noise.read**2
    return min(1.0, noise.gain / scaling.gain), min(1.0, max(0.0, at_zero) / scaling.gain**2)


TYPICAL = 0.25
"""Unit intensity at which one number stands for a noise that depends on the signal."""


def noise_level(noise: NoiseSetting, scaling: IntensityScaling) -> float:
    """Return the one number by which calibrations are chosen: a standard deviation in unit intensity.

    Parameters
    ----------
    noise, scaling
        As for `noise_line`.

    Returns
    -------
    float
        At most 1 where it was told.
    """
    if noise == "auto":
        return scaling.noise
    slope, intercept = noise_line(noise, scaling)
    return min(1.0, math.sqrt(slope * TYPICAL + intercept))


def noise_found(told: Conditions, scaling: IntensityScaling) -> Noise:
    """Return the noise that a network is told of a channel in the image's own unit.

    Parameters
    ----------
    told : Conditions
        In unit intensity.
    scaling : IntensityScaling
        Of the channel.
    """
    read = told.intercept**0.5 * scaling.gain
    return Noise(gain=told.slope * scaling.gain, read=read, offset=scaling.offset)

"""What can be set for an upscaling. The field descriptions are the tooltips and the documentation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from napari_vaesr.engine.acquisition import Noise, Optics
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Source
from napari_vaesr.imaging.region import Factors
from napari_vaesr.vae.config import NetworkConfig
from napari_vaesr.zoo.card import ANY, ModelCard

UncertaintyKind = Literal["std", "variance", "relative", "interval"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
CubicWay = Literal["exact", "nearest"]
SectionsSetting = Literal["unknown", "thin", "thick"]
ContextSetting = Literal["auto", "Z", "T", "none"]

GROWING = "ZYX"
"""Axes that can be made longer."""


CUBIC_ENOUGH = 0.01
"""Voxels that differ by less than this part along ``Z`` count as cubic."""

ONE_SAMPLE = "One sample has no spread, so there is no uncertainty: draw 2 samples or more to get one."
NO_TEMPERATURE = "At temperature 0 all samples agree, so there is no uncertainty: raise it to 1 to get one."


class UpscaleSettings(BaseModel):
    """All the choices that make a result, together with the model and the input."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(
        default="microscopy",
        min_length=1,
        description="Which model: a name, the path of its file, or an https address.",
    )
    scale: int | dict[str, int | float] = Field(
        default=2,
        description="How many times more pixels along Y and along X, or for each axis, such as Z=4,Y=2,X=2. "
        "Along Z it need not be a whole number: planes are resampled then.",
    )
    isotropic: CubicWay | None = Field(
        default=None,
        description="Upscale along Z, too, to cubic voxels, from the voxel size: exact makes planes by the "
        "nearest factor above and resamples them, nearest takes the nearest factor.",
        json_schema_extra={"alone": "exact"},
    )
    samples: int = Field(
        default=16,
        ge=1,
        le=65536,
        description="How many possible images are drawn of each plane. More take longer and make the "
        "uncertainty smoother; the mean stays the same. One gives no uncertainty.",
    )
    uncertainty: UncertaintyKind = Field(
        default="std",
        description="What is given beside the mean: the standard deviation in the image's intensity units, "
        "its square (variance), the standard deviation relative to the mean, or the interval in which nine "
        "of ten true pixels are to be expected, as its lower and upper bound.",
        json_schema_extra={
            "words": {
                "std": "Standard deviation",
                "variance": "Variance",
                "relative": "Relative (std / mean)",
                "interval": "90 % interval (two bounds)",
            }
        },
    )
    domain: str = Field(
        default=ANY,
        min_length=1,
        description="Kind of image that the uncertainty is calibrated for, such as fluorescence: one of "
        "those on the model's card, or any.",
    )
    context: ContextSetting = Field(
        default="auto",
        title="Neighbours",
        description="Where neighbouring planes are looked at, by models that do: along Z, along T, nowhere "
        "(none), or auto, along Z where there is a stack and else along T, if they have enough in common.",
        json_schema_extra={"words": {"auto": "automatic", "Z": "along Z", "T": "in time"}},
    )
    noise: Literal["auto"] | Annotated[float, Field(ge=0, allow_inf_nan=False)] | Noise = Field(
        default="auto",
        description="Noise of the input, for models that are told it: auto estimates it for each channel, 0 "
        "keeps every texture, a number is its standard deviation in the image's own unit, and gain, read and "
        "offset are those of the camera.",
    )
    blur: Annotated[float, Field(ge=0, allow_inf_nan=False)] | Optics = Field(
        default=0.0,
        title="Optics",
        description="Blur of the optics to undo, for models that are told it: its standard deviation in "
        "input pixels, or na, wavelength and pixel_size, both in the same unit; 0 leaves the optics alone.",
    )
    sections: SectionsSetting = Field(
        default="unknown",
        title="Planes are",
        description="What planes are that become more along Z, for models that are told it: thin, so that "
        "what lies between two was left out, or thick, each an average over all the way to the next, as "
        "physical sections are, and planes as far apart as they are blurred along Z. Pixels alone do not "
        "tell. Told that there is no noise, too, planes made agree with those given.",
        json_schema_extra={"words": {"thick": "thick (averages)"}},
    )
    seed: int = Field(
        default=0, ge=0, lt=2**63, description="The same seed draws the same samples; another draws others."
    )
    temperature: float = Field(
        default=1.0,
        ge=0,
        allow_inf_nan=False,
        description="Strength of the latent noise: 1 as the model learned it, 0 for the most typical image.",
    )
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|(cuda|mps|xpu)(:\d+)?)$",
        description="Where to compute: auto, cpu, cuda, cuda:1, mps or xpu.",
    )
    precision: Precision = Field(
        default="auto",
        description="Number format of the network; auto takes the fastest one that the device does well.",
    )
    tile: int | None = Field(
        default=None,
        ge=1,
        description="Largest side of a tile in input pixels; left out, one that fits the memory. Smaller "
        "ones need less memory and give the same pixels.",
    )
    memory: int | None = Field(
        default=None,
        ge=1,
        description="MiB that the network may use at a time; left out, a share of what the device has.",
    )

    @field_validator("scale", mode="before")
    @classmethod
    def _scale_in_its_shortest_form(cls, scale: Any) -> Any:
        if isinstance(scale, Mapping):
            scale = {
                str(name).upper(): _whole(factor) if str(name).upper() in "YX" else _number(factor)
                for name, factor in scale.items()
            }
        if isinstance(scale, dict) and set(scale) - set(GROWING):
            raise ValueError("a scale should name the axes Z, Y and X alone")
        factors = list(scale.values()) if isinstance(scale, dict) else [_whole(scale)]
        if min(factors, default=1) < 1:
            raise ValueError("a scale should be greater than or equal to 1")
        return Factors.of(scale).setting if isinstance(scale, dict) else factors[0]

    @field_validator("isotropic")
    @classmethod
    def _one_factor_along_z(cls, way: CubicWay | None, others: ValidationInfo) -> CubicWay | None:
        if way is not None and "Z" in Factors.of(others.data.get("scale", 1)):
            raise ValueError("isotropic should be None, or leave Z out of the scale")
        return way

    @model_serializer(mode="wrap")
    def _without_what_became_the_scale(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = plain(self)
        return told if self.isotropic else {name: told[name] for name in told if name != "isotropic"}

    @property
    def factors(self) -> Factors:
        """The scale by axis letter."""
        return Factors.of(self.scale)

    @property
    def is_settled(self) -> bool:
        """Whether nothing of it is left to the image."""
        return self.isotropic is None

    def settled(self, source: Source, card: ModelCard) -> UpscaleSettings:
        """Return the settings with the scale that they come to for an image: nothing of it is left open.

        Where voxels are to be cubic, exact is the factor along ``Z`` that makes a whole number of planes and
        comes nearest to them; planes are never made fewer, nor more than the model can. Nearest is the
        nearest factor that the model can make. Where that leaves planes as many as they are, what they are
        is left open.

        Parameters
        ----------
        source : Source
            The image.
        card : ModelCard
            The model's, which says what it can make.

        Raises
        ------
        VaesrError
            When voxels are to be cubic and their size is not known, or there is no ``Z``.
        """
        factors, lengths = self.factors, source.axes.lengths
        if not self.is_settled:
            if "Z" not in lengths:
                raise VaesrError("The image has no axis Z to upscale along, please leave isotropic out.")
            ratio = _cubic(source.pixel_size) * factors.along("X")
            choices = [1, *(card.factors_along("Z") or [max(round(ratio), 1)])]
            nearest = min(choices, key=lambda factor: abs(math.log(ratio / factor)))
            is_near = self.isotropic == "nearest" or abs(ratio / nearest - 1) < CUBIC_ENOUGH
            is_made = not is_near and 1 < ratio < choices[-1]
            factors = Factors({**factors, "Z": ratio if is_made else nearest})
        factors, told = factors.fitted(lengths), {}
        if not self.is_settled and not factors.across:
            told["sections"] = "unknown"
        return self.model_copy(update={"scale": factors.setting, "isotropic": None, **told})

    @property
    def flat(self) -> UpscaleSettings:
        """The same for planes as they are, along ``Y`` and ``X`` alone, where these grow."""
        scale = self.factors.along("Y")
        return self if scale == 1 else self.model_copy(update={"scale": scale, "sections": "unknown"})

    @property
    def has_spread(self) -> bool:
        """Whether samples differ, so that there is an uncertainty."""
        return self.samples > 1 and self.temperature > 0


def _cubic(pixel_size: Mapping[str, float]) -> float:
    """Return how many times as many planes make voxels of this size cubic."""
    depth, side = pixel_size.get("Z", 0.0), pixel_size.get("X", 0.0)
    times = depth / side if min(depth, side) > 0 else 0.0
    if not 0 < times < math.inf:
        raise VaesrError(
            "The image does not tell the size of its voxels, please give the factor along Z, such as Z=4."
        )
    return times


class Asked(TypedDict, total=False):
    """The settings, less the model, as they may be written in Python."""

    scale: int | Mapping[str, float]
    isotropic: CubicWay | None
    samples: int
    uncertainty: UncertaintyKind
    domain: str
    noise: Literal["auto"] | float | Mapping[str, float]
    blur: float | Mapping[str, float]
    sections: SectionsSetting
    context: ContextSetting
    seed: int
    temperature: float
    device: str
    precision: Precision
    tile: int | None
    memory: int | None


def without_spread(settings: UpscaleSettings) -> list[str]:
    """Say why there is no uncertainty, if there is none."""
    if settings.samples == 1:
        return [ONE_SAMPLE]
    return [] if settings.has_spread else [NO_TEMPERATURE]


def plays_part(name: str, network: NetworkConfig) -> bool:
    """Tell whether a setting changes anything of what a network makes.

    Parameters
    ----------
    name : str
        Of the setting.
    network : NetworkConfig
        Says what the network listens to.
    """
    heeded = {
        "context": network.reach > 0,
        "noise": network.conditioned,
        "blur": network.conditioned,
        "sections": network.sections,
    }
    return heeded.get(name, True)


def about(name: str) -> str:
    """Return what a setting does, as every door tells it."""
    return str(UpscaleSettings.model_fields[name].description)


def label(name: str) -> str:
    """Return what a setting is called where people read it."""
    return UpscaleSettings.model_fields[name].title or name.capitalize()


def hint(name: str, what: str) -> Any:
    """Return what else the field of a setting tells, None where it does not.

    Parameters
    ----------
    name : str
        Of the setting.
    what : str
        Such as ``words``, by which choices are known in panels, or ``alone``, what it is where an option
        stands without a value.
    """
    told = UpscaleSettings.model_fields[name].json_schema_extra
    return told.get(what) if isinstance(told, dict) else None


SEVERAL_WAYS = {
    "noise": "auto, a number from 0, or gain, read and offset of the camera by name",
    "blur": "a number from 0, or na, wavelength and pixel_size by name",
}
"""What settings that may be told in several ways take."""


def make_settings(**values: Any) -> UpscaleSettings:
    """Check settings and say in one sentence what is wrong with them.

    Parameters
    ----------
    **values
        Fields of `UpscaleSettings`; those left out take their defaults.

    Raises
    ------
    VaesrError
        For an unknown setting or a value out of range.
    """
    plain = {name: _plain(value) for name, value in values.items()}
    try:
        return UpscaleSettings(**plain)
    except ValidationError as error:
        problem = error.errors()[0]
    name = str(problem["loc"][0])
    if problem["type"] == "extra_forbidden":
        known = ", ".join(UpscaleSettings.model_fields)
        raise VaesrError(f"There is no setting {name!r}, please choose from {known}.")
    if problem["type"] == "string_pattern_mismatch":
        expected = "one of auto, cpu, cuda, cuda:1, mps or xpu"
    elif name in SEVERAL_WAYS:
        expected = SEVERAL_WAYS[name]
    else:
        # pydantic says "Input should be an integer" or "String should have at least 1 character".
        expected = str(problem["msg"]).rpartition(" should ")[2].removeprefix("be ")
    raise VaesrError(f"The setting {name} is {plain[name]!r}, please make it {expected}.")


def _number(factor: Any) -> float:
    """Return a factor that need not be a whole number."""
    if isinstance(factor, bool) or not isinstance(factor, (int, float, np.integer, np.floating)):
        raise ValueError("a scale should be a number for each axis")
    if not math.isfinite(factor):
        raise ValueError("a scale should be a finite number")
    return _whole(factor) if factor == int(factor) else float(factor)


def _whole(factor: Any) -> int:
    """Return a factor as an integer."""
    if isinstance(factor, bool) or not isinstance(factor, (int, float, np.integer, np.floating)):
        raise ValueError("a scale should be a valid integer")
    if factor != int(factor):
        raise ValueError("a scale should be a valid integer")
    return int(factor)


def _plain(value: Any) -> Any:
    """Turn a NumPy scalar or a path into what pydantic and JSON know."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    return str(value) if hasattr(value, "__fspath__") else value

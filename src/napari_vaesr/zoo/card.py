"""The model card: everything one has to know about a model, in one small JSON file beside its weights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from stat import S_ISREG
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue, ValidationError, field_validator
from pydantic_core import ErrorDetails

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.region import products
from napari_vaesr.vae.config import AnyNetwork, field_name
from napari_vaesr.zoo.calibration import Calibration, Calibrations, interpolated

SCHEMA_VERSION = 1

LARGEST_CARD = 2**24
"""Bytes that a card may have."""

LARGEST_WEIGHTS = 2**33
"""Bytes that weights may have, whatever their card says."""


class DataSource(BaseModel):
    """One collection of images that a model was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Short name, as in the list of training images.")
    origin: str = Field(description="Who made the images and where they are found.")
    licence: str = Field(description="The licence they were published under.")


ANY = "any"
"""The kind of image that stands for all of them together."""

LONGEST_NAME = 100
"""Letters of a model's name at most."""

NAME = rf"^[A-Za-z0-9][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}$"
"""What names of models look like: safe as file names, and on a command line."""


def checked_name(name: str) -> str:
    """Return a name that a model can have.

    Raises
    ------
    VaesrError
        When it is none.
    """
    if not re.fullmatch(NAME, name):
        raise VaesrError(
            f"{name[:120]!r} can't be a model's name: "
            f"use up to {LONGEST_NAME} letters, digits, dots, dashes and underscores."
        )
    return name


def numbered(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return a name, with a number where it is taken; one that is too long for that is cut.

    Parameters
    ----------
    name : str
        That a model can have.
    is_taken : callable
        Tells of a name.
    """
    number, found = 2, name
    while is_taken(found):
        ending = f"-{number}"
        found, number = name[: LONGEST_NAME - len(ending)] + ending, number + 1
    return found


class Classifier(BaseModel):
    """Weights of a small network that tells training inputs from other images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: tuple[tuple[FiniteFloat, ...], ...] = Field(
        description="Weights of the units, the last of each its offset."
    )
    output: tuple[FiniteFloat, ...] = Field(description="Weights of the units' output, the last an offset.")


class InputStatistics(BaseModel):
    """What the inputs look like that a model learnt from; see `napari_vaesr.trust.familiar`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Literal["microscopy", "photographs"] = Field(
        default="microscopy", description="What the images are of."
    )
    centre: tuple[FiniteFloat, ...] = Field(description="Median of every feature.")
    scale: tuple[FiniteFloat, ...] = Field(description="Spread of every feature, above 0.")
    members: tuple[Classifier, ...] = Field(min_length=1, description="Their scores are averaged.")
    limit: FiniteFloat = Field(description="Score above which an image is unlike the training inputs.")


class ModelCard(BaseModel):
    """What a model is, what it is for, where it comes from and how far to trust it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = Field(default=1, description="Version of the form of this card.")
    name: str = Field(
        pattern=NAME,
        description="The name to ask for the model by: letters, digits, dots, dashes and underscores.",
    )
    title: str = Field(description="What the model is for, in a few words.")
    description: str = Field(description="What the model is for, in a few sentences.")
    version: str = Field(default="1", description="Version of the weights.")
    network: AnyNetwork = Field(description="The architecture, enough to build the network again.")
    receptive_radius: int = Field(
        default=0,
        ge=0,
        le=2**20,
        description="Low-res pixels, in any direction, that a result pixel can see.",
    )
    intensity: Literal["percentile", "dtype", "minmax"] = Field(
        default="percentile", description="How images are scaled to unit intensity before the network."
    )
    training_data: tuple[DataSource, ...] = Field(default=(), description="The images the model learnt from.")
    training: dict[str, JsonValue] = Field(
        default_factory=dict, description="How to train the model again: command, steps, hours and the like."
    )
    metrics: dict[str, float] = Field(default_factory=dict, description="Scores on images not trained on.")
    calibration: dict[str, Calibrations] = Field(
        default_factory=dict,
        description="Calibration of the uncertainty for each scale, at one level of noise or more.",
    )
    domains: dict[str, dict[str, Calibrations]] = Field(
        default_factory=dict, description="The same for each kind of image that the model was validated on."
    )
    alike_planes: FiniteFloat = Field(
        default=0.0,
        ge=0,
        description="Over how many planes along Z samples are alike: the standard deviation of the Gaussian "
        "that their noise is averaged with. 0: each plane has noise of its own.",
    )
    inputs: tuple[InputStatistics, ...] = Field(
        default=(),
        description="Statistics of the inputs that the model learnt from, and of those of the model that it "
        "was fine-tuned from.",
    )
    sha256: str = Field(
        default="",
        pattern=r"^([0-9a-f]{64})?$",
        description="SHA-256 of the weights file; filled in when the model is saved.",
    )
    limits: str = Field(default="", description="What the model can't do and where not to trust it.")
    licence: str = Field(default="BSD-3-Clause", description="Licence of the weights.")

    @field_validator("inputs", mode="before")
    @classmethod
    def _earlier_statistics_tell_nothing(cls, inputs: Any) -> Any:
        """Earlier cards have none, or those of fewer features."""
        return () if inputs is None or isinstance(inputs, dict) else inputs

    @field_validator("calibration", mode="before")
    @classmethod
    def _one_level_may_stand_alone(cls, calibration: Any) -> Any:
        """Earlier cards have one calibration for each scale."""
        if not isinstance(calibration, dict):
            return calibration
        return {
            scale: levels if isinstance(levels, (list, tuple)) else (levels,)
            for scale, levels in calibration.items()
        }

    @field_validator("calibration")
    @classmethod
    def _calibration_is_by_scale(cls, calibration: dict[str, Calibrations]) -> dict[str, Calibrations]:
        for scale, levels in calibration.items():
            if not re.fullmatch(r"\d+(x\d+)?|[A-Z]=\d+(,[A-Z]=\d+)*", scale):
                raise ValueError(f"{scale!r} is not a scale")
            if not levels or any(low.noise >= high.noise for low, high in pairwise(levels)):
                raise ValueError(f"the calibrations of scale {scale} are not in order of their noise")
        return calibration

    @field_validator("domains")
    @classmethod
    def _domains_are_like_all(
        cls, domains: dict[str, dict[str, Calibrations]]
    ) -> dict[str, dict[str, Calibrations]]:
        if ANY in domains:
            raise ValueError(f"{ANY!r} stands for all domains")
        return {name: cls._calibration_is_by_scale(scales) for name, scales in domains.items()}

    def calibration_at(self, scale: int | str, noise: float = 0.0, domain: str = ANY) -> Calibration:
        """Return the calibration for images of a kind, with so much noise.

        Parameters
        ----------
        scale : int or str
            The scale, or its name on the card; one without any calibration leaves the standard deviation as
            it is.
        noise : float
            Standard deviation of the noise in unit intensity. Calibrations are interpolated linearly between
            the levels of noise that they were fitted at, and stay as they are beyond these.
        domain : str
            As for `levels`.

        Raises
        ------
        VaesrError
            As `levels`.
        """
        levels = self.levels(scale, domain)
        return interpolated(levels, noise) if levels else Calibration(noise=noise)

    def levels(self, scale: int | str, domain: str = ANY) -> Calibrations:
        """Return the calibrations of a scale at all levels of noise; none where it was not calibrated.

        Parameters
        ----------
        scale : int or str
            The scale.
        domain : str
            ``any`` or one of `domains`; what this one lacks is that of all images.

        Raises
        ------
        VaesrError
            For a kind of image that the model was not validated on.
        """
        if domain != ANY and domain not in self.domains:
            known = ", ".join([ANY, *self.domains])
            raise VaesrError(
                f"The model {self.name} was not calibrated on images of the kind {domain!r}, "
                f"please choose from {known}."
            )
        general = self.calibration.get(str(scale), ())
        return self.domains.get(domain, {}).get(str(scale), general)

    @property
    def scales(self) -> tuple[int, ...]:
        """The scale factors the model can make."""
        return self.network.scales

    def factors_along(self, name: str) -> list[int]:
        """Return the factors along an axis that the model makes in one pass or in two, in order.

        Parameters
        ----------
        name : str
            Letter of the axis; what it makes along ``Y`` it makes along ``X``, too.
        """
        return products(self.network.along(name))

    @property
    def degradation(self) -> Any:
        """How low-res images were made in its training, as its settings tell it; empty where they do not."""
        settings = self.training.get("settings")
        return (settings.get("degradation") if isinstance(settings, dict) else None) or {}

    def to_json(self) -> str:
        """Return the card as it stands in its file: indented, but for rows of numbers."""
        indented = self.model_dump_json(indent=2)
        # Words hold no line ends in JSON, so that what begins with one is no part of a text.
        return re.sub(r"\[\n[^][{}\"]*\]", lambda row: " ".join(row[0].split()), indented) + "\n"


def read_regular(path: Path, largest: int) -> bytes:
    """Read a file.

    Parameters
    ----------
    path : Path
        The file.
    largest : int
        Bytes that it may have.

    Raises
    ------
    OSError
        When it can't be read, is a pipe or a device, for which one may wait for ever, or larger than allowed.
    """
    status = path.stat()
    if not S_ISREG(status.st_mode):
        raise OSError("it is no regular file")
    if status.st_size > largest:
        raise OSError(f"it is larger than {largest} bytes")
    return path.read_bytes()


def read_card(path: str | Path) -> ModelCard:
    """Read a model card.

    Parameters
    ----------
    path : str or Path
        The ``.json`` file beside the weights.

    Returns
    -------
    ModelCard
        The card, checked.

    Raises
    ------
    VaesrError
        When the file is missing, is no JSON or is not a card that this version understands.
    """
    path = Path(path)
    try:
        text = read_regular(path, LARGEST_CARD)
    except FileNotFoundError:
        raise VaesrError(
            f"There is no model card {path}; keep the .json file beside the .safetensors file."
        ) from None
    except OSError as error:
        raise VaesrError(
            f"The model card {path} can't be read ({error.strerror or error}); check the file."
        ) from error
    return parse_card(text, path)


@lru_cache(maxsize=64)  # panels ask for every card at every change, and checking one takes long
def parse_card(text: bytes, path: str | Path) -> ModelCard:
    """Check the content of a model card.

    Parameters
    ----------
    text : bytes
        JSON in UTF-8.
    path : str or Path
        Where it comes from, for messages.

    Returns
    -------
    ModelCard
        The card.

    Raises
    ------
    VaesrError
        When it is no JSON or is not a card that this version understands.
    """
    try:
        content = json.loads(text.decode())
    except (ValueError, RecursionError) as error:
        raise VaesrError(f"The model card {path} is not valid JSON; get the file again.") from error
    if not isinstance(content, dict):
        raise VaesrError(f"The file {path} is JSON but no model card; get the file again.")
    version = content.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise VaesrError(
            f"The model card {path} has the form {version!r}, which this version of napari-vaesr "
            "does not know; upgrade napari-vaesr."
        )
    try:
        return ModelCard.model_validate(content)
    except ValidationError as error:
        raise VaesrError(_sentence(path, error.errors()[0])) from error


def _sentence(path: str | Path, problem: ErrorDetails) -> str:
    """Say in one sentence what is wrong with a card."""
    field = field_name(problem)
    if field == "network.architecture":
        return (
            f"The model card {path} asks for the architecture {problem['input']!r}, which this version of "
            "napari-vaesr does not know; upgrade napari-vaesr or choose another model."
        )
    reason = problem["msg"].removeprefix("Value error, ")
    return f"The model card {path} is not valid at {field!r} ({reason}); correct it or get the file again."

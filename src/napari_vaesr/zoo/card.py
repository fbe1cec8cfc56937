"""The model card: everything one has to know about a model, in one small JSON file beside its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue, ValidationError, field_validator
from pydantic_core import ErrorDetails

from napari_vaesr.errors import VaesrError
from napari_vaesr.vae.config import NetworkConfig

SCHEMA_VERSION = 1


class DataSource(BaseModel):
    """One collection of images that a model was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Short name, as in the list of training images.")
    origin: str = Field(description="Who made the images and where they are found.")
    licence: str = Field(description="The licence they were published under.")


class Calibration(BaseModel):
    """What turns the spread of the samples into an expected error: slope * std + offset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slope: FiniteFloat = Field(
        default=1.0, ge=0, description="Factor on the standard deviation of the samples."
    )
    offset: FiniteFloat = Field(
        default=0.0, description="Added after the factor, in unit intensity (0 to 1)."
    )


class ModelCard(BaseModel):
    """What a model is, what it is for, where it comes from and how far to trust it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = Field(default=1, description="Version of the form of this card.")
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="The name to ask for the model by: letters, digits, dots, dashes and underscores.",
    )
    title: str = Field(description="What the model is for, in a few words.")
    description: str = Field(description="What the model is for, in a few sentences.")
    version: str = Field(default="1", description="Version of the weights.")
    network: NetworkConfig = Field(description="The architecture, enough to build the network again.")
    receptive_radius: int = Field(
        default=0, ge=0, description="Low-res pixels, in any direction, that a result pixel can see."
    )
    intensity: Literal["percentile", "dtype", "minmax"] = Field(
        default="percentile", description="How images are scaled to unit intensity before the network."
    )
    training_data: tuple[DataSource, ...] = Field(default=(), description="The images the model learnt from.")
    training: dict[str, JsonValue] = Field(
        default_factory=dict, description="How to train the model again: command, steps, hours and the like."
    )
    metrics: dict[str, float] = Field(default_factory=dict, description="Scores on images not trained on.")
    calibration: dict[str, Calibration] = Field(
        default_factory=dict, description="Calibration of the standard deviation for each scale."
    )
    sha256: str = Field(
        default="",
        pattern=r"^([0-9a-f]{64})?$",
        description="SHA-256 of the weights file; filled in when the model is saved.",
    )
    limits: str = Field(default="", description="What the model can't do and where not to trust it.")
    licence: str = Field(default="BSD-3-Clause", description="Licence of the weights.")

    @field_validator("calibration")
    @classmethod
    def _calibration_is_by_scale(cls, calibration: dict[str, Calibration]) -> dict[str, Calibration]:
        for scale in calibration:
            if not scale.isdecimal():
                raise ValueError(f"{scale!r} is not a scale")
        return calibration

    @property
    def scales(self) -> tuple[int, ...]:
        """The scale factors the model can make."""
        return self.network.scales

    def to_json(self) -> str:
        """Return the card as it stands in its file."""
        return self.model_dump_json(indent=2) + "\n"


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
        text = path.read_bytes()
    except FileNotFoundError:
        raise VaesrError(
            f"There is no model card {path}; keep the .json file beside the .safetensors file."
        ) from None
    except OSError as error:
        raise VaesrError(
            f"The model card {path} can't be read ({error.strerror}); check the file."
        ) from error
    return parse_card(text, path)


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
    field = ".".join(map(str, problem["loc"]))
    if field == "network.architecture":
        return (
            f"The model card {path} asks for the architecture {problem['input']!r}, which this version of "
            "napari-vaesr does not know; upgrade napari-vaesr or choose another model."
        )
    reason = problem["msg"].removeprefix("Value error, ")
    return f"The model card {path} is not valid at {field!r} ({reason}); correct it or get the file again."

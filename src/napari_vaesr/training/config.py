"""The settings of a training run, and the recipes of the bundled models. No torch here."""

from __future__ import annotations

from math import inf
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.training.sources import MICROSCOPY_SOURCES, PHOTO_SOURCES
from napari_vaesr.vae.config import PRESETS, AnyNetwork, OverConfig, field_name
from napari_vaesr.zoo.card import NAME, DataSource, ModelCard


class ModelUsed(BaseModel):
    """A model that a training started from, or learnt from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Name of the model.")
    version: str = Field(default="", description="Its version.")
    sha256: str = Field(description="SHA-256 of its weights.")

    @classmethod
    def of(cls, card: ModelCard) -> ModelUsed:
        """Name a model by its card."""
        return cls(name=card.name, version=card.version, sha256=card.sha256)


class TrainingConfig(BaseModel):
    """Everything that decides what a training run does, kept with its checkpoints and in the card."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(
        pattern=NAME, description="Name of the model: letters, digits, dots, dashes and underscores."
    )
    title: str = Field(default="", description="One line for lists.")
    description: str = Field(default="", description="What the model is for.")
    intensity: Literal["percentile", "dtype", "minmax"] = Field(
        default="percentile", description="How images are brought to [0, 1] when the model is used."
    )
    subject: Literal["microscopy", "photographs"] = Field(
        default="microscopy",
        description="What the images are of; the model will tell of the other as unlike what it learnt.",
    )
    network: AnyNetwork = Field(default=PRESETS["base"], description="The architecture.")
    degradation: Degradation = Field(default=Degradation(), description="How low-res patches are made.")
    scale_weights: tuple[float, ...] | None = Field(
        default=None,
        description="How often each factor is drawn, in the network's order. None: equally often.",
    )
    folder_weights: dict[str, float] | None = Field(
        default=None,
        description="How often a patch comes from each folder, by the folder's name. None: in proportion to "
        "the square root of its pixels.",
    )
    patch: int = Field(default=48, ge=8, description="Side of a patch in low-res pixels.")
    batch: int = Field(default=8, ge=1, description="Patches per step, all of one scale.")
    choices: int = Field(
        default=1,
        ge=1,
        description="Patches drawn from folders for each that is learnt from, the one whose pixels differ "
        "most from their neighbours: smooth ones teach little.",
    )
    pool: int | None = Field(
        default=None,
        ge=1,
        description="How many batches are made before they come again, which spares a base that is another "
        "network the work. None: each is new.",
    )
    alone: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Share of the patches whose neighbouring planes are hidden, where there are any, so that "
        "one network serves single planes and stacks.",
    )
    misled: float = Field(
        default=0.35,
        ge=0,
        le=1,
        description="Share of the patches of which a conditioned network is told a noise that was estimated, "
        "fine texture counting as noise, as it may be in use. Else it is told the true one, give or take "
        "a fifth.",
    )
    steps: int | None = Field(default=None, ge=1, description="Length of the run in steps.")
    hours: float | None = Field(
        default=None, gt=0, description="Length of the run in hours of training, kept over interruptions."
    )
    muon_rate: float = Field(
        default=5e-3, ge=0, description="Peak learning rate of the convolutions inside (Muon)."
    )
    adam_rate: float = Field(default=1e-3, ge=0, description="Peak learning rate of everything else (AdamW).")
    sigma_rate: float = Field(default=2e-2, ge=0, description="Peak learning rate of the likelihood's sigma.")
    warmup: int = Field(default=200, ge=0, description="Steps over which the learning rates rise.")
    base_weight: float = Field(
        default=20.0,
        ge=0,
        description="Weight of the base's error against the ELBO. 0: the base stays as it is, once the "
        "ladder learns.",
    )
    score_weight: float = Field(
        default=60.0,
        ge=0,
        description="Weight of the samples' CRPS, which drives their spread, against the ELBO.",
    )
    score_blocks: tuple[int, ...] = Field(
        default=(1, 2, 4, 8, 16, 32),
        min_length=1,
        description="Sides in high-res pixels of the blocks whose means are scored: 1 alone gives samples "
        "that are right pixel by pixel and do not add up.",
    )
    base_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the run in which the base learns alone, before the ladder joins in.",
    )
    anneal: int = Field(
        default=1500, ge=0, description="Steps of the ladder over which the KL's weight rises from 0 to 1."
    )
    free_bits: float = Field(
        default=0.05, description="Nats per latent position and level that cost nothing."
    )
    average: float = Field(
        default=0.999, ge=0, lt=1, description="Decay of the exponential moving average of the weights."
    )
    clip: float = Field(default=1.0, gt=0, description="Largest norm of the gradient of what AdamW trains.")
    validate_every: int = Field(
        default=1000, ge=1, description="Steps between validations, which also checkpoint."
    )
    sources: tuple[DataSource, ...] = Field(default=(), description="Where the images come from.")
    start: ModelUsed | None = Field(
        default=None, description="The model whose weights are the first ones. None: random weights."
    )
    teacher: ModelUsed | None = Field(
        default=None,
        description="The model whose base a smaller one learns instead of the truth. None: the truth.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of patches, degradations and initial weights.")

    @field_validator("scale_weights")
    @classmethod
    def _a_weight_for_every_scale(
        cls, weights: tuple[float, ...] | None, others: ValidationInfo
    ) -> tuple[float, ...] | None:
        network = others.data.get("network")
        if weights is None or network is None:
            return weights
        if len(weights) != len(network.factors) or min(weights) < 0 or not 0 < sum(weights) < inf:
            names = ", ".join(f"{rows}x{columns}" for rows, columns in network.factors)
            raise ValueError(f"give a weight from 0 for each of the factors {names}")
        return weights

    @field_validator("folder_weights")
    @classmethod
    def _some_folder_is_drawn(cls, weights: dict[str, float] | None) -> dict[str, float] | None:
        if weights is not None and (
            min(weights.values(), default=0) < 0 or not 0 < sum(weights.values()) < inf
        ):
            raise ValueError("give a weight from 0 for each folder, and more than 0 for one of them")
        return weights

    @field_validator("patch")
    @classmethod
    def _patches_hold_whole_latents(cls, patch: int, others: ValidationInfo) -> int:
        network = others.data.get("network")
        if network is not None and patch % network.levels[0].stride:
            raise ValueError(f"make it a multiple of the coarsest latent stride, {network.levels[0].stride}")
        return patch


def finetune_config(card: ModelCard, **changes: Any) -> TrainingConfig:
    """Return settings that go on gently from a model: its sizes, low learning rates, a short warm-up.

    Parameters
    ----------
    card : ModelCard
        The model to start from; the degradation is taken from its card where it is there.
    **changes
        Settings that replace these.

    Raises
    ------
    VaesrError
        When a setting is not valid.
    """
    fields: dict[str, Any] = {
        "name": f"{card.name}-tuned",
        "title": f"{card.title}, fine-tuned",
        "description": f"The model {card.name!r} after learning from images of your own.",
        "intensity": card.intensity,
        "subject": card.inputs[0].subject if card.inputs else "microscopy",
        "network": card.network,
        "degradation": card.degradation,
        "patch": 32,
        "batch": 8,
        "muon_rate": 1e-3,  # a fifth of the rates that train from scratch
        "adam_rate": 2e-4,
        "sigma_rate": 4e-3,
        "warmup": 30,
        "anneal": 1,  # the latents are in use already
        "average": 0.99,
        "validate_every": 100,
        "sources": card.training_data,
        "start": ModelUsed.of(card),
    }
    if isinstance(card.network, OverConfig):
        fields |= {"base_weight": 0.0, "pool": 100}
    return checked_config(fields | changes)


def checked_config(fields: dict[str, Any]) -> TrainingConfig:
    """Make settings, or say in one sentence what is wrong with them.

    Raises
    ------
    VaesrError
        When a setting is not valid.
    """
    try:
        return TrainingConfig.model_validate(fields)
    except ValidationError as error:
        problem = error.errors()[0]
        field = field_name(problem)
        reason = problem["msg"].removeprefix("Value error, ")
        raise VaesrError(f"The training setting {field!r} is wrong: {reason}.") from error


SEES_ALL = {"frames": 5, "conditioned": True, "sections": True, "consistent": True, "row_factors": (2, 3, 4)}
"""What the networks for microscopes have besides: neighbours, conditions, factors along Z."""

MICROSCOPY = TrainingConfig(
    name="microscopy",
    title="Light and electron microscopy",
    description="Fluorescence, phase contrast, stained and electron micrographs, with mild blur "
    "and camera noise.",
    intensity="percentile",
    sources=MICROSCOPY_SOURCES,
    network=PRESETS["base"].model_copy(update=SEES_ALL),
    scale_weights=(3, 2, 2, 1, 1, 1),
    base_share=0.6,
    degradation=Degradation(
        reduce=(1.0, 1.6),
        blur=(0.0, 0.7),
        own_blur=(0.0, 0.6),
        sharp=0.4,
        photons=(30.0, 3000.0),
        read_noise=(0.0, 0.04),
        clean=0.45,
        clipped=0.3,
        gain=(0.5, 1.2),
        offset=(-0.05, 0.1),
    ),
)

RECIPES: dict[str, TrainingConfig] = {
    "photo": TrainingConfig(
        name="photo",
        title="Photographs and clean images",
        description="Clean images downsampled by antialiased bicubic interpolation, such as photographs.",
        intensity="dtype",
        subject="photographs",
        sources=PHOTO_SOURCES,
        network=PRESETS["base"].model_copy(update={"blocks": 10, "consistent": True, "orientations": 4}),
        scale_weights=(1, 1, 3),
        choices=2,
        base_share=0.8,
        degradation=Degradation(reduce=(1.0, 2.0), quantised=True),
    ),
    "microscopy": MICROSCOPY,
    "tiny": MICROSCOPY.model_copy(
        update={
            "name": "tiny",
            "title": "Light and electron microscopy, fast",
            "description": "As microscopy, with a sixth of the weights: for previews that follow the view.",
            "network": PRESETS["tiny"].model_copy(update=SEES_ALL),
        }
    ),
}
"""The bundled models' recipes, by name; ``napari-vaesr train --recipe NAME`` starts from them."""

"""Settings shared by the tests of trainings."""

from __future__ import annotations

import pytest

from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.vae.config import PRESETS, Level


@pytest.fixture
def small_config() -> TrainingConfig:
    """Six steps of a very small network."""
    return TrainingConfig(
        name="small",
        network=PRESETS["tiny"].model_copy(
            update={
                "width": 8,
                "blocks": 1,
                "decoder_width": 8,
                "scales": (2, 3),
                "levels": (Level(stride=2, channels=2), Level(stride=1, channels=2)),
            }
        ),
        patch=8,
        batch=4,
        steps=6,
        warmup=2,
        anneal=2,
        validate_every=3,
    )

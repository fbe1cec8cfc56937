"""Settings of a training."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from napari_vaesr.training.config import RECIPES, TrainingConfig


def test_recipes_are_valid_and_survive_json() -> None:
    for name, recipe in RECIPES.items():
        assert recipe.name == name and recipe.sources
        assert TrainingConfig.model_validate(json.loads(recipe.model_dump_json())) == recipe


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"patch": 9}, "multiple of the coarsest latent stride, 2"),
        ({"scale_weights": (1.0,)}, "for each of the factors"),
        ({"scale_weights": (0.0, 0.0)}, "for each of the factors"),
        ({"scale_weights": (1.0, -1.0)}, "for each of the factors"),
        ({"folder_weights": {"a": 0.0}}, "for each folder"),
        ({"folder_weights": {"a": 2.0, "b": -1.0}}, "for each folder"),
        ({"network": {"frames": 2}}, "frames has to be odd"),
        ({"seed": -1}, "greater than or equal to 0"),
    ],
)
def test_settings_that_cannot_be_trained_with_are_refused(
    small_config: TrainingConfig, changes: dict[str, object], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        TrainingConfig.model_validate(small_config.model_dump() | changes)

"""A training as it was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.training.config import RECIPES, TrainingConfig
from napari_vaesr.training.request import TrainingRequest


def settings(tmp_path: Path, content: object | None = None, **given: object) -> TrainingConfig:
    file = None
    if content is not None:
        file = tmp_path / "settings.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    options = {"name": None, "steps": None, "hours": None, "seed": None} | given
    return TrainingRequest([], config=file, options=options).settings()


def test_options_come_over_the_file_over_the_recipe(tmp_path: Path) -> None:
    made = settings(tmp_path, {"batch": 3, "steps": 7, "degradation": {"clean": 0.9}}, steps=9)
    recipe = RECIPES["microscopy"]
    assert (made.batch, made.steps, made.patch) == (3, 9, recipe.patch)
    assert made.degradation == recipe.degradation.model_copy(update={"clean": 0.9})


def test_without_a_length_it_trains_for_an_hour(tmp_path: Path) -> None:
    assert settings(tmp_path).hours == 1.0
    assert settings(tmp_path, steps=3).hours is None


def test_a_model_of_ones_own_does_not_boast_of_the_recipes_images(tmp_path: Path) -> None:
    assert settings(tmp_path).sources
    made = settings(tmp_path, name="mine")
    assert not made.sources and not made.description


@pytest.mark.parametrize(
    ("content", "message"),
    [("no json", "JSON"), ([1], "JSON"), ({"batch": 0}, "'batch'"), ({"bach": 1}, "'bach'")],
)
def test_wrong_settings_get_one_sentence(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(VaesrError, match=message):
        settings(tmp_path, content)

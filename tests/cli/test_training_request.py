"""A training as it was asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.io import imsave

from napari_vaesr.cli.training_request import Prepared, TrainingRequest
from napari_vaesr.errors import VaesrError
from napari_vaesr.training.claims import claimed
from napari_vaesr.training.config import RECIPES, TrainingConfig
from napari_vaesr.zoo.folders import BUNDLED_MODELS


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
    [
        ("no json", "JSON"),
        ([1], "JSON"),
        ({"batch": 0}, "'batch'"),
        ({"bach": 1}, "'bach'"),
        ({"muon_rate": float("nan")}, "'muon_rate'"),
        ({"average": 1.5}, "'average'"),
        ({"warmup": -1}, "'warmup'"),
        ({"hours": float("inf")}, "'hours'"),
    ],
)
def test_wrong_settings_get_one_sentence(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(VaesrError, match=message):
        settings(tmp_path, content)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Five images, the last two of them in a folder below."""
    rng = np.random.default_rng(0)
    (tmp_path / "images" / "held").mkdir(parents=True)
    for number in range(5):
        folder = tmp_path / "images" / ("held" if number > 2 else "")
        imsave(folder / f"{number}.png", rng.integers(0, 255, (96, 96), np.uint8), check_contrast=False)
    return tmp_path / "images"


def prepared(images: Path, name: str = "mine", **given: object) -> Prepared:
    options = {"name": name, "steps": 1}
    given = {"run": images.parent / "run", "output": images.parent / "models"} | given
    return TrainingRequest([images], recipe="tiny", options=options, **given).prepare(print)  # type: ignore[arg-type]


def test_a_run_does_not_go_on_with_other_images(images: Path) -> None:
    """The same command in another place is another training, though it looks like one that was stopped."""
    run = prepared(images).folder
    torch.save({}, run / "step=1.ckpt")
    images = images.rename(images.parent / "moved")
    prepared(images)
    before = (images / "0.png").read_bytes()
    imsave(images / "0.png", np.zeros((96, 96), np.uint8), check_contrast=False)
    with pytest.raises(VaesrError, match="has learnt from other images"):
        prepared(images)
    (images / "0.png").write_bytes(before)
    with pytest.raises(VaesrError, match="or held others out"):
        prepared(images, validate=[images / "1.png"])
    prepared(images)
    (run / "images.sha256").unlink()  # as of an earlier version
    prepared(images)


def test_what_is_validated_on_is_not_learnt_from(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = prepared(images, validate=[images / "held"])
    assert made.learn == [images / f"{number}.png" for number in range(3)]
    assert "2 images are validated on, and not learnt from" in capsys.readouterr().out
    with pytest.raises(VaesrError, match="none is left"):
        prepared(images, validate=[images])


def test_masks_that_are_left_out_are_told(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = sorted(images.glob("*.png"))[0]
    shutil.copy(first, first.with_name(f"{first.stem}_mask.png"))
    prepared(images)
    assert "1 file is left out, a mask or labels" in capsys.readouterr().out
    prepared(images, validate=[images / "held"])
    assert "1 file is left out, a mask or labels" in capsys.readouterr().out


def test_the_place_of_a_bundled_model_is_not_taken(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "own"))
    with pytest.raises(VaesrError, match="--name of its own"):
        prepared(images, "tiny", output=None)
    assert prepared(images, "tiny").models == tmp_path / "models"
    assert prepared(images, output=None).models == tmp_path / "own"


def test_a_run_that_was_stopped_does_not_replace_what_another_has_made(images: Path) -> None:
    run = prepared(images).folder
    with claimed(run, images.parent / "models", "mine"):
        torch.save({}, run / "step=1.ckpt")
    shutil.copy(BUNDLED_MODELS / "tiny.json", images.parent / "models" / "mine.json")
    with pytest.raises(VaesrError, match="this run has not made"):
        prepared(images)


def test_that_a_model_can_not_be_written_is_said_first(images: Path) -> None:
    with pytest.raises(VaesrError, match="no folder"):
        prepared(images, output=images / "0.png")


def test_a_recipe_beside_a_model_that_has_its_own_settings_is_refused(images: Path) -> None:
    with pytest.raises(VaesrError, match="leave --recipe out"):
        TrainingRequest([images], recipe="photo", start="tiny", options={"name": "mine"}).prepare(print)

"""Two trainings of one name never take each other's place."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from napari_vaesr.errors import VaesrError
from napari_vaesr.training.claims import claimed, has_made, note_made, own_name
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.vae.build import build
from napari_vaesr.zoo.card import ModelCard
from napari_vaesr.zoo.weights import save_model


@pytest.fixture
def models(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def begun(run: Path, config: TrainingConfig) -> Path:
    """Leave a run as one that was stopped."""
    run.mkdir(parents=True)
    (run / "config.json").write_text(config.model_dump_json())
    torch.save({}, run / "step=1.ckpt")
    return run


def made(models: Path, config: TrainingConfig, **told: object) -> str:
    """Make a model, and return the hash of its weights."""
    settings = config.model_dump(mode="json", include={"seed", "batch", "steps"})
    card = ModelCard(
        name=config.name,
        title="",
        description="",
        network=config.network,
        receptive_radius=0,
        training={"settings": settings | told},
    )
    save_model(models, build(config.network), card)
    return str(ModelCard.model_validate_json((models / f"{config.name}.json").read_text()).sha256)


def test_a_name_is_held_until_the_model_is_made(
    models: Path, tmp_path: Path, small_config: TrainingConfig
) -> None:
    first = tmp_path / "first"
    with claimed(first, models, "cells"):
        with (
            pytest.raises(VaesrError, match="choose another --name"),
            claimed(tmp_path / "b", models, "cells"),
        ):
            pass
        with claimed(tmp_path / "b", models, "nuclei"):
            pass
        torch.save({}, first / "step=1.ckpt")
    with pytest.raises(VaesrError, match="choose another --name"), claimed(tmp_path / "b", models, "cells"):
        pass  # it was stopped, and may go on
    with claimed(first, models, "cells"):
        pass
    note_made(first, models, "cells", "0" * 64)
    with claimed(tmp_path / "b", models, "cells"):
        pass


def test_a_run_without_a_checkpoint_or_that_is_gone_holds_nothing(models: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), claimed(tmp_path / "a", models, "cells"):
        raise RuntimeError
    with claimed(tmp_path / "b", models, "cells"):
        torch.save({}, tmp_path / "b" / "step=1.ckpt")
    (tmp_path / "b").rename(tmp_path / "moved")
    with claimed(tmp_path / "c", models, "cells"):
        pass


def test_a_model_that_another_run_has_made_keeps_its_name(
    models: Path, tmp_path: Path, small_config: TrainingConfig
) -> None:
    run = tmp_path / "run"
    with claimed(run, models, "small"):
        begun(tmp_path / "other", small_config)
    sha256 = made(models, small_config)
    assert own_name(run, models, "small") == "small-2"
    note_made(run, models, "small", sha256)
    assert own_name(run, models, "small") == "small"


def test_a_run_of_an_earlier_version_knows_its_model_by_the_settings(
    models: Path, tmp_path: Path, small_config: TrainingConfig
) -> None:
    run = begun(tmp_path / "run", small_config)
    card = models / "small.json"
    made(models, small_config, steps=3)
    assert has_made(run, card)
    made(models, small_config, seed=7)
    assert not has_made(run, card)
    card.write_text("damaged")
    assert not has_made(run, card)


def test_a_bundled_model_keeps_its_name_where_all_doors_look(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own_name(tmp_path, models, "tiny") == "tiny"
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(models))
    assert own_name(tmp_path, models, "tiny") == "tiny-2" and own_name(tmp_path, models, "cells") == "cells"

"""A fine-tuning goes on from a model, keeps the best, stops and resumes, and saves what it made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_vaesr.engine.progress import Progress
from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.material import Material, material_from_image
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.training import finish
from napari_vaesr.training.config import TrainingConfig, finetune_config
from napari_vaesr.training.events import Losses, Pictures, Verdict
from napari_vaesr.training.finetune import FineTune, estimated_degradation, fitting_patch
from napari_vaesr.training.fit import fit, newest_checkpoint
from napari_vaesr.training.module import SIDES, Training
from napari_vaesr.training.watch import best_weights, read_checks
from napari_vaesr.zoo.registry import Model, get_card, load_model

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")


@pytest.fixture
def material(start: Model, blobs: Callable[..., np.ndarray]) -> Material:
    return material_from_image(blobs(), "ZYX", start.card.network, "percentile", name="blobs")


def small(start: Model, **changes: object) -> TrainingConfig:
    fields = {"name": "tuned", "batch": 2, "steps": 8, "validate_every": 4, "patch": 8, "warmup": 1}
    return finetune_config(start.card, **(fields | changes))


@pytest.fixture
def prepared(start: Model, material: Material, tmp_path: Path) -> FineTune:
    return FineTune.prepare(tmp_path / "run", material, start, small(start))


def test_patches_fit_small_images(start: Model) -> None:
    view = Pair.of_truth(np.zeros((50, 90), np.float32))
    assert fitting_patch(Material((view,), (view,)), small(start, patch=24)) == 12
    view = Pair.of_truth(np.zeros((500, 900), np.float32))
    assert fitting_patch(Material((view,), (view,)), small(start, patch=24)) == 24


def test_the_estimated_degradation_is_within_reason(material: Material) -> None:
    degradation = estimated_degradation([view.truth for view in material.learn])
    assert 0 < degradation.blur[0] < degradation.blur[1] < 5
    assert degradation.clean == 0


def test_settings_are_gentle_and_take_the_sizes_of_the_start(start: Model) -> None:
    config = finetune_config(start.card, steps=3)
    fresh = TrainingConfig(name="fresh")
    assert config.network == start.card.network and config.start is not None
    assert config.start.sha256 == start.card.sha256
    assert config.muon_rate < fresh.muon_rate and config.adam_rate < fresh.adam_rate
    assert config.warmup < fresh.warmup
    degradation = Degradation(blur=(0, 0.5))
    card = start.card.model_copy(
        update={"training": {"settings": {"degradation": degradation.model_dump(mode="json")}}}
    )
    assert finetune_config(card).degradation == degradation
    with pytest.raises(VaesrError, match="'batch'"):
        finetune_config(start.card, batch=0)


def test_the_first_weights_are_those_of_the_start(start: Model) -> None:
    module = Training(small(start), start.network)
    for name, weight in start.network.state_dict().items():
        assert torch.equal(module.network.state_dict()[name], weight)
        assert torch.equal(module.averaged.state_dict()[name], weight)
    next(module.network.parameters()).data.add_(1)
    assert not torch.equal(next(module.network.parameters()), next(start.network.parameters()))


def test_weights_that_do_not_fit_are_refused(start: Model, tmp_path: Path) -> None:
    config = TrainingConfig(name="other", steps=1)
    with pytest.raises(VaesrError, match="leave its sizes"):
        fit(config, [tmp_path], [tmp_path], tmp_path, start=start)


def test_from_an_image_to_a_model_that_loads(prepared: FineTune, start: Model, tmp_path: Path) -> None:
    events: list[object] = []
    assert prepared.verdict is None
    assert prepared.run(events.append, precision="32-true")
    progress = [event for event in events if isinstance(event, Progress) and event.message.startswith("Step")]
    losses = [event for event in events if isinstance(event, Losses)]
    verdicts = [event for event in events if isinstance(event, Verdict)]
    pictures = [event for event in events if isinstance(event, Pictures)]
    assert progress[-1].done == progress[-1].total and progress[0].done < progress[-1].done
    assert progress[-1].message.startswith("Step 8, ") and "per second: ×2 " in progress[-1].message
    assert losses[-1].step == 8 and np.isfinite(losses[-1].loss)
    assert len(losses[-1].kl) == len(start.card.network.levels)
    assert [each.latest.step for each in verdicts] == [0, 4, 8]
    assert pictures[0].now.shape == pictures[0].low.shape == pictures[0].truth.shape
    np.testing.assert_allclose(pictures[0].now, pictures[0].before, atol=1e-5)
    assert np.abs(pictures[-1].now - pictures[-1].before).max() > 1e-3

    # Random weights are easy to better; what was best is what is saved.
    assert prepared.verdict is not None and prepared.verdict.gain > 0
    model = load_model(prepared.save(tmp_path / "models", command="by hand"))
    best = best_weights(prepared.folder)
    assert best is not None
    for name, weight in model.network.state_dict().items():
        assert torch.equal(weight, best[name])
    card = model.card
    assert card.name == "tuned" and "blobs" in card.training_data[-1].origin
    assert card.training["start"] == {
        "name": "test-tiny",
        "version": "0",
        "sha256": start.card.sha256,
    }
    assert set(card.calibration) == {"2", "3", "4"} and "date" in card.training
    assert card.metrics["psnr_mean_x2"] > card.metrics["psnr_start_x2"]


def test_another_fine_tuning_of_the_same_settings_leaves_the_first_model_alone(
    start: Model, material: Material, tmp_path: Path
) -> None:
    config, made = small(start, steps=2, validate_every=2), []
    for folder in (tmp_path / "a", tmp_path / "b"):
        tuning = FineTune.prepare(folder, material, start, config)
        assert tuning.run(precision="32-true")
        made.append(tuning.save(tmp_path / "models").stem)
        assert tuning.save(tmp_path / "models").stem == made[-1]  # its own it may replace
    assert made == ["tuned", "tuned-2"]


def test_images_like_those_of_the_start_stay_familiar(
    start: Model, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = get_card("microscopy").inputs
    knowing = Model(start.card.model_copy(update={"inputs": before}), start.network)
    tuning = FineTune.prepare(tmp_path / "run", material, knowing, small(knowing, steps=2, validate_every=2))
    assert tuning.run(precision="32-true")
    own = before[0].model_copy(update={"limit": 7.0})
    seen = []
    monkeypatch.setattr(finish, "input_statistics", lambda found, *_: seen.append(found) or own)
    assert load_model(tuning.save(tmp_path / "models")).card.inputs == (own, *before)
    assert len(seen[0].others) == len(material.learn) and seen[0].others[0].ndim == 2
    monkeypatch.setattr(finish, "input_statistics", lambda *_: None)
    assert load_model(tuning.save(tmp_path / "again")).card.inputs == before


def test_stopped_and_resumed_it_goes_on(prepared: FineTune) -> None:
    steps: list[int] = []

    def listen(event: object) -> None:
        if isinstance(event, Verdict):
            steps.append(event.latest.step)

    assert not prepared.run(listen, lambda: len(steps) == 2, precision="32-true")
    *before, stopped = steps  # it is checked where it stops
    assert before == [0, 4] and 4 < stopped < 8 and newest_checkpoint(prepared.folder) is not None
    again = FineTune(prepared.folder)  # as after a restart
    assert again.verdict is not None and again.verdict.latest.step == stopped
    steps.clear()
    assert again.run(listen, precision="32-true")
    assert steps == [stopped, 8]
    assert [check.step for check in read_checks(again.folder)] == [0, 4, stopped, 8]


def test_the_best_weights_are_kept_and_not_the_last(
    prepared: FineTune, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([30.0, 31.0, 29.0, 29.0])

    def scripted(*_: object) -> dict[str, float]:
        return dict.fromkeys(("base", "mean", "one"), value[0])

    value = [0.0]
    monkeypatch.setattr(
        "napari_vaesr.training.module._scored", lambda *_: (scripted(), torch.zeros(len(SIDES), 2))
    )
    monkeypatch.setattr("napari_vaesr.training.watch.validation_scores", scripted)
    kept = []

    def listen(event: object) -> None:
        if isinstance(event, Verdict):
            value[0] = next(scores)
            weights = best_weights(prepared.folder)
            kept.append(None if weights is None else weights["trunk.entry.weight"])

    value[0] = next(scores)
    prepared.run(listen, precision="32-true")
    found = prepared.verdict
    assert found is not None and found.best.step == 4 and found.gain == pytest.approx(1)
    assert found.is_worse  # 29 dB in the end
    assert kept[0] is None and torch.equal(kept[1], kept[2])


def test_a_folder_is_used_once(prepared: FineTune, material: Material, start: Model) -> None:
    with pytest.raises(VaesrError, match="holds a fine-tuning already"):
        FineTune.prepare(prepared.folder, material, start, small(start))


def test_what_is_missing_is_said(prepared: FineTune, tmp_path: Path) -> None:
    with pytest.raises(VaesrError, match="no fine-tuning"):
        FineTune(tmp_path)
    with pytest.raises(VaesrError, match="no checkpoint yet"):
        prepared.save(tmp_path)
    (prepared.folder / "images.npz").unlink()
    with pytest.raises(VaesrError, match="images of the fine-tuning"):
        prepared.run()

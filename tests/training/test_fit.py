"""A training learns, resumes where it was, and ends as a model that loads."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import lightning
import pytest
import torch

from napari_vaesr.errors import TryAgain, VaesrError
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.fit import fit, newest_checkpoint
from napari_vaesr.training.module import Training

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*worker processes in total")
@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_goes_on_and_gives_the_same_weights(
    small_config: TrainingConfig, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """Stopped after 3 of 6 steps by hand and resumed, the data and the optimisers go on where they were.

    It does not matter how many processes make the batches. Only the streams of random draws are not kept,
    so there are none here.
    """
    monkeypatch.setattr(torch, "randn_like", torch.ones_like)
    config = small_config.model_copy(update={"score_weight": 0.0})
    whole = fit(config, [images], [images], tmp_path / "whole", precision="32-true")
    interrupted = tmp_path / "interrupted"

    from lightning.pytorch.callbacks import Callback

    class StopAfterThree(Callback):
        def on_train_batch_end(self, trainer: object, module: Training, *_: object) -> None:
            trainer.should_stop = module.steps_done >= 3  # type: ignore[attr-defined]

    stopped = fit(config, [images], [images], interrupted, callbacks=[StopAfterThree()], precision="32-true")
    assert stopped.steps_done == 3
    resumed = fit(config, [images], [images], interrupted, precision="32-true", workers=workers)
    assert resumed.steps_done == 6
    for name, weight in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], weight, rtol=0, atol=1e-6)
    assert resumed.seconds_done >= stopped.seconds_done


def test_a_run_that_has_ended_stays_as_it_is(
    small_config: TrainingConfig, images: Path, tmp_path: Path
) -> None:
    first, again = (fit(small_config, [images], [images], tmp_path, precision="32-true") for _ in range(2))
    assert again.steps_done == first.steps_done == 6 and again.progress == 1
    for name, weight in first.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight)
    longer = small_config.model_copy(update={"steps": 7})
    assert fit(longer, [images], [images], tmp_path, precision="32-true").steps_done == 7


def test_a_checkpoint_cut_short_is_passed_over(
    small_config: TrainingConfig, images: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    fit(small_config, [images], [images], run, precision="32-true")
    good = newest_checkpoint(run)
    assert good is not None
    (run / "step=999.ckpt").write_bytes(good.read_bytes()[:1000])
    assert newest_checkpoint(run) == good


def test_a_run_keeps_two_checkpoints_however_often_it_goes_on(
    small_config: TrainingConfig, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "step=1 mine.ckpt").write_bytes(b"")  # left alone
    for steps in (3, 5, 7, 9):
        config = small_config.model_copy(update={"steps": steps, "validate_every": 2})
        fit(config, [images], [images], tmp_path, precision="32-true")
    names = sorted(path.name for path in tmp_path.glob("*.ckpt"))
    assert names == ["step=1 mine.ckpt", "step=8.ckpt", "step=9.ckpt"]


def test_a_full_disk_is_said_and_leaves_what_it_takes_to_go_on(
    small_config: TrainingConfig, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(small_config, [images], [images], tmp_path, precision="32-true")
    longer = small_config.model_copy(update={"steps": 9})
    full = OSError(errno.ENOSPC, "No space left on device", "a file of another disk")

    def save(*_: object) -> None:
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(lightning.Trainer, "save_checkpoint", save)
        with pytest.raises(TryAgain, match=f"The disk of {re.escape(str(tmp_path))} is full"):
            fit(longer, [images], [images], tmp_path, precision="32-true")

    def write(path: Path, text: str, *_: object, **__: object) -> int:
        with path.open("w") as file:
            file.write(text[:5])
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", write)
        with pytest.raises(TryAgain, match="disk is full"):
            fit(longer, [images], [images], tmp_path, precision="32-true")
    assert fit(longer, [images], [images], tmp_path, precision="32-true").steps_done == 9


def test_settings_that_are_gone_or_damaged_are_said(small_config: TrainingConfig, tmp_path: Path) -> None:
    torch.save({}, tmp_path / "step=1.ckpt")
    with pytest.raises(VaesrError, match="missing or damaged"):
        fit(small_config, [], [], tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(VaesrError, match="missing or damaged"):
        fit(small_config, [], [], tmp_path)


def test_other_settings_do_not_go_on_from_here(
    small_config: TrainingConfig, images: Path, tmp_path: Path
) -> None:
    fit(small_config, [images], [images], tmp_path / "run", precision="32-true")
    with pytest.raises(VaesrError, match="other settings"):
        fit(small_config.model_copy(update={"batch": 2}), [images], [images], tmp_path / "run")
    # Orientations are of the network's use, not of its training.
    turned = small_config.network.model_copy(update={"orientations": 2})
    again = small_config.model_copy(update={"network": turned, "steps": 7})
    assert fit(again, [images], [images], tmp_path / "run", precision="32-true").steps_done == 7


def test_a_length_is_needed(small_config: TrainingConfig, tmp_path: Path) -> None:
    with pytest.raises(VaesrError, match="length"):
        fit(small_config.model_copy(update={"steps": None}), [tmp_path], [tmp_path], tmp_path)


def test_the_base_learns_alone_and_then_the_ladder_joins_in(
    small_config: TrainingConfig, images: Path, tmp_path: Path
) -> None:
    alone = small_config.model_copy(update={"base_share": 1.0})
    before = Training(alone).state_dict()
    after = fit(alone, [images], [images], tmp_path / "alone", precision="32-true")
    assert after.ladder_steps == 0
    for name, weight in after.network.state_dict().items():
        same = torch.equal(weight, before[f"network.{name}"])
        assert same != name.startswith(("trunk", f"base_head.{2}", f"base_head.{3}")), name

    half = small_config.model_copy(update={"base_share": 0.5})
    joined = fit(half, [images], [images], tmp_path / "half", precision="32-true")
    assert joined.ladder_steps == 3
    assert not torch.equal(joined.network.state_dict()["narrow.weight"], before["network.narrow.weight"])


def test_without_weight_the_base_stays_as_it_is(
    small_config: TrainingConfig, images: Path, tmp_path: Path
) -> None:
    config = small_config.model_copy(update={"base_weight": 0.0})
    before = Training(config).state_dict()
    after = fit(config, [images], [images], tmp_path / "run", precision="32-true")
    assert after.ladder_steps == 6
    for name, weight in after.network.state_dict().items():
        if name.partition(".")[0] in after.network.base_parts:
            assert torch.equal(weight, before[f"network.{name}"]), name
    assert not torch.equal(after.network.state_dict()["narrow.weight"], before["network.narrow.weight"])

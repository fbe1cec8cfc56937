"""A training tells how far it is after every step, and stops when asked to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from napari_vaesr.engine.progress import Progress
from napari_vaesr.training.follow import WHOLE, Follow


def step(follow: Follow, trainer: Any, done: int, seconds: float) -> None:
    training: Any = SimpleNamespace(steps_done=done, seconds_done=seconds, progress=done / 8)
    follow.on_train_batch_end(trainer, training)


def test_it_names_the_step_its_pace_and_the_scores() -> None:
    told: list[Progress] = []
    trainer: Any = SimpleNamespace(world_size=1, callback_metrics={}, should_stop=False)
    follow = Follow(told.append)
    step(follow, trainer, 2, 10.0)
    step(follow, trainer, 4, 10.5)
    trainer.callback_metrics = {
        "psnr_mean_x3x1": torch.tensor(30.0),
        "psnr_mean_x2": 31.456,
        "psnr_base_x2": 29,
    }
    step(follow, trainer, 8, 12.0)
    assert [each.done for each in told] == [WHOLE // 4, WHOLE // 2, WHOLE]
    assert {each.total for each in told} == {WHOLE} and not trainer.should_stop
    assert [each.message for each in told] == [
        "Step 2",
        "Step 4, 4.0 per second",
        "Step 8, 3.0 per second: ×2 31.46 dB, ×3x1 30.00 dB",
    ]


@pytest.mark.parametrize("devices", [1, 2])
def test_it_stops_after_the_step_where_all_devices_agree(devices: int) -> None:
    asked: list[bool] = []

    def agreed(stop: bool, all: bool) -> bool:
        asked.append(stop)
        return True

    strategy = SimpleNamespace(reduce_boolean_decision=agreed)
    trainer: Any = SimpleNamespace(
        world_size=devices, callback_metrics={}, should_stop=False, strategy=strategy
    )
    step(Follow(lambda _: None, lambda: devices == 1), trainer, 1, 1.0)
    assert trainer.should_stop and asked == ([False] if devices > 1 else [])

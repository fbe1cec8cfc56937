"""The speed of a network is measured once for many images that are looked at in a row."""

from __future__ import annotations

import numpy as np
import torch

from napari_vaesr.engine import speed
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.speed import KEPT_SECONDS, Speed, speed_of
from napari_vaesr.engine.upscaler import Upscaler
from napari_vaesr.imaging.axes import Source


def test_images_looked_at_in_a_row_are_timed_once(model, exact, monkeypatch):
    timed = []
    real = Upscaler._encode
    monkeypatch.setattr(Upscaler, "_encode", lambda *args: timed.append(1) or real(*args))
    monkeypatch.setattr(speed, "monotonic", lambda: 0.0)
    plane = np.random.default_rng(0).random((20, 30), dtype=np.float32)
    first, *others = (
        UpscaleJob(Source.of(plane, "YX"), exact, model=model).describe().seconds for _ in range(4)
    )
    assert first > 0 and others == [first] * 3
    assert len(timed) <= 2


def test_a_speed_is_measured_again_after_a_while_and_for_another_factor(monkeypatch):
    now, network = 0.0, torch.nn.Conv2d(1, 1, 1)
    monkeypatch.setattr(speed, "monotonic", lambda: now)
    slow, fast = Speed(3.0, 2.0), Speed(1.0, 0.5)
    assert speed_of(network, (2, 2), lambda: slow) == slow
    assert speed_of(network, (2, 2), lambda: fast) == slow
    assert speed_of(network, (3, 3), lambda: fast) == fast
    now = KEPT_SECONDS + 1.0
    assert speed_of(network, (2, 2), lambda: fast) == fast
    assert slow.seconds(4) == 11.0

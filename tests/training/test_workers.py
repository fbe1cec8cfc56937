"""Processes that make patches: how many there are, and what happens when one ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imsave
from torch.utils.data import DataLoader, get_worker_info

from napari_vaesr.engine.device import DeviceChoice
from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.training import workers
from napari_vaesr.training.batches import Batches
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.fit import fit
from napari_vaesr.training.patches import Patches
from napari_vaesr.vae.config import Level, NetworkConfig

SMALL = TrainingConfig(
    name="small",
    network=NetworkConfig(
        scales=(2,), width=8, blocks=1, decoder_width=8, levels=(Level(stride=1, channels=2),)
    ),
    patch=8,
    batch=2,
    steps=40,
)


@pytest.mark.parametrize(
    ("device", "method", "cores", "devices", "expected"),
    [
        ("cpu", "fork", 16, 1, 0),
        ("cuda:0", "fork", 16, 1, 15),
        ("cuda:0", "fork", 16, 4, 3),
        ("cuda:0", "fork", 1, 1, 1),
        ("mps:0", None, 8, 1, 0),
    ],
)
def test_a_gpu_gets_all_cores_but_one(
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    method: str | None,
    cores: int,
    devices: int,
    expected: int,
) -> None:
    monkeypatch.setattr(workers, "choose_device", lambda: DeviceChoice(device, "float32", ""))
    monkeypatch.setattr(workers, "START_METHOD", method)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(cores), raising=False)
    assert workers.default_workers(devices) == expected


class Deadly(Batches):
    """Batches whose worker is killed at the third, after some seconds."""

    def __init__(self, images: Path, seconds: float = 0) -> None:
        super().__init__(SMALL)
        self.patches = Patches([images], SMALL)
        self.seconds = seconds
        self.dying = multiprocessing.get_context("fork").Event()

    def batch(self, step: int) -> Batch:
        if step == 2 and get_worker_info() is not None:
            self.dying.set()
            time.sleep(self.seconds)
            os.kill(os.getpid(), signal.SIGKILL)
        return self.patches.batch(step)


def save_image(folder: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    imsave(folder / "a.png", pixels, check_contrast=False)


@pytest.mark.skipif(workers.START_METHOD is None, reason="there are workers on Linux only")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning", "ignore:.*worker processes in total")
@pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")
def test_a_worker_that_ends_is_told_in_a_sentence(tmp_path: Path) -> None:
    save_image(tmp_path)
    with pytest.raises(VaesrError, match="fewer --workers"):
        fit(SMALL, lambda step: Deadly(tmp_path), [tmp_path], tmp_path / "run", workers=1)


@pytest.mark.skipif(workers.START_METHOD is None, reason="there are workers on Linux only")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_end_of_a_worker_is_awaited_before_its_destructor_could_tell_of_it(tmp_path: Path) -> None:
    save_image(tmp_path)
    deadly = Deadly(tmp_path, 0.3)
    loader = DataLoader(deadly, batch_size=None, num_workers=1, multiprocessing_context="fork")
    batches = iter(loader)
    next(batches)
    assert deadly.dying.wait(timeout=60)
    workers.notice_ended()
    assert multiprocessing.active_children() == []
    del batches

"""A very small network with random weights: its answers mean nothing but depend on all that they should."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.settings import UpscaleSettings, make_settings
from napari_vaesr.imaging.axes import Source
from napari_vaesr.vae.config import Level, NetworkConfig
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.registry import Model


@pytest.fixture(scope="session")
def model(make_network, make_card) -> Model:
    config = NetworkConfig(
        scales=(2, 3),
        width=6,
        blocks=1,
        decoder_width=6,
        levels=(Level(stride=4, channels=3), Level(stride=1, channels=2)),
    )
    network = make_network(config, seed=1, std=0.15)
    card = make_card(
        "random",
        version="1",
        network=config,
        receptive_radius=network.receptive_radius,
        calibration={"2": Calibration(), "3": Calibration(slope=2.0, offset=0.25)},
    )
    return Model(card=card, network=network)


@pytest.fixture(scope="session")
def settings():
    def settings(**changes):
        return make_settings(**{"samples": 2, "device": "cpu", "precision": "float32", **changes})

    return settings


@pytest.fixture(scope="session")
def finish():
    """Run a job to its end, and return its result and what it told on the way."""

    def finish(job):
        steps = list(job)
        return job.result, steps

    return finish


@pytest.fixture(scope="session")
def run(settings, finish):
    def run(array, axes, model, extent=None, **changes):
        return finish(UpscaleJob(Source.of(array, axes), settings(**changes), extent or {}, model=model))[0]

    return run


@pytest.fixture
def exact(model: Model) -> UpscaleSettings:
    """Settings for results that can be compared to float tolerance."""
    return make_settings(model=model.card.name, samples=4, device="cpu", precision="float32")


@pytest.fixture
def stack() -> np.ndarray:
    """A 16-bit stack with the axes CZYX."""
    return np.random.default_rng(0).integers(100, 4000, (2, 3, 17, 22), dtype=np.uint16)


class Reads:
    """An array that counts how often it is read, and how many pixels at once."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.count = self.largest = 0

    def __getitem__(self, index):
        part = self.array[index]
        self.count += 1
        self.largest = max(self.largest, part.size)
        return part


@pytest.fixture
def reads(stack: np.ndarray) -> Reads:
    return Reads(stack)

"""A folder for models that is each test's own, and a saved model with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from napari_vaesr.vae.config import PRESETS
from napari_vaesr.zoo.card import Calibration, DataSource, ModelCard
from napari_vaesr.zoo.weights import save_model

MakeCard = Callable[..., ModelCard]


@pytest.fixture(scope="session")
def make_card() -> MakeCard:
    """A function that makes a card of a name, with some fields changed."""

    def make_card(name: str = "tiny-test", **changes: object) -> ModelCard:
        fields = {
            "name": name,
            "title": "Random weights",
            "description": "For tests only.",
            "network": PRESETS["tiny"],
            "training_data": (DataSource(name="none", origin="none", licence="CC0-1.0"),),
            "training": {"command": "napari-vaesr train", "steps": 3, "seeds": [1, 2]},
            "metrics": {"psnr": 30.5},
            "calibration": {"2": Calibration(slope=1.25, offset=0.001)},
            "limits": "Makes noise.",
        }
        return ModelCard.model_validate(fields | changes)

    return make_card


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own models and cache out of the tests, and the tests out of them."""
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "user"))
    monkeypatch.setenv("NAPARI_VAESR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("napari_vaesr.zoo.registry.BUNDLED_MODELS", tmp_path / "bundled")


@pytest.fixture(scope="session")
def network():
    import torch

    from napari_vaesr.vae.build import build

    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build(PRESETS["tiny"]).eval()
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    return network


@pytest.fixture
def saved(tmp_path: Path, network, make_card: MakeCard) -> Path:
    """The path of saved weights; their card is beside them."""
    return save_model(tmp_path / "saved", network, make_card())

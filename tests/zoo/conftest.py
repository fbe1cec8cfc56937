"""A folder for models that is each test's own, and a saved model with random weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_vaesr.vae.config import PRESETS
from napari_vaesr.zoo.weights import save_model


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own models and cache out of the tests, and the tests out of them."""
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "user"))
    monkeypatch.setenv("NAPARI_VAESR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("napari_vaesr.zoo.folders.BUNDLED_MODELS", tmp_path / "bundled")


@pytest.fixture(scope="session")
def network(make_network):
    return make_network(PRESETS["tiny"], seed=3)


@pytest.fixture
def saved(tmp_path: Path, network, make_card) -> Path:
    """The path of saved weights; their card is beside them."""
    return save_model(tmp_path / "saved", network, make_card())

"""Fixtures and habits shared by the tests of all rooms."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

VIEWER_FIXTURES = {"make_napari_viewer", "make_napari_viewer_proxy", "qtbot", "qapp"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that open a window, and skip them on a Linux machine without any display."""
    headless = sys.platform == "linux" and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    for item in items:
        if VIEWER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.viewer)
        if headless and item.get_closest_marker("viewer"):
            item.add_marker(pytest.mark.skip(reason="needs a display; `make test` brings its own"))


@pytest.fixture(scope="session")
def tiny_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A very small ladder VAE with random weights and a card, saved; its results have no meaning."""
    import torch

    from napari_vaesr.vae.build import build
    from napari_vaesr.vae.config import PRESETS, Level
    from napari_vaesr.zoo.card import DataSource, ModelCard
    from napari_vaesr.zoo.weights import save_model

    config = PRESETS["tiny"].model_copy(
        update={
            "width": 8,
            "blocks": 1,
            "decoder_width": 8,
            "levels": (Level(stride=2, channels=4), Level(stride=1, channels=4)),
        }
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(config).eval()
        # Fresh output layers are near zero; random ones make the samples differ and the tests able to fail.
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    card = ModelCard(
        name="test-tiny",
        title="Random weights",
        description="For tests only.",
        version="0",
        network=config,
        receptive_radius=network.receptive_radius,
        intensity="percentile",
        training_data=(DataSource(name="none", origin="none", licence="CC0-1.0"),),
        training={},
        metrics={},
        calibration={},
        limits="Makes noise.",
        licence="BSD-3-Clause",
    )
    return save_model(tmp_path_factory.mktemp("models"), network, card)


@pytest.fixture(autouse=True)
def own_choices(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the panel remembers out of the user's folders, and every test out of the others'."""
    monkeypatch.setenv("NAPARI_VAESR_CHOICES", str(tmp_path_factory.mktemp("state") / "choices.json"))

"""Fixtures and habits shared by the tests of all rooms."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest

if TYPE_CHECKING:
    import torch

    from napari_vaesr.vae.base import SuperResolutionVAE
    from napari_vaesr.vae.config import NetworkConfig
    from napari_vaesr.zoo.card import ModelCard
    from napari_vaesr.zoo.registry import Model

# Tests share the machine with others, and with each other: what takes long here says nothing.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")

# Nor do they read or change the settings of whoever runs them, which napari looks for when it is imported.
_config = tempfile.TemporaryDirectory(prefix="napari-config-", ignore_cleanup_errors=True)
os.environ["NAPARI_CONFIG"] = f"{_config.name}/settings.yaml"

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


def pytest_collection() -> None:
    """Look for no garbage among what is imported: all of it stays."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave what was imported out of every later search, which would take half a second each time."""
    gc.enable()
    gc.freeze()


@pytest.fixture(scope="session")
def make_network() -> Callable[..., SuperResolutionVAE]:
    """A function that builds a network with random weights, whose results have no meaning."""
    import torch

    from napari_vaesr.vae.build import build

    def make_network(config: NetworkConfig, seed: int = 0, std: float = 0.1) -> SuperResolutionVAE:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = build(config).eval()
            # Fresh output layers are near zero; random ones make samples differ and tests able to fail.
            for parameter in network.parameters():
                torch.nn.init.normal_(parameter, std=std)
        return network

    return make_network


@pytest.fixture(scope="session")
def make_card() -> Callable[..., ModelCard]:
    """A function that makes a card of a name, with some fields changed."""
    from napari_vaesr.vae.config import PRESETS
    from napari_vaesr.zoo.calibration import Calibration
    from napari_vaesr.zoo.card import DataSource, ModelCard

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


@pytest.fixture(scope="session")
def tiny_model_path(
    tmp_path_factory: pytest.TempPathFactory,
    make_network: Callable[..., SuperResolutionVAE],
    make_card: Callable[..., ModelCard],
) -> Path:
    """A very small ladder VAE with random weights and a card, saved."""
    from napari_vaesr.vae.config import PRESETS, Level
    from napari_vaesr.zoo.calibration import Calibration
    from napari_vaesr.zoo.weights import save_model

    levels = (Level(stride=2, channels=4), Level(stride=1, channels=4))
    config = PRESETS["tiny"].model_copy(
        update={"width": 8, "blocks": 1, "decoder_width": 8, "levels": levels}
    )
    calibration = {str(scale): Calibration() for scale in config.scales}
    card = make_card(
        "test-tiny", version="0", network=config, calibration=calibration, training={}, metrics={}
    )
    return save_model(tmp_path_factory.mktemp("models"), make_network(config), card)


@pytest.fixture(scope="session")
def deep_model_path(
    tmp_path_factory: pytest.TempPathFactory,
    make_network: Callable[..., SuperResolutionVAE],
    make_card: Callable[..., ModelCard],
) -> Path:
    """A very small ladder that sees neighbouring planes and makes rows alone, saved."""
    from napari_vaesr.vae.config import Level, NetworkConfig
    from napari_vaesr.zoo.weights import save_model

    levels = (Level(stride=2, channels=2), Level(stride=1, channels=2))
    config = NetworkConfig(
        scales=(2,), row_factors=(2, 3), frames=3, width=4, blocks=0, decoder_width=4, levels=levels
    )
    card = make_card("test-deep", version="0", network=config, calibration={}, training={}, metrics={})
    return save_model(tmp_path_factory.mktemp("models"), make_network(config, seed=2), card)


@pytest.fixture(scope="session")
def told_model_path(
    tmp_path_factory: pytest.TempPathFactory,
    make_network: Callable[..., SuperResolutionVAE],
    make_card: Callable[..., ModelCard],
) -> Path:
    """A very small ladder that makes rows alone and is told noise, blur and what rows are, saved."""
    from napari_vaesr.vae.config import Level, NetworkConfig
    from napari_vaesr.zoo.weights import save_model

    config = NetworkConfig(
        scales=(2,),
        row_factors=(2, 3),
        frames=3,
        conditioned=True,
        sections=True,
        consistent=True,
        width=4,
        blocks=0,
        decoder_width=4,
        levels=(Level(stride=2, channels=2), Level(stride=1, channels=2)),
    )
    card = make_card("test-told", version="0", network=config, calibration={}, training={}, metrics={})
    return save_model(tmp_path_factory.mktemp("models"), make_network(config, seed=3), card)


@pytest.fixture(scope="session")
def compact_weights() -> Callable[..., dict[str, torch.Tensor]]:
    """A function that makes random weights of a very small network that spandrel knows."""
    import torch

    def compact_weights(channels: int = 3, factor: int = 2, width: int = 8) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(channels)

        def random(*shape: int) -> torch.Tensor:
            return 0.1 * torch.randn(shape, generator=generator)

        last = channels * factor**2
        return {
            "body.0.weight": random(width, channels, 3, 3),
            "body.0.bias": random(width),
            "body.1.weight": random(width),
            "body.2.weight": random(width, width, 3, 3),
            "body.2.bias": random(width),
            "body.3.weight": random(width),
            "body.4.weight": random(last, width, 3, 3),
            "body.4.bias": random(last),
        }

    return compact_weights


@pytest.fixture
def compact_file(
    compact_weights: Callable[..., dict[str, torch.Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Such weights of a network for colours, x2, in a file; models and their bases go into a folder here."""
    from importlib.util import find_spec

    from safetensors.torch import save_file

    if find_spec("spandrel") is None:
        pytest.skip("spandrel is not installed")
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "models"))
    path = tmp_path / "compact.safetensors"
    save_file(compact_weights(), path, metadata={"license": "MIT", "modelspec.author": "A. Nyone"})
    return path


@pytest.fixture(autouse=True)
def own_choices(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what the panel remembers out of the user's folders, and every test out of the others'."""
    monkeypatch.setenv("NAPARI_VAESR_CHOICES", str(tmp_path_factory.mktemp("state") / "choices.json"))


@pytest.fixture(scope="session")
def blobs() -> Callable[..., np.ndarray]:
    """A function that makes a 16-bit stack of round spots."""

    def blobs(shape: tuple[int, ...] = (2, 80, 160), seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        rows, columns = np.mgrid[: shape[-2], : shape[-1]]
        planes = []
        for _ in range(int(np.prod(shape[:-2]))):
            spots = rng.random((40, 2)) * shape[-2:]
            planes.append(sum(np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8) for y, x in spots))
        return (np.reshape(planes, shape) / np.max(planes) * 4000 + 100).astype(np.uint16)

    return blobs


@pytest.fixture
def start(tiny_model_path: Path) -> Model:
    """A model to begin with."""
    from napari_vaesr.zoo.registry import load_model

    return load_model(tiny_model_path)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three small pictures of blobs, 8-bit, 16-bit and colour."""
    from skimage.io import imsave

    folder = tmp_path / "images" / "blobs"
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:48, :60]
    rng = np.random.default_rng(0)
    for index, dtype in enumerate((np.uint8, np.uint16, np.uint8)):
        centres = rng.random((8, 2)) * (48, 60)
        blobs = sum(np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 12) for y, x in centres)
        plane = (blobs / blobs.max() * np.iinfo(dtype).max).astype(dtype)
        image = np.stack([plane] * 3, axis=-1) if index == 2 else plane
        imsave(folder / f"{index}.{'tif' if dtype == np.uint16 else 'png'}", image, check_contrast=False)
    return folder.parent

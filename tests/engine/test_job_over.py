"""A model over another network in the engine: tiles, colours, and what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.lazy import lazy_result
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.imaging.axes import Source
from napari_vaesr.trust.upscale import upscale
from napari_vaesr.vae.config import BaseNetwork, Level, OverConfig
from napari_vaesr.vae.frozen import Frozen
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.registry import Model

EXACT = {"samples": 4, "device": "cpu", "precision": "float32"}


@pytest.fixture(scope="module")
def make_model(make_network, make_card):
    def make_model(colours: str) -> Model:
        channels = 1 if colours == "grey" else 3
        base = BaseNetwork(
            name="foreign", sha256="0" * 64, factor=2, colours=colours, halo=4, multiple=4, licence="MIT"
        )
        levels = (Level(stride=2, channels=2), Level(stride=1, channels=2))
        config = OverConfig(base=base, scales=(2,), width=6, blocks=1, decoder_width=6, levels=levels)
        network = make_network(config, seed=1, std=0.15)
        torch.manual_seed(3)
        network.base = Frozen(
            nn.Sequential(
                nn.Conv2d(channels, 6, 5, padding=2),
                nn.Tanh(),
                nn.Conv2d(6, 4 * channels, 5, padding=2),
                nn.PixelShuffle(2),
            ),
            base,
        )
        card = make_card(
            "over-foreign",
            network=config,
            receptive_radius=network.receptive_radius,
            calibration={"2": Calibration()},
        )
        return Model(card, network)

    return make_model


@pytest.fixture
def photograph():
    return np.random.default_rng(0).integers(0, 256, (40, 52, 3), dtype=np.uint8)


def test_tiles_change_nothing(make_model, photograph):
    model, plane = make_model("grey"), photograph[..., 0].astype(np.float32)
    whole = upscale(plane, axes="YX", model=model, **EXACT)
    tiled = upscale(plane, axes="YX", model=model, tile=12, **EXACT)
    assert whole.std.min() > 0
    np.testing.assert_allclose(tiled.mean, whole.mean, atol=2e-5 * 255)
    np.testing.assert_allclose(tiled.std, whole.std, atol=2e-5 * 255)


def answer(model: Model, pixels: np.ndarray) -> np.ndarray:
    """What the other network itself says, (Y, X, 3)."""
    planes = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
    return 255 * model.network.base(planes)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("tile", [None, 12])
def test_colours_are_those_of_the_other_network(make_model, photograph, tile):
    model = make_model("rgb")
    source, settings = Source.of(photograph.astype(np.float32), "YXS"), make_settings(tile=tile, **EXACT)
    job = UpscaleJob(source, settings, model=model, scalings=[_eight_bits()])
    for _ in job:
        pass
    np.testing.assert_allclose(job.result.mean, answer(model, photograph), atol=2e-5 * 255)
    assert job.result.std.shape == (80, 104)


def test_lazy_and_eager_see_the_same_colours(make_model, photograph):
    model = make_model("rgb")
    eager = upscale(photograph, axes="YXS", model=model, **EXACT)
    mean = lazy_result(UpscaleJob(Source.of(photograph, "YXS"), make_settings(**EXACT), model=model)).mean
    np.testing.assert_array_equal(np.asarray(mean), eager.mean)


def test_a_network_may_be_told_to_see_luma_alone(make_model, photograph):
    grey = photograph.mean(axis=-1, keepdims=True).astype(np.float32).repeat(3, axis=-1)
    seen, luma = (
        upscale(grey, axes="YXS", model=make_model(colours), **EXACT).mean for colours in ("rgb", "luma")
    )
    # Where all is grey the two see the same, and only the first gives it colours of its own.
    weights = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(seen @ weights, luma @ weights, atol=0.01)
    assert np.abs(np.diff(luma, axis=-1)).max() < 0.01 < np.abs(np.diff(seen, axis=-1)).max()


def test_alpha_passes_by(make_model, photograph):
    opaque = np.concatenate([photograph, np.full((40, 52, 1), 255, np.uint8)], axis=-1)
    with_alpha = upscale(opaque, axes="YXS", model=make_model("rgb"), **EXACT)
    without = upscale(photograph, axes="YXS", model=make_model("rgb"), **EXACT)
    np.testing.assert_array_equal(with_alpha.mean[..., 3], 255)
    np.testing.assert_allclose(with_alpha.mean[..., :3].astype(int), without.mean, atol=1)


def test_it_can_be_chained(make_model, photograph):
    result = upscale(photograph[:16, :20], axes="YXS", model=make_model("rgb"), scale=4, **EXACT)
    assert result.mean.shape == (64, 80, 3)


def _eight_bits():
    from napari_vaesr.imaging.intensity import IntensityScaling

    return IntensityScaling(offset=0.0, gain=255.0)

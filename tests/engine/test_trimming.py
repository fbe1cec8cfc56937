"""What is left out near the edge of a halo is not missed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.engine.trimming import TrimmedTrunk
from napari_vaesr.engine.upscaler import Upscaler
from napari_vaesr.vae.config import Level, NetworkConfig
from napari_vaesr.vae.ladder import LadderVAE
from napari_vaesr.zoo.calibration import AS_DRAWN
from napari_vaesr.zoo.registry import Model

SIDE = 60


@dataclass
class Picture:
    """A plane in memory."""

    pixels: np.ndarray
    conditions: tuple[float, float, float]
    keys = ((0, 1.0),)
    areas = AS_DRAWN
    is_rgb = False

    @property
    def height(self):
        return self.pixels.shape[0]

    @property
    def width(self):
        return self.pixels.shape[1]

    def luma(self, rows, columns):
        return self.pixels[rows, columns, None]


@pytest.fixture(scope="module")
def model(make_network, make_card):
    levels = (Level(stride=2, channels=2), Level(stride=1, channels=2))
    config = NetworkConfig(
        scales=(2,),
        row_factors=(2,),
        conditioned=True,
        consistent=True,
        width=8,
        blocks=2,
        decoder_width=8,
        levels=levels,
    )
    return Model(make_card(network=config), make_network(config))


def computed(model, factor, noise, rows, columns):
    """Return mean, std and samples of a part of a plane."""
    pixels = np.random.default_rng(3).random((SIDE, SIDE + 4), dtype=np.float32)
    engine = Upscaler(model, make_settings(samples=4, device="cpu", precision="float32"), factor)
    plane = Picture(pixels, (0.0, noise, 0.0))
    (found,) = [
        step.finished for step in engine.moments(plane, rows, columns, keep_samples=True) if step.finished
    ]
    return found.mean, found.std, found.samples


def of_the_whole(whole, factor, rows, columns):
    """Return the same part of what was computed of the whole plane."""
    part = tuple(
        slice(each.start * times, each.stop * times)
        for each, times in zip((rows, columns), factor, strict=True)
    )
    return [each[(..., *part)] for each in whole]


@settings(max_examples=12)
@given(
    factor=st.sampled_from([(2, 2), (2, 1)]),
    noise=st.sampled_from([0.0, 0.01]),  # with none, the network takes the input at its word
    top=st.integers(0, SIDE - 3),
    left=st.integers(0, SIDE - 1),
)
def test_a_part_is_that_part_of_the_whole(model, factor, noise, top, left):
    rows, columns = range(top, top + 3), range(left, left + 5)
    whole = computed(model, factor, noise, range(SIDE), range(SIDE + 4))
    expected = of_the_whole(whole, factor, rows, columns)
    for own, its in zip(computed(model, factor, noise, rows, columns), expected, strict=True):
        np.testing.assert_allclose(own, its, atol=1e-5)


@pytest.mark.parametrize("factor", [(2, 2), (2, 1)])
def test_to_leave_out_more_would_be_seen(model, factor, monkeypatch):
    rows, columns = range(25, 28), range(30, 35)
    expected = of_the_whole(computed(model, factor, 0.0, range(SIDE), range(SIDE + 4)), factor, rows, columns)
    monkeypatch.setattr(LadderVAE, "sample_reach", lambda *_: 1)
    _, std, _ = computed(model, factor, 0.0, rows, columns)
    assert np.abs(std - expected[1]).max() > 1e-4


def test_the_last_layers_work_on_less(model):
    sizes = []
    engine = Upscaler(model, make_settings(samples=2, device="cpu", precision="float32"), (2, 1))
    assert isinstance(engine.network.trunk, TrimmedTrunk)
    last_block = engine.network.trunk.trunk.blocks[-1]
    handle = last_block.register_forward_hook(lambda _, __, made: sizes.append(tuple(made.shape[-2:])))
    computed(model, (2, 1), 0.01, range(30, 31), range(30, 31))
    handle.remove()
    # A pixel and its neighbours, seen by the samples, the ladder's own blocks and three layers of the trunk.
    side = 1 + 2 * (1 + 5 + 5 + 3)
    assert sizes == [(side, side)]

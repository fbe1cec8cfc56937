"""What a training learns from is told from other images, and small parts of it are not told of."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.training.config import RECIPES, finetune_config
from napari_vaesr.training.input_statistics import Seen, input_statistics
from napari_vaesr.training.strangers import alone, mask, sharpened
from napari_vaesr.trust.familiar import strangeness


def blobs(seed: int, side: int = 128) -> np.ndarray:
    generator = np.random.default_rng(seed)
    places = generator.random((side, side)) > 0.99
    return 2000 * ndimage.gaussian_filter(places.astype(float), 2) + generator.normal(100, 2, (side, side))


@pytest.fixture(scope="module")
def statistics():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"ALONE": 5, "CROPS": 2, "WAYS": 4, "STEPS": 200, "MEMBERS": 3}.items():
            patch.setattr(f"napari_vaesr.training.input_statistics.{name}", value)
        return input_statistics(Seen([blobs(seed) for seed in range(20)]))


def share_told(planes, statistics) -> float:
    return float(np.mean([strangeness(plane, (statistics,)) > 0 for plane in planes]))


def test_strange_images_are_told_of_and_others_are_not(statistics):
    generator = np.random.default_rng(0)
    new = [blobs(seed) for seed in range(100, 120)]
    assert share_told(new, statistics) <= 0.1
    assert share_told([plane[10:70, 10:70] for plane in new], statistics) <= 0.1
    assert share_told([mask(plane) for plane in new], statistics) >= 0.9
    assert share_told([sharpened(plane) for plane in new], statistics) >= 0.9
    assert share_told(alone(5, generator), statistics) >= 0.9


def test_too_few_planes_or_too_small_ones_tell_nothing():
    assert input_statistics(Seen([blobs(0)])) is None
    assert input_statistics(Seen([blobs(seed, 40) for seed in range(20)])) is None


def test_planes_are_seen_small_and_as_they_are(make_card):
    config = finetune_config(make_card(), degradation=Degradation(read_noise=(0.1, 0.1), clean=0))
    planes = [(255 * np.clip(blobs(0, 200) / 300, 0, 1)).astype(np.uint8), np.ones((50, 50), np.uint8)]
    seen = Seen.of_truths(planes, config)
    assert seen.others == planes
    assert [plane.shape[0] in (200 // scale for scale in config.network.scales) for plane in seen.inputs] == [
        True
    ]
    assert seen.inputs[0].dtype == np.uint8


def test_recipes_say_what_their_images_are_of():
    assert RECIPES["photo"].subject == "photographs"
    assert RECIPES["tiny"].subject == RECIPES["microscopy"].subject == "microscopy"

"""Images unlike the training inputs are told from those like them, whatever their gain and offset."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_vaesr import Source
from napari_vaesr.trust.familiar import features, fit, strangeness, unlike
from napari_vaesr.zoo.card import ModelCard
from napari_vaesr.zoo.registry import Model, load_model


def blobs(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    places = generator.random((64, 64)) > 0.99
    return 2000 * ndimage.gaussian_filter(places.astype(float), 2) + generator.normal(100, 2, (64, 64))


def mask(seed: int) -> np.ndarray:
    return (blobs(seed) > 110).astype(float)


@pytest.fixture(scope="module")
def statistics():
    return fit([blobs(seed) for seed in range(40)], [mask(seed) for seed in range(40)])


def test_it_tells_the_two_apart(statistics):
    usual = [strangeness(blobs(seed), statistics) for seed in range(100, 130)]
    strange = [strangeness(mask(seed), statistics) for seed in range(100, 130)]
    assert np.mean(np.array(usual) > 0) < 0.1
    assert np.mean(np.array(strange) > 0) > 0.9


def test_gain_and_offset_play_no_part():
    np.testing.assert_allclose(features(blobs(0)), features(50 * blobs(0) - 300), atol=1e-6)


def test_what_tells_nothing_is_not_strange(statistics):
    assert features(np.zeros((64, 64))) is None and features(np.ones((8, 8))) is None
    assert strangeness(np.zeros((64, 64)), statistics) == -np.inf


def test_a_sentence_for_what_is_unlike(statistics, tiny_model_path):
    model = load_model(tiny_model_path)
    assert unlike(Source.of(mask(200), "YX"), model) == "", "the card has no statistics"
    knowing = Model(card=model.card.model_copy(update={"inputs": statistics}), network=model.network)
    assert "unlike those" in unlike(Source.of(mask(200), "YX"), knowing)
    stack = np.stack([blobs(seed) for seed in range(200, 205)])
    assert unlike(Source.of(stack, "ZYX"), knowing, {"Z": range(1, 4)}) == ""
    assert ModelCard.model_validate_json(knowing.card.to_json()) == knowing.card


def test_a_card_with_other_numbers_tells_nothing(statistics):
    shorter = {"centre": statistics.centre[:-1], "scale": statistics.scale[:-1]}
    assert strangeness(mask(1), statistics.model_copy(update=shorter)) == -np.inf

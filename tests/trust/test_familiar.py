"""Images unlike the training inputs are told from those like them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_vaesr import Source, load_model, sample_path
from napari_vaesr.files.image import read_image
from napari_vaesr.training.strangers import drawing
from napari_vaesr.trust.familiar import strangeness, unlike
from napari_vaesr.trust.features import FEATURES, features
from napari_vaesr.zoo.card import Classifier, InputStatistics, ModelCard, parse_card
from napari_vaesr.zoo.registry import Model


def stripes(seed: int, period: float = 9) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.05, (64, 64))
    return np.sin(np.arange(64) / period * 2 * np.pi) + noise


def knowing(plane: np.ndarray, reach: float = 20.0) -> InputStatistics:
    """What is near a plane is familiar: one unit that looks at the sum of all features."""
    look = features(plane)
    units = (*(1e-3 * np.ones(FEATURES)).tolist(), 0.0)
    return InputStatistics(
        centre=tuple(look),
        scale=(1.0,) * FEATURES,
        members=(Classifier(hidden=(units,), output=(1e3, 0.0)),),
        limit=reach,
    )


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (64, 64))


def test_what_is_like_one_of_two_is_not_strange(noise):
    far, near = knowing(stripes(0), -100.0), knowing(stripes(0), 100.0)
    assert strangeness(noise, (far,)) > 0 > strangeness(noise, (near,))
    assert strangeness(noise, (far, near)) == strangeness(noise, (near,))


def test_what_tells_nothing_is_not_strange(noise):
    known = (knowing(noise, -100.0),)
    assert strangeness(np.zeros((64, 64)), known) == -np.inf
    assert strangeness(noise[:40, :40], known) == -np.inf
    assert strangeness(noise, ()) == -np.inf


def test_statistics_of_other_features_tell_nothing(noise):
    known = knowing(noise, -100.0)
    shorter = known.model_copy(update={"centre": known.centre[:-1], "scale": known.scale[:-1]})
    assert strangeness(noise, (known,)) > 0
    assert strangeness(noise, (shorter,)) == -np.inf
    assert strangeness(noise, (shorter, known)) == -np.inf


def test_a_sentence_for_what_is_unlike(noise, tiny_model_path):
    model = load_model(tiny_model_path)
    assert unlike(Source.of(noise, "YX"), model) == "", "the card has no statistics"

    def told(statistics: InputStatistics) -> Model:
        return Model(card=model.card.model_copy(update={"inputs": (statistics,)}), network=model.network)

    always, never = told(knowing(noise, -100.0)), told(knowing(noise, 100.0))
    assert "unlike those" in unlike(Source.of(noise, "YX"), always)
    assert "a photograph" in unlike(Source.of(noise, "YX"), always)
    assert unlike(Source.of(np.stack([noise] * 5), "ZYX"), never, {"Z": range(1, 4)}) == ""
    photos = knowing(noise, -100.0).model_copy(update={"subject": "photographs"})
    assert "a micrograph" in unlike(Source.of(noise, "YX"), told(photos))


def test_cards_keep_statistics_and_pass_over_earlier_ones(noise, tiny_model_path):
    card = load_model(tiny_model_path).card.model_copy(update={"inputs": (knowing(noise),)})
    assert ModelCard.model_validate_json(card.to_json()) == card
    content = json.loads(card.to_json())
    for earlier in (None, {"centre": [0], "scale": [1], "hidden": [[1, 0]], "output": [1, 0], "limit": 1}):
        content["inputs"] = earlier
        assert parse_card(json.dumps(content).encode(), "card").inputs == ()


@pytest.mark.parametrize("name", ["microscopy", "photo", "tiny"])
def test_bundled_cards_know_what_they_learnt_from(name):
    model = load_model(name)
    assert len(model.card.inputs) == 1
    assert model.card.inputs[0].subject == ("photographs" if name == "photo" else "microscopy")
    assert "unlike those" in unlike(Source.of(drawing(np.random.default_rng(0)), "YX"), model)


@pytest.mark.parametrize("side", [48, 64, 96])
def test_small_crops_of_nuclei_are_like_what_microscopy_learnt(side):
    model, stack = load_model("microscopy"), np.asarray(read_image(sample_path("nuclei")).data)
    crop = stack[10:16, 60 : 60 + side, 80 : 80 + side]
    assert unlike(Source.of(crop[None, :, None], "TZCYX"), model) == ""


def test_colours_that_nobody_sees_are_not_looked_at(noise, tiny_model_path, monkeypatch):
    """Below an alpha of 0 there may be anything."""
    plain, looked_at = load_model(tiny_model_path), []
    model = Model(plain.card.model_copy(update={"inputs": (knowing(noise),)}), plain.network)
    monkeypatch.setattr(
        "napari_vaesr.trust.familiar.strangeness", lambda plane, _: looked_at.append(plane) or 0.0
    )
    colours = np.full((64, 64, 4), 200, np.uint8)
    colours[..., 3] = 255
    colours[:20, :, 3] = 0
    unlike(Source.of(colours, "YXS"), model)
    (plane,) = looked_at
    assert plane[:20].max() == 0 and plane[20:].min() == pytest.approx(200)

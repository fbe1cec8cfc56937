"""Factors are offered as the model, the image and the sizes of its voxels allow."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Source
from napari_vaesr.plugin.widgets.factor_inputs import CUBIC, KEEP, NEARLY, SETTINGS, FactorInputs
from napari_vaesr.vae.config import NetworkConfig

DEEP = NetworkConfig(scales=(2, 3), row_factors=(2, 3), conditioned=True, sections=True)
START = make_settings(scale=3, sections="thin")


@pytest.fixture
def card(qapp, make_card):
    return make_card(network=DEEP)


def volume(depth=1.0):
    sizes = {"Z": depth, "Y": 0.4, "X": 0.4} if depth else {}
    return Source.of(np.zeros((4, 8, 8), np.uint8), "ZYX", sizes)


def test_they_begin_with_what_was_chosen_last(card):
    inputs = FactorInputs(START, lambda: card)
    assert inputs.settings() == {"scale": 3, "isotropic": None, "sections": "unknown"}
    assert set(inputs.settings()) == set(SETTINGS)
    assert list(inputs.scale.choices) == [KEEP, 2, 3, 4, 6, 9]
    assert not inputs.sections.enabled
    inputs.depth.value = 2
    assert inputs.sections.enabled
    assert inputs.settings() == {"scale": {"Z": 2, "Y": 3, "X": 3}, "isotropic": None, "sections": "thin"}


def test_voxels_of_one_image_become_a_factor_and_those_of_many_are_left_to_each(card):
    many = FactorInputs(START, lambda: card)
    many.depth.value = CUBIC
    assert many.settings() == {"scale": 3, "isotropic": "exact", "sections": "thin"}
    one = FactorInputs(START, lambda: card, lambda: "zyx", volume)
    one.scale.value = 2
    assert list(one.depth.choices) == [KEEP, 2, 3, 4, 6, 9, CUBIC, NEARLY]  # 1 over 0.2 is 5
    one.depth.value = CUBIC
    assert one.settings()["scale"] == {"Z": 5, "Y": 2, "X": 2}
    assert one.settings(lambda: volume(0.8))["scale"] == {"Z": 4, "Y": 2, "X": 2}
    with pytest.raises(VaesrError, match="size of its voxels"):
        one.settings(lambda: volume(0))
    blind = FactorInputs(START, lambda: card, lambda: "ZYX", lambda: volume(0))
    assert CUBIC not in blind.depth.choices


def test_what_the_model_or_the_image_lacks_is_not_offered(card, make_card):
    letters, known = ["ZYX"], [card]
    inputs = FactorInputs(START, lambda: known[0], lambda: letters[0])
    inputs.depth.value = 2
    letters[0] = "TYX"
    inputs.offer()
    assert list(inputs.depth.choices) == [KEEP] and inputs.settings()["scale"] == 3
    letters[0], known[0] = "ZYX", make_card(network=NetworkConfig(scales=(2,)))
    inputs.offer()
    assert list(inputs.depth.choices) == [KEEP] and list(inputs.scale.choices) == [2, 4]
    assert not inputs.sections.enabled
    assert FactorInputs(START, lambda: None).scale.choices == ()

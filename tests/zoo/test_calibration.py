"""Calibrations at several levels of noise, and in between."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.card import ModelCard


def test_one_calibration_for_each_scale_still_counts(make_card):
    content = json.loads(make_card().to_json()) | {"calibration": {"2": {"slope": 3, "offset": 0.5}}}
    del content["domains"]
    card = ModelCard.model_validate(content)
    assert card.calibration_at(2, 0.3) == Calibration(noise=0.3, slope=3, offset=0.5)


def test_shared_errors_are_interpolated_too_where_all_levels_have_them(make_card):
    one, three = (tuple(tuple(size * (i == j) for j in range(3)) for i in range(3)) for size in (1.0, 3.0))
    quiet, loud = (Calibration(noise=noise, shared=own) for noise, own in ((0.01, one), (0.03, three)))
    card = make_card(calibration={"2": (quiet, loud), "3": (quiet, Calibration(noise=0.03))})
    assert np.array(card.calibration_at(2, 0.02).shared) == pytest.approx(2 * np.eye(3))
    assert card.calibration_at(3, 0.02).shared is None
    assert ModelCard.model_validate_json(card.to_json()) == card


@pytest.mark.parametrize("shared", [((1.0,),), ((1.0, 0, 0), (0, -1.0, 0), (0, 0, 1.0)), ((1.0, 2, 0),) * 3])
def test_what_is_no_covariance_of_shared_errors_is_refused(shared):
    with pytest.raises(ValueError, match="shared"):
        Calibration(shared=shared)


def test_calibrations_are_interpolated_by_noise(make_card):
    quiet = Calibration(noise=0.01, slope=1, offset=0.1, floor=0.01, interval=2, guaranteed=3)
    loud = Calibration(noise=0.03, slope=3, offset=0.2, floor=0.03, interval=1, guaranteed=2)
    bare = loud.model_copy(update={"guaranteed": None})
    card = make_card(calibration={"2": (quiet, loud)}, domains={"em": {"2": (quiet, bare)}})
    assert card.calibration_at(2, 0) == quiet.model_copy(update={"noise": 0.0})
    assert card.calibration_at(2, 0.5) == loud.model_copy(update={"noise": 0.5})
    middle = card.calibration_at(2, 0.02).model_dump(exclude={"shared", "broad"})
    expected = {
        "noise": 0.02,
        "slope": 2,
        "offset": 0.15,
        "areas": 1,
        "quarters": 1,
        "floor": 0.02,
        "interval": 1.5,
        "guaranteed": 2.5,
    }
    assert middle == pytest.approx(expected)
    assert card.calibration_at(2, 0.02).shared is None
    assert card.calibration_at(2, 0.02).broad is None
    assert card.calibration_at(2, 0.02, "em").guaranteed is None
    assert card.calibration_at(4, 0.02) == Calibration(noise=0.02)
    with pytest.raises(VaesrError, match="choose from any, em"):
        card.calibration_at(2, 0.02, "phase")


def test_wide_areas_are_scaled_as_others_where_nothing_is_said_of_them(make_card):
    older, newer = Calibration(noise=0.01, areas=0.4), Calibration(noise=0.03, areas=0.6, broad=0.2)
    assert older.factors.broad == 0.4 and newer.factors.broad == 0.2
    card = make_card(calibration={"2": (older, newer)})
    assert card.calibration_at(2, 0.02).factors == pytest.approx((0.5, 1.0, 0.3))


def test_a_kind_of_image_without_a_scale_is_calibrated_as_all_are(make_card):
    general = Calibration(slope=0.3, floor=0.01)
    card = make_card(calibration={"4": general}, domains={"em": {"2": (Calibration(slope=0.5),)}})
    assert card.calibration_at(4, domain="em") == general
    assert card.calibration_at(2, domain="em").slope == 0.5
    assert card.levels(2, "em") and card.levels(4, "em") and not card.levels(2)

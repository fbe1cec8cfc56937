"""What evaluations come to, by kind of image and scale, and what they promise."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_vaesr.trust.summary import summarise


def test_a_summary_of_known_errors(known):
    good, bad, other = summarise(
        [known("good", 0), known("bad", 1, factor=2), known("good", 2), known("good", 3, scale=4)]
    )
    assert [(each.domain, each.scale, each.images) for each in (good, bad, other)] == [
        ("good", 2, 2),
        ("bad", 2, 1),
        ("good", 4, 1),
    ]
    assert good.spread.coverage == pytest.approx(0.9, abs=0.01)
    assert good.spread.slope == pytest.approx(1, abs=0.03)
    assert good.spread.offset == pytest.approx(0, abs=0.002)
    assert bad.spread.slope == pytest.approx(2, abs=0.06)
    assert bad.spread.coverage < 0.65
    for spread in (good.spread, bad.spread):
        assert spread.ause < spread.ause_constant
        assert spread.ause < spread.ause_gradient
        assert spread.ause_mae < spread.ause_mae_gradient
    assert good.spread.crps < good.spread.crps_constant
    assert good.spread.crps < good.spread.crps_gradient
    assert good.spread.conformal is None
    first, second = (20 * np.log10(255 / (step * 219 / 255)) for step in (1, 3))
    assert good.scores["mean"].psnr == pytest.approx((first + second) / 2, abs=0.1)
    json.dumps(good.to_dict(), allow_nan=False)


def test_enough_images_get_a_conformal_factor(known):
    (summary,) = summarise([known("good", seed) for seed in range(25)])
    assert summary.spread.conformal is not None
    assert 1 < summary.spread.conformal < 2


def test_planes_of_one_stack_promise_nothing(known):
    (summary,) = summarise([known("good", seed, original="stack") for seed in range(25)])
    assert summary.images == 25 and summary.spread.conformal is None

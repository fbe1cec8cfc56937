"""Shares in percent that are on the side that they are said to be on."""

from __future__ import annotations

import pytest

from napari_vaesr.trust.certainty import Certainty
from napari_vaesr.trust.percent import percent


@pytest.mark.parametrize(
    ("share", "limits", "told"),
    [
        (0.9746, (), "97 %"),
        (0.9746, (0.8, 0.97), "97.5 %"),
        (0.97001, (0.97,), "97.001 %"),
        (0.97, (0.97,), "97 %"),
        (0.7999, (0.8,), "79.99 %"),
        (0.996, (), "99.6 %"),
        (0.004, (), "0.4 %"),
        (0.0, (), "0 %"),
        (1.0, (), "100 %"),
        (1e-9, (), "0.0000 %"),
        (float("inf"), (), "inf %"),
    ],
)
def test_a_share_is_on_its_side_of_every_limit(share, limits, told):
    assert percent(share, *limits) == told


def test_all_of_an_image_is_sure_only_where_all_of_it_is():
    found = Certainty(0.997, 0.1, {"Y": 3, "X": 4}, 0.3)
    assert found.sentence.startswith("99.7 % of the image is sure to within 10 %")

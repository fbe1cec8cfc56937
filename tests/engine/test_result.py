"""What a result's pixels and maps are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.engine.result import (
    as_maps,
    map_names,
    maps_of,
    maps_shape,
    result_dtype,
    uncertainty_map,
    uncertainty_range,
)

MEAN = np.array([[0.0, -2.0, 4.0]], np.float32)
STD = np.array([[1.0, 1.0, 2.0]], np.float32)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("std", [[1, 1, 2]]),
        ("variance", [[1, 1, 4]]),
        ("relative", [[10, 0.5, 0.5]]),  # the dark counts as a thousandth of the intensity range
        ("interval", [[[-3, -5, -2]], [[3, 1, 10]]]),
    ],
)
def test_every_kind_follows_from_mean_and_std(kind, expected):
    found = uncertainty_map(kind, MEAN, STD, gain=100.0, reach=3.0)
    assert found.dtype == np.float32 and found.shape == maps_shape(kind, STD.shape)
    np.testing.assert_allclose(found, expected)
    assert len(maps_of(kind, found)) == len(map_names(kind)) == len(as_maps(found))


def test_integers_stay_and_floats_become_float32():
    assert [result_dtype(each).name for each in ("uint8", "int16", "float16", "float64")] == [
        "uint8",
        "int16",
        "float32",
        "float32",
    ]


def test_variances_are_shown_in_the_square_of_the_range():
    assert uncertainty_range("std", 20.0) == (0.0, 2.0)
    assert uncertainty_range("variance", 20.0) == (0.0, 4.0)
    assert uncertainty_range("relative", 20.0) == uncertainty_range("relative", 1.0)

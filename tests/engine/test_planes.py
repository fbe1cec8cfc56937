"""Planes as the network sees them: the noise that is theirs."""

from __future__ import annotations

import pytest

from napari_vaesr.engine.planes import noise_keys
from napari_vaesr.imaging.axes import Axes


def test_noise_is_the_same_at_every_time_and_another_in_every_plane():
    axes = Axes.parse("TCZYX", (3, 2, 4, 9, 9))
    keys = {
        (t, c, z): noise_keys(axes, {"T": t, "C": c, "Z": z}, "Z", 0.0, 0)
        for t in range(3)
        for c in range(2)
        for z in range(4)
    }
    for (_, c, z), key in keys.items():
        assert key == keys[0, c, z] == ((4 * c + z, 1.0),)


def test_noise_along_z_is_alike_over_some_planes():
    axes = Axes.parse("CZYX", (2, 9, 5, 5))

    def weights(channel, z):
        return dict(noise_keys(axes, {"C": channel, "Z": z}, "Z", 1.5, 10))

    def correlation(one, other):
        return sum(weight * other.get(key, 0.0) for key, weight in one.items())

    here = weights(0, 4)
    assert correlation(here, here) == pytest.approx(1)
    falling = [correlation(here, weights(0, z)) for z in range(4, 9)]
    assert falling == sorted(falling, reverse=True) and falling[1] > 0.8 and falling[4] < 0.2
    assert not set(weights(0, 8)) & set(weights(1, 0)), "channels share no noise"
    assert min(weights(0, 0)) >= 10

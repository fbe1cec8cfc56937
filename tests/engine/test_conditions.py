"""Noise and blur are told in the image's own units, what planes are along Z alone, and all is recorded."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.engine.acquisition import Noise, Optics, noise_found
from napari_vaesr.engine.conditions import check_conditions, conditions_in_pass, conditions_of
from napari_vaesr.engine.passes import Pass
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.intensity import IntensityScaling
from napari_vaesr.imaging.region import Factors, Region
from napari_vaesr.vae.config import Conditions, NetworkConfig

SCALING = IntensityScaling(offset=100, gain=400, noise=0.02, noise_line=(0.01, 0.0004))


def told_of(noise="auto", blur=0.0, scaling=SCALING, sections="unknown") -> Conditions:
    return conditions_of(make_settings(noise=noise, blur=blur, sections=sections), scaling)


def test_an_estimate_is_taken_as_it_is_and_none_means_none() -> None:
    assert told_of("auto") == (0.01, 0.0004, 0.0, 0.0)
    assert told_of(0.0) == (0.0, 0.0, 0.0, 0.0)
    older = SCALING.model_copy(update={"noise_line": None})
    assert told_of("auto", scaling=older) == (0.0, pytest.approx(0.02**2), 0.0, 0.0)


def test_a_camera_gives_the_variance_at_every_intensity() -> None:
    camera = Noise(gain=2.0, read=8.0, offset=90.0)
    slope, intercept, *_ = told_of(camera)
    for value in (100.0, 300.0, 500.0):
        unit = (value - SCALING.offset) / SCALING.gain
        expected = 2.0 * (value - 90.0) + 8.0**2
        assert (slope * unit + intercept) * SCALING.gain**2 == pytest.approx(expected)
    assert told_of(8.0)[1] == pytest.approx((8 / 400) ** 2)


def test_what_was_found_tells_the_same_again() -> None:
    found = noise_found(told_of("auto"), SCALING)
    np.testing.assert_allclose(told_of(found), (0.01, 0.0004, 0.0, 0.0))


def test_optics_become_a_blur_in_pixels() -> None:
    optics = Optics(na=1.4, wavelength=0.52, pixel_size=0.1)
    assert told_of(0.0, optics).blur == pytest.approx(0.21 * 0.52 / 1.4 / 0.1)


def test_a_network_is_told_what_planes_are_in_every_pass_along_z_alone() -> None:
    told = {each: told_of(0.0, sections=each).sections for each in ("unknown", "thin", "thick")}
    assert told == {"unknown": 0.0, "thin": -1.0, "thick": 1.0}
    image = Conditions(0.1, 0.2, 0.5, 1.0)
    axes = Axes.parse("ZYX", (4, 4, 4))
    whole, factors = Region().of(axes.lengths), (Factors(Z=2), Factors(Z=2), Factors.of(2), Factors.of(2))
    passes = [Pass(number, 4, each, axes, whole, each) for number, each in enumerate(factors)]
    first, second, third, last = (conditions_in_pass(image, each, passes) for each in passes)
    assert first == (0.1, 0.2, 0.0, 1.0)
    assert second == (0.0, 0.0, 0.0, 1.0)
    assert third == (0.0, 0.0, 0.5, 0.0)
    assert last == (0.0, 0.0, 0.0, 0.0)


def test_what_planes_are_is_told_to_those_who_listen(make_card) -> None:
    deaf = make_card(network=NetworkConfig(row_factors=(2,), conditioned=True))
    told = make_card(network=NetworkConfig(row_factors=(2,), conditioned=True, sections=True))
    for card in (deaf, told):
        assert check_conditions(make_settings(), card) == []
    assert check_conditions(make_settings(scale={"Z": 2}, sections="thin"), told) == []
    with pytest.raises(VaesrError, match="can't be told whether planes are thin or thick"):
        check_conditions(make_settings(scale={"Z": 2}, sections="thick"), deaf)
    with pytest.raises(VaesrError, match="do not become more along Z"):
        check_conditions(make_settings(sections="thick"), told)

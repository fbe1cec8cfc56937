"""What settings take of noise and optics is written and read alike."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr import upscale
from napari_vaesr.engine.acquisition import Noise, noise_line, parse_condition, typed_condition
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.intensity import IntensityScaling


def test_settings_take_all_forms_and_survive_json() -> None:
    for noise in ("auto", 0, 12.5, {"gain": 2.0, "read": 3.0}):
        for blur in (0.5, {"na": 1.4, "wavelength": 520, "pixel_size": 100}):
            settings = make_settings(noise=noise, blur=blur)
            assert type(settings).model_validate_json(settings.model_dump_json()) == settings
    for wrong in ({"noise": -1}, {"noise": "much"}, {"blur": -0.1}, {"blur": {"na": 1.4}}):
        with pytest.raises(VaesrError, match=r"noise|blur"):
            make_settings(**wrong)


def test_what_is_typed_is_read_and_written_alike() -> None:
    assert parse_condition("noise", "auto") == "auto" and parse_condition("blur", "0.6") == 0.6
    camera = parse_condition("noise", "gain=2.1, read=4")
    settings = make_settings(
        noise=camera, blur=parse_condition("blur", "na=1.4,wavelength=0.52,pixel_size=0.1")
    )
    assert settings.noise == Noise(gain=2.1, read=4.0)
    for name in ("noise", "blur"):
        setting = getattr(settings, name)
        again = make_settings(**{name: parse_condition(name, typed_condition(setting))})
        assert getattr(again, name) == setting
    for wrong in ("much", "gain=", "gain=2=3", ""):
        with pytest.raises(VaesrError, match="can't be read"):
            parse_condition("noise", wrong)


@pytest.mark.parametrize("noise", [9.0, Noise(gain=2.0, read=9.0)])
def test_no_more_noise_is_told_than_there_are_intensities(noise: float | Noise) -> None:
    line = noise_line(noise, IntensityScaling(offset=5, gain=1e-6))
    assert max(line) == 1 and min(line) >= 0
    slope, intercept = noise_line(noise, IntensityScaling(offset=0, gain=100))
    assert slope <= 0.02 and intercept == pytest.approx(0.0081)


def test_a_blank_channel_goes_along_where_the_noise_is_told() -> None:
    noisy = np.random.default_rng(0).normal(100, 9, (24, 24)).astype(np.float32)
    blank = np.full_like(noisy, 5)
    result = upscale(np.stack([blank, noisy]), axes="CYX", model="tiny", samples=2, noise=9.0, device="cpu")
    np.testing.assert_allclose(result.mean[0], 5, atol=1e-4)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_vaesr.engine.device import choose_device
from napari_vaesr.engine.settings import Asked, UpscaleSettings, make_settings
from napari_vaesr.errors import VaesrError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("samples", 0),
        ("samples", 2.5),
        ("scale", 0),
        ("scale", "two"),
        ("uncertainty", "entropy"),
        ("seed", -1),
        ("samples", 2**63),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("device", "gpu"),
        ("precision", "int8"),
        ("tile", 0),
        ("model", ""),
        ("overlap", 8),
    ],
)
def test_a_bad_setting_is_named_in_one_sentence(name, value):
    with pytest.raises(VaesrError) as caught:
        make_settings(**{name: value})
    message = str(caught.value)
    assert name in message and "\n" not in message and message.endswith(".") and message.count(". ") == 0


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
def test_what_a_device_is_called_once_chosen_can_be_asked_for(kind, monkeypatch):
    """Records tell the device that was used, and make results again."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device(kind))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)
    for request in ("auto", kind):
        used = choose_device(request, "float32").device
        assert make_settings(device=used).device == used and used.startswith(kind)


def test_the_sentence_says_what_is_possible():
    with pytest.raises(VaesrError, match="samples is 0, please make it greater than or equal to 1"):
        make_settings(samples=0)
    with pytest.raises(VaesrError, match="'std', 'variance', 'relative' or 'interval'"):
        make_settings(uncertainty="entropy")
    with pytest.raises(VaesrError, match="please make it None, or leave Z out of the scale"):
        make_settings(isotropic="exact", scale={"Z": 2, "Y": 2, "X": 2})
    assert make_settings(isotropic="exact", scale=2).isotropic == "exact"
    for noise in (-1.0, {"Gain": 1.0}):
        with pytest.raises(VaesrError, match="please make it auto, a number from 0, or gain"):
            make_settings(noise=noise)
    with pytest.raises(VaesrError, match="please make it a number from 0, or na, wavelength"):
        make_settings(blur={"Y": 1.0})
    with pytest.raises(VaesrError, match="model is '', please make it have at least 1 character"):
        make_settings(model="")


def test_numpy_scalars_and_paths_are_understood():
    settings = make_settings(samples=np.int64(3), temperature=np.float32(0.5), model=Path("a") / "b.json")
    assert settings.samples == 3 and settings.temperature == 0.5
    assert settings.model == str(Path("a") / "b.json")


def test_settings_survive_json():
    settings = make_settings(scale=3, seed=7, tile=64)
    assert UpscaleSettings.model_validate_json(settings.model_dump_json()) == settings


def test_every_setting_is_described():
    assert all(field.description for field in UpscaleSettings.model_fields.values())


def test_all_settings_may_be_asked_for_by_name():
    assert {"model", *Asked.__annotations__} == set(UpscaleSettings.model_fields)

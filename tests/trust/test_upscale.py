"""What the function promises beyond the job that it runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from napari_vaesr import UnlikeTrainingWarning, VaesrError, load_model, make_settings, upscale
from napari_vaesr.trust import familiar
from napari_vaesr.trust.upscale import lazy_upscale
from napari_vaesr.zoo.registry import Model

EXACT: dict[str, Any] = {"axes": "ZYX", "samples": 2, "device": "cpu", "precision": "float32"}


@pytest.fixture(scope="module")
def told(told_model_path) -> Model:
    return load_model(told_model_path)


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    return np.random.default_rng(0).uniform(50, 200, (5, 9, 8)).astype(np.float32)


def seen(mean: np.ndarray, sections: str, factors: tuple[int, ...]) -> np.ndarray:
    """Return what planes would be seen of those made in passes: averages, or those in the middle."""
    for factor in reversed(factors):
        kept = slice(None) if sections == "thick" else slice((factor - 1) // 2, factor // 2 + 1)
        mean = mean.reshape(-1, factor, *mean.shape[1:])[:, kept].mean(axis=1)
    return mean


@pytest.mark.parametrize("sections", ["thin", "thick"])
@pytest.mark.parametrize("factors", [(2,), (3,), (2, 2), (3, 2)])
def test_planes_made_agree_with_those_given(told, volume, sections, factors):
    """In one pass along Z or two, from both sides; not where it is not said, or there is noise."""
    asked = {**EXACT, "model": told, "scale": {"Z": math.prod(factors)}}
    result = upscale(volume, sections=sections, noise=0, **asked)
    np.testing.assert_allclose(seen(result.mean, sections, factors), volume, atol=0.01)
    assert result.record["settings"]["sections"] == sections
    for other in ({"noise": 0}, {"noise": 5.0, "sections": sections}):
        made = upscale(volume, **asked, **other).mean
        assert np.abs(seen(made, sections, factors) - volume).max() > 1


def test_what_is_unknown_is_as_if_nothing_were_said(told, volume, deep_model_path):
    for model in (told, load_model(deep_model_path)):
        asked = {**EXACT, "model": model, "scale": {"Z": 2}}
        plain, said = upscale(volume, **asked), upscale(volume, sections="unknown", **asked)
        np.testing.assert_array_equal(said.mean, plain.mean)
        np.testing.assert_array_equal(said.std, plain.std)


def test_what_can_not_be_told_is_refused(told, volume, deep_model_path):
    with pytest.raises(VaesrError, match="test-deep can't be told whether planes are thin or thick"):
        upscale(volume, model=deep_model_path, scale={"Z": 2}, sections="thin", **EXACT)
    for scale in (2, {"Z": 1, "Y": 2, "X": 2}):
        with pytest.raises(VaesrError, match="do not become more along Z"):
            upscale(volume, model=told, scale=scale, sections="thick", **EXACT)
    with pytest.raises(VaesrError, match=r"The setting sections is 'fat'.*'unknown', 'thin' or 'thick'"):
        upscale(volume, model=told, scale={"Z": 2}, sections="fat", **EXACT)  # type: ignore[arg-type]


def test_what_is_unlike_the_training_is_told_at_once(told, volume, monkeypatch):
    monkeypatch.setattr(familiar, "unlike", lambda *_: "This image is unlike.")
    settings = make_settings(samples=2, device="cpu", precision="float32")
    with pytest.warns(UnlikeTrainingWarning, match="unlike"):
        _, _, record = lazy_upscale(volume, "ZYX", settings, model=told)
    assert "This image is unlike." in record["messages"]

"""Evaluation of a very small model with random weights, and of estimates whose scores are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_vaesr import load_model, upscale
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.trust.evaluation import evaluate_pair, image_scores, job_of
from napari_vaesr.trust.metrics import multiscale_ssim
from napari_vaesr.trust.rivals import RIVALS, bicubic


@pytest.fixture(scope="module")
def model(tiny_model_path: Path):
    return load_model(tiny_model_path)


@pytest.mark.parametrize("shape", [(48, 64), (36, 48, 3)])
def test_every_method_is_scored(made, model, shape):
    pair = made(shape)
    result = evaluate_pair(pair, model, UpscaleSettings(samples=4), RIVALS)
    assert list(result.scores) == ["mean", "base", "one sample", *RIVALS]
    assert result.scores["bicubic"] == image_scores(bicubic(pair.low, 2), pair)
    assert result.scores["mean"].psnr == pytest.approx(result.scores["base"].psnr)  # of whole pairs
    assert len({round(scores.psnr, 3) for scores in result.scores.values()}) == len(result.scores) - 1
    again = evaluate_pair(pair, model, UpscaleSettings(samples=4), RIVALS)
    assert again.scores == result.scores
    plane = evaluate_pair(replace(pair, original="stack"), model, UpscaleSettings(samples=2), [])
    assert plane.original == "stack" and not result.original
    np.testing.assert_array_equal(again.pixels.std, result.pixels.std)


def test_the_mean_is_that_of_the_engine(made, model):
    pair = made()
    result = evaluate_pair(pair, model, UpscaleSettings(samples=4), [])
    expected = upscale(pair.low, model=model, samples=4)
    assert result.scores["mean"].psnr == pytest.approx(image_scores(expected.mean, pair).psnr, abs=0.05)
    inside = (slice(2, -2),) * 2
    np.testing.assert_allclose(result.pixels.std, expected.std[inside].ravel() / 255, rtol=1e-4)


def test_intervals_of_several_passes_are_those_of_the_last(made):
    model = load_model("tiny")
    pair = made((144, 144), 6)
    result = evaluate_pair(pair, model, UpscaleSettings(samples=2), [])
    first, last = job_of(pair, model, UpscaleSettings(samples=2)).calibrations
    assert first.interval != last.interval
    assert result.pixels.interval == last.interval


def test_the_truth_is_perfect(made):
    pair = made((184, 200))
    scores = image_scores(pair.truth, pair)
    assert scores.psnr == np.inf
    assert scores.affine_psnr > 200
    assert scores.ssim == pytest.approx(1)
    assert scores.frc == pytest.approx(1)
    assert scores.ms_ssim == pytest.approx(1)
    assert scores.affine_nrmse == pytest.approx(0, abs=1e-12)
    assert scores.resolution == 2
    assert scores.low_res_psnr > 50  # but for rounding and clipping of the input


def test_errors_of_real_pairs_are_after_a_fit(made, model):
    pair = made()
    darker = Pair("image", "domain", pair.low, (40 + 0.5 * pair.truth).astype(np.float32), 2, 0, 255)
    plain, fitted = (
        evaluate_pair(Pair(**{**vars(darker), "fitted": fit}), model, UpscaleSettings(samples=2), []).pixels
        for fit in (False, True)
    )
    assert np.mean(fitted.error**2) < np.mean(plain.error**2)
    assert abs(fitted.error.mean()) < 1e-9
    gain = fitted.std.max() / plain.std.max()
    assert gain != pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(fitted.std, gain * plain.std)


def test_what_can_not_be_evaluated_is_told(made, model):
    pair = made()
    with pytest.raises(VaesrError, match="2 samples or more"):
        evaluate_pair(pair, model, UpscaleSettings(samples=1))
    with pytest.raises(VaesrError, match="same field of view"):
        evaluate_pair(Pair("", "", pair.low, pair.truth[2:], 2), model, UpscaleSettings())
    with pytest.raises(VaesrError, match="11 x 11"):
        evaluate_pair(made((12, 12)), model, UpscaleSettings(samples=2))


def test_multiscale_ssim_needs_a_large_image():
    with pytest.raises(VaesrError, match="176"):
        multiscale_ssim(np.zeros((175, 300)), np.zeros((175, 300)))
    image = np.random.default_rng(0).random((176, 180))
    assert multiscale_ssim(image, image) == pytest.approx(1)
    assert multiscale_ssim(image, 1 - image) < 0.5

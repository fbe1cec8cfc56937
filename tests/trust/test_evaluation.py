"""Evaluation of a very small model with random weights, and of estimates whose scores are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_vaesr import load_model, upscale
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.degradation import downscaled
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.trust.evaluation import ChosenPixels, Evaluation, evaluate_pair, image_scores
from napari_vaesr.trust.metrics import multiscale_ssim
from napari_vaesr.trust.plots import write_reliability, write_sparsification
from napari_vaesr.trust.reliability import interval_reach
from napari_vaesr.trust.rivals import RIVALS, bicubic, richardson_lucy
from napari_vaesr.trust.summary import summarise


def smooth(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), (1.5, 1.5, 0)[: len(shape)])
    return np.clip(127 + 60 * noise / noise.std(), 0, 255).astype(np.uint8)


def made(shape: tuple[int, ...] = (48, 64), scale: int = 2, **fields) -> Pair:
    truth = smooth(shape)
    planes = downscaled(np.moveaxis(np.atleast_3d(truth), -1, 0), scale)
    low = np.moveaxis(planes, 0, -1).round().clip(0, 255).astype(np.uint8)
    return Pair("image", "domain", low if len(shape) == 3 else low[..., 0], truth, scale, **fields)


@pytest.fixture(scope="module")
def model(tiny_model_path: Path):
    return load_model(tiny_model_path)


@pytest.mark.parametrize("shape", [(48, 64), (36, 48, 3)])
def test_every_method_is_scored(model, shape):
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


def test_the_mean_is_that_of_the_engine(model):
    pair = made()
    result = evaluate_pair(pair, model, UpscaleSettings(samples=4), [])
    expected = upscale(pair.low, model=model, samples=4)
    assert result.scores["mean"].psnr == pytest.approx(image_scores(expected.mean, pair).psnr, abs=0.05)
    inside = (slice(2, -2),) * 2
    np.testing.assert_allclose(result.pixels.std, expected.std[inside].ravel() / 255, rtol=1e-4)


def test_the_truth_is_perfect():
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


def test_errors_of_real_pairs_are_after_a_fit(model):
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


def test_what_can_not_be_evaluated_is_told(model):
    pair = made()
    with pytest.raises(VaesrError, match="2 samples or more"):
        evaluate_pair(pair, model, UpscaleSettings(samples=1))
    with pytest.raises(VaesrError, match="same field of view"):
        evaluate_pair(Pair("", "", pair.low, pair.truth[2:], 2), model, UpscaleSettings())
    with pytest.raises(VaesrError, match="11 x 11"):
        evaluate_pair(made((12, 12)), model, UpscaleSettings(samples=2))


@pytest.mark.parametrize("name", list(RIVALS))
@pytest.mark.parametrize("shape", [(9, 12), (9, 12, 3)])
def test_rivals_enlarge_and_keep_the_place(name, shape):
    flat = RIVALS[name](np.full(shape, 90, np.uint8), 3)
    assert flat.shape == (27, 36, *shape[2:])
    assert flat.dtype == np.float32
    np.testing.assert_allclose(flat, 90, atol=0.05)
    ramp = np.broadcast_to(np.arange(30.0)[:, None], (30, 30))
    np.testing.assert_allclose(RIVALS[name](ramp, 2)[20:40, 20:40], ramp_of(30, 2)[20:40, 20:40], atol=0.1)


def ramp_of(size: int, scale: int) -> np.ndarray:
    places = (np.arange(size * scale) + 0.5) / scale - 0.5
    return np.broadcast_to(places[:, None], (size * scale, size * scale))


def test_deconvolution_sharpens():
    pair = made()
    assert richardson_lucy(pair.low, 2).std() > bicubic(pair.low, 2).std()


def known(domain: str, seed: int, factor: float = 1.0, scale: int = 2, original: str = "") -> Evaluation:
    """An image whose predicted std is the true one divided by `factor`."""
    random = np.random.default_rng(seed)
    std = random.uniform(0.01, 0.1, 20_000)
    pair = made()
    scores = {"mean": image_scores(pair.truth + float(seed + 1), pair)}
    pixels = ChosenPixels(
        std / factor, random.normal(0, std), random.random(20_000), random.random(20_000), interval_reach()
    )
    return Evaluation(str(seed), domain, scale, scores, pixels, original)


def test_a_summary_of_known_errors():
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


def test_enough_images_get_a_conformal_factor():
    (summary,) = summarise([known("good", seed) for seed in range(25)])
    assert summary.spread.conformal is not None
    assert 1 < summary.spread.conformal < 2


def test_planes_of_one_stack_promise_nothing():
    (summary,) = summarise([known("good", seed, original="stack") for seed in range(25)])
    assert summary.images == 25 and summary.spread.conformal is None


def test_plots_are_pictures(tmp_path):
    summaries = summarise([known("good", 0), known("bad", 1, factor=2)])
    for write in (write_reliability, write_sparsification):
        path = tmp_path / f"{write.__name__}.png"
        write(path, summaries)
        assert path.read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 2


def test_multiscale_ssim_needs_a_large_image():
    with pytest.raises(VaesrError, match="176"):
        multiscale_ssim(np.zeros((175, 300)), np.zeros((175, 300)))
    image = np.random.default_rng(0).random((176, 180))
    assert multiscale_ssim(image, image) == pytest.approx(1)
    assert multiscale_ssim(image, 1 - image) < 0.5

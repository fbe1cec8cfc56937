"""A check sees a good model, a useless one, and a std that is wrong; and corrects the last."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_vaesr import Source, UpscaleJob, VaesrError, check, load_model, sample_path, upscale
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.files.image import read_image
from napari_vaesr.trust.check import Check, check_source
from napari_vaesr.trust.consistency import consistency_map, departure_share, inconsistent_share
from napari_vaesr.trust.plots import write_check
from napari_vaesr.trust.rivals import bicubic


@pytest.fixture(scope="module")
def nuclei():
    return np.asarray(read_image(sample_path("nuclei")).data[15])[:128, :128]


@pytest.fixture(scope="module")
def model(tiny_model_path):
    return load_model(tiny_model_path)


def test_a_model_that_learnt_is_better_than_one_that_did_not(nuclei, model):
    good, bad = check(nuclei, model="microscopy"), check(nuclei, model=model)
    assert good.is_better and good.gain > 0.5 > bad.gain
    assert "better than interpolation" in good.sentence
    assert "no better than interpolation" in bad.sentence and "fine-tune" in bad.sentence
    assert good.psnr["bicubic"] == pytest.approx(bad.psnr["bicubic"])
    json.dumps(good.to_dict(), allow_nan=False)


def test_the_correction_makes_the_std_right_here(nuclei, model):
    """Checked again with the std that the first check corrected, error and std agree."""
    first = check(nuclei, model=model)
    (corrected,) = first.calibrations
    card = model.card.model_copy(update={"calibration": {"2": (corrected,)}})
    again = check(nuclei, model=type(model)(card=card, network=model.network))
    assert again.ratio == pytest.approx(1, abs=0.15)
    assert again.coverage == pytest.approx(0.9, abs=0.02)
    job = UpscaleJob(Source.of(nuclei, "YX"), make_settings(), model=model, calibrations=first.calibrations)
    assert job.record().calibration == first.calibrations


def test_a_stack_and_colours_are_checked(nuclei, model):
    stack = np.stack([nuclei, nuclei, nuclei[::-1]])
    seen = []
    done = check(stack, "ZYX", model=model, progress=seen.append)
    assert seen[-1].done == seen[-1].total
    assert done.images["image"].shape == (128, 128)
    colours = np.stack([nuclei] * 3, axis=-1)
    assert check(colours, "YXS", model=model).psnr["bicubic"] == pytest.approx(
        check(nuclei, model=model).psnr["bicubic"], abs=0.1
    )


def test_planes_with_nothing_to_see_are_passed_over(nuclei, model):
    blank = np.full_like(nuclei, 50)
    for around in ([blank, nuclei, blank], [nuclei, blank, nuclei]):
        assert check(np.stack(around), "ZYX", model=model).psnr["bicubic"] == pytest.approx(
            check(nuclei, model=model).psnr["bicubic"], abs=0.5
        )
    torn = nuclei.astype(np.float32)
    torn[64, 64] = np.nan
    images = np.stack([nuclei] * 30).astype(np.float32)
    images[14] = torn
    with pytest.raises(VaesrError, match="NaN"):
        check(images, "ZYX", model=model)


def test_colours_that_nobody_sees_play_no_part(nuclei, model):
    """Below an alpha of 0 there may be anything."""
    alpha = np.full(nuclei.shape, 255, np.uint16) * 257
    alpha[:64] = 0
    hidden = np.random.default_rng(0).integers(0, 65535, (64, 128))
    image = np.stack([nuclei.astype(np.uint16)] * 3 + [alpha], axis=-1)
    other = image.copy()
    other[:64, :, :3] = hidden[..., None]
    first, second = (check(each, "YXS", model=model) for each in (image, other))
    assert first.psnr == second.psnr and first.noise == second.noise
    result = upscale(other, "YXS", model=model, samples=2)
    assert departure_share(result.mean, other, 2, data_range=4000.0) == pytest.approx(
        departure_share(result.mean, image, 2, data_range=4000.0)
    )
    assert departure_share(result.mean[:100], other[:50], 2, data_range=4000.0) == 0


@pytest.mark.parametrize(
    ("coverage", "ratio", "says"),
    [
        (0.6, 2.0, "the uncertainty is too small by a factor of 2.0"),
        (0.99, 0.5, "the uncertainty is too large by a factor of 2.0"),
        (0.9746, 1 / 1.2, "hold 97.5 % of the pixels: the uncertainty is too large"),
        (0.79, 1.03, "hold 79 % of the pixels: they are too narrow"),
        (0.7, 0.6, "they are too narrow"),
        (0.98, 1.5, "they are too wide"),
    ],
)
def test_the_sentence_says_what_is_off(coverage, ratio, says):
    psnr = {"model": 30.0, "bicubic": 28.0, "Lanczos": 28.5}
    found = Check("tiny", 2, psnr, coverage, ratio, 0.01, ())
    assert says in found.sentence and found.is_off
    assert found.advised().endswith("wide.") == ("wide" in says) and "correct" not in found.advised()
    assert found.advised("do this").endswith("; do this.") and "calibrations=" in found.sentence


def test_nothing_is_to_be_corrected_where_intervals_hold_or_the_model_does_not():
    for quality, coverage in ((30.0, 0.9), (28.0, 0.6)):
        psnr = {"model": quality, "bicubic": 28.0, "Lanczos": 28.5}
        found = Check("tiny", 2, psnr, coverage, 2.0, 0.01, ())
        assert not found.is_off and found.advised("do this") == found.advised()


def test_of_noise_alone_it_says_that_nothing_is_known():
    """Whatever is left of errors is that of the estimate of the noise: factors of up to a million."""
    for seed in range(3):
        image = np.random.default_rng(seed).poisson(50, (96, 96)).astype(np.uint16)
        found = check(image, model="tiny")
        assert "nothing is known of its uncertainty" in found.sentence and "factor" not in found.sentence
        job = UpscaleJob(Source.of(image, "YX"), make_settings(model="tiny"))
        assert found.calibrations == job.calibrations and not found.is_told


@pytest.mark.parametrize(
    ("image", "message"),
    [(np.zeros((20, 20), np.uint8), "too small"), (np.zeros((64, 64), np.uint8), "nothing to see")],
)
def test_what_tells_nothing_is_refused(image, message, model):
    with pytest.raises(VaesrError, match=message):
        check(image, model=model)


def test_a_chain_is_corrected_in_its_last_pass(nuclei, model, tmp_path):
    """At x6, which takes two passes; the correction is of the std of the result, which the last one makes."""
    found = check(nuclei, model=model, scale=6)
    asked = make_settings(scale=6, samples=4)
    plain, corrected = (
        UpscaleJob(Source.of(nuclei, "YX"), asked, model=model, calibrations=given)
        for given in (None, found.calibrations)
    )
    assert len(plain.calibrations) == len(corrected.calibrations) == 2
    assert corrected.calibrations[0] == plain.calibrations[0]
    assert corrected.calibrations[1].slope == pytest.approx(found.ratio * plain.calibrations[1].slope)


def test_scales_along_z_are_not_checked(nuclei, model):
    with pytest.raises(VaesrError, match="one number"):
        check(np.stack([nuclei] * 2), "ZYX", model=model, scale={"Z": 2})


def test_what_is_not_in_the_input_is_inconsistent():
    low = np.random.default_rng(0).normal(100, 5, (32, 32)).astype(np.float32)
    result = bicubic(low, 2)
    assert inconsistent_share(consistency_map(result, low, 2, data_range=255)) < 0.02
    result[20:28, 20:28] += 80
    wrong = consistency_map(result, low, 2, data_range=255)
    assert (np.abs(wrong[11:13, 11:13]) > 3).all() and inconsistent_share(wrong) > 0.01
    with pytest.raises(VaesrError, match="belongs to"):
        consistency_map(result[:-2], low, 2, data_range=255)


def test_a_picture_of_a_check(nuclei, model, tmp_path):
    write_check(tmp_path / "check.png", check(nuclei, model=model))
    assert (tmp_path / "check.png").stat().st_size > 10_000


def test_the_noise_and_the_blur_that_are_told_hold_for_the_small_image(nuclei):
    """In whatever unit the image is; and the image made small has the blur that is to be undone."""
    one = check_with(nuclei, noise=40.0, blur=0.5)
    other = check_with(nuclei * np.float32(8), noise=320.0, blur=0.5)
    assert one.psnr["model"] == pytest.approx(other.psnr["model"], abs=0.01)
    sharp = check_with(nuclei, noise=40.0)
    assert one.psnr["bicubic"] < sharp.psnr["bicubic"] - 0.5, "it is blurred"
    assert one.gain > sharp.gain, "and the model undoes it"


def check_with(image, **told):
    image = np.asarray(image, np.float32)
    settings = make_settings(scale=2, samples=2, **told)
    return check_source(Source.of(image, "YX"), settings, {}, load_model("microscopy"))

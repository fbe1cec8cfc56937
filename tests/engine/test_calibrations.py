"""The spread is calibrated by the model's card, for the kind of image and its noise, and as an interval."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.lazy import lazy_result
from napari_vaesr.engine.settings import ONE_SAMPLE, make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Source
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.registry import Model

QUIET = Calibration(noise=0.0, slope=2.0, offset=0.05, interval=1.5)
LOUD = Calibration(noise=1.0, slope=4.0, offset=0.01, interval=2.5)
DARK = Calibration(slope=0.5, floor=0.3, interval=1.0)


@pytest.fixture
def calibrated(model) -> Model:
    changes = {"calibration": {"2": (QUIET, LOUD)}, "domains": {"em": {"2": (DARK,)}}}
    return Model(card=model.card.model_copy(update=changes), network=model.network)


@pytest.fixture
def plain(model) -> Model:
    return Model(card=model.card.model_copy(update={"calibration": {}}), network=model.network)


def settings(**changes):
    return make_settings(**{"samples": 4, "device": "cpu", "precision": "float32", **changes})


def run(array, axes, model, extent=None, **changes):
    job = UpscaleJob(Source.of(array, axes), settings(**changes), extent or {}, model=model)
    list(job)
    return job.result


def test_each_channel_is_calibrated_for_its_own_noise(calibrated, plain, stack):
    stack[1] = stack[1] // 1000 * 1000  # other noise
    result, raw = (run(stack, "CZYX", model) for model in (calibrated, plain))
    np.testing.assert_array_equal(result.mean, raw.mean)
    noises = [scaling["noise"] for scaling in result.record["intensity"]]
    assert len(set(noises)) == 2
    for channel, noise in enumerate(noises):
        expected = calibrated.card.calibration_at(2, noise)
        assert result.record["calibration"][channel] == expected.model_dump()
        gain = result.record["intensity"][channel]["gain"]
        np.testing.assert_allclose(
            result.std[channel], expected.slope * raw.std[channel] + expected.offset * gain, rtol=1e-5
        )


def test_the_kind_of_image_decides(calibrated, plain, stack):
    result, raw = run(stack, "CZYX", calibrated, domain="em"), run(stack, "CZYX", plain)
    floors = [0.3 * scaling["gain"] for scaling in raw.record["intensity"]]
    expected = np.maximum(0.5 * raw.std, np.reshape(floors, (2, 1, 1, 1)))
    np.testing.assert_allclose(result.std, expected, rtol=1e-5)
    with pytest.raises(VaesrError, match="choose from any, em"):
        run(stack, "CZYX", calibrated, domain="fluorescence")


def test_an_uncertainty_that_is_not_calibrated_is_told(calibrated, plain, stack):
    (message,) = run(stack, "CZYX", plain).record["messages"]
    assert "not calibrated for scale 2" in message and "napari-vaesr calibrate" in message
    assert not run(stack, "CZYX", calibrated).record["messages"]
    assert run(stack, "CZYX", plain, samples=1).record["messages"] == [ONE_SAMPLE]
    given = UpscaleJob(Source.of(stack, "CZYX"), settings(), model=plain, calibrations=[QUIET, LOUD])
    assert not given.messages


@pytest.mark.parametrize("axes", ["CZYX", "CXZY", "XYCZ"])
def test_an_interval_is_its_two_bounds(calibrated, stack, axes):
    image = stack.astype(np.float32).transpose(["CZYX".index(name) for name in axes])
    spread = run(image, axes, calibrated)
    result = run(image, axes, calibrated, uncertainty="interval")
    assert spread.lower is None and result.uncertainty.shape == (2, *result.mean.shape)
    reaches = [each["interval"] for each in result.record["calibration"]]
    shape = [2 if name == "C" else 1 for name in axes]
    width = np.reshape(reaches, shape) * spread.std
    np.testing.assert_allclose(result.lower, spread.mean - width, rtol=1e-5, atol=0.01)
    np.testing.assert_allclose(result.upper, spread.mean + width, rtol=1e-5, atol=0.01)


@pytest.mark.parametrize(("axes", "shape"), [("CZYX", (2, 3, 17, 22)), ("SYX", (3, 20, 12))])
def test_an_interval_is_the_same_lazy_streamed_and_in_part(calibrated, axes, shape):
    image = np.random.default_rng(0).integers(0, 4000, shape, dtype=np.uint16)
    whole = run(image, axes, calibrated, uncertainty="interval")
    found = lazy_result(
        UpscaleJob(Source.of(image, axes), settings(uncertainty="interval"), model=calibrated)
    )
    np.testing.assert_allclose(found.uncertainty.compute(), whole.uncertainty, rtol=1e-4, atol=0.1)
    assert found.record["calibration"] == whole.record["calibration"]
    job = UpscaleJob(Source.of(image, axes), settings(uncertainty="interval"), model=calibrated)
    outline = job.result_axes.without_samples()
    for piece in job.pieces():
        inside = piece.inside(job.region, job.factors)
        where = (slice(None), *(inside[name] for name in outline.names))
        np.testing.assert_array_equal(piece.uncertainty, whole.uncertainty[where])
    part = run(image, axes, calibrated, {"Y": range(4, 12)}, uncertainty="interval")
    np.testing.assert_allclose(part.uncertainty, whole.uncertainty[..., 8:24, :], rtol=1e-4, atol=0.1)


def test_a_record_brings_its_calibration_along(calibrated, plain, stack):
    """A card whose calibration was changed since does not change what is made again."""
    result = run(stack, "CZYX", calibrated, uncertainty="interval")
    again = UpscaleJob.from_record(stack, json.loads(json.dumps(result.record)), model=plain)
    list(again)
    np.testing.assert_array_equal(again.result.uncertainty, result.uncertainty)


def test_samples_differ_by_the_calibrated_std_at_every_pixel(calibrated):
    image = np.random.default_rng(5).random((12, 14)).astype(np.float32)
    raw = Model(card=calibrated.card.model_copy(update={"calibration": {}}), network=calibrated.network)
    job, before = (
        UpscaleJob(Source.of(image, "YX"), settings(samples=8), {}, model=each, keep_samples=True)
        for each in (calibrated, raw)
    )
    list(job), list(before)
    expected = (job.result.samples - job.result.mean) / (before.result.samples - before.result.mean)
    wanted = job.result.std / before.result.std
    np.testing.assert_allclose(expected, np.broadcast_to(wanted, expected.shape), rtol=0.02)
    np.testing.assert_allclose(job.result.samples.mean(axis=0), job.result.mean, atol=1e-5)


def test_a_chain_is_calibrated_for_the_noise_of_the_image(model):
    """Its last pass reads what has no noise any more; what was fitted is the chain as a whole."""
    of_passes, of_chain = (Calibration(slope=1.0),), (QUIET, LOUD)
    card = model.card.model_copy(update={"calibration": {"2": of_passes, "4": of_chain}})
    image = np.random.default_rng(6).normal(0.5, 0.2, (16, 18)).astype(np.float32)
    result = run(image, "YX", Model(card=card, network=model.network), scale=4)
    noise = result.record["intensity"][0]["noise"]
    assert noise > 0.05
    first, last = result.record["calibration"]
    assert first["slope"] == 1.0 and last == card.calibration_at("4", noise).model_dump()

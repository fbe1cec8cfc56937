from __future__ import annotations

import gc
import json
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from scipy.ndimage import convolve

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.record import Record
from napari_vaesr.engine.settings import NO_TEMPERATURE, ONE_SAMPLE, make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Source
from napari_vaesr.imaging.intensity import IntensityScaling
from napari_vaesr.trust.upscale import upscale
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.registry import Model


def test_a_stack_keeps_its_axes_and_dtype(model, stack, run):
    result = run(stack, "czyx", model)
    assert result.axes == "CZYX"
    assert result.mean.shape == result.std.shape == (2, 3, 34, 44)
    assert result.mean.dtype == np.uint16 and result.std.dtype == np.float32
    assert result.uncertainty is result.std
    assert result.std.min() >= 0 and result.std.max() > 0
    assert not np.array_equal(result.mean[0, 0], result.mean[0, 1])


@pytest.mark.parametrize("order", ["YXZ", "XYZ", "ZXY", "YZX"])
def test_any_order_of_axes_gives_the_same_pixels(model, stack, order, run):
    volume = stack[0]
    expected = run(volume, "ZYX", model)
    moved = np.ascontiguousarray(np.transpose(volume, ["ZYX".index(name) for name in order]))
    result = run(moved, order, model)
    back = [order.index(name) for name in "ZYX"]
    np.testing.assert_array_equal(np.transpose(result.mean, back), expected.mean)
    np.testing.assert_array_equal(np.transpose(result.std, back), expected.std)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64", "float16"])
def test_dtypes(model, dtype, run):
    image = (np.random.default_rng(1).random((9, 11)) * 200).astype(dtype)
    result = run(image, "YX", model)
    assert result.mean.dtype == (dtype if dtype[0] in "iu" else "float32")
    assert result.std.dtype == np.float32


def test_intensities_come_back(model, run):
    """Contract 4: an offset and a gain of the input are those of the output; std knows the gain only."""
    image = np.random.default_rng(2).random((12, 12))
    plain = run(image, "YX", model)
    moved = run(1000 + 50 * image, "YX", model)
    np.testing.assert_allclose(moved.mean, 1000 + 50 * plain.mean, rtol=2e-6)
    np.testing.assert_allclose(moved.std, 50 * plain.std, rtol=2e-3, atol=1e-5)


def test_nothing_is_clipped_but_by_the_dtype(model, run):
    image = np.zeros((16, 16), np.float32)
    image[8, 8] = 1
    bright = run(image, "YX", model)
    assert bright.mean.min() < 0, "bicubic overshoot survives in floats"
    dark = run((image * 255).astype(np.uint8), "YX", model)
    assert dark.mean.min() == 0


@pytest.mark.parametrize("value", [0, 7, 65535])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 1), (3, 4)])
def test_constant_and_very_small_images_work(model, value, shape, run):
    """Far smaller than the halo; a constant image has gain 1, so it comes back within a few grey levels."""
    result = run(np.full(shape, value, np.uint16), "YX", model)
    assert result.mean.shape == (2 * shape[0], 2 * shape[1])
    assert np.isfinite(result.std).all()
    assert np.abs(result.mean.astype(float) - value).max() < 5


def test_colour(model, settings, finish):
    grey = np.random.default_rng(3).integers(0, 255, (10, 13), dtype=np.uint8)
    scaling = [IntensityScaling(offset=0, gain=255)]
    expected, _ = finish(UpscaleJob(Source.of(grey, "YX"), settings(), model=model, scalings=scaling))
    rgba = np.stack([grey, grey, grey, np.full_like(grey, 255)], axis=-1)
    for axes, image in {"YXS": rgba, "SYX": np.moveaxis(rgba, -1, 0)}.items():
        result, _ = finish(UpscaleJob(Source.of(image, axes), settings(), model=model, scalings=scaling))
        mean = result.mean if axes == "YXS" else np.moveaxis(result.mean, 0, -1)
        assert mean.dtype == np.uint8 and mean.shape == (20, 26, 4)
        assert result.std.shape == (20, 26)
        for channel in range(3):
            np.testing.assert_allclose(mean[..., channel].astype(int), expected.mean.astype(int), atol=1)
        np.testing.assert_array_equal(mean[..., 3], 255)
        np.testing.assert_allclose(result.std, expected.std, rtol=1e-4, atol=1e-4)


def test_colour_tiles_are_exact(model, run):
    image = np.random.default_rng(4).random((23, 30, 3), dtype=np.float32)
    whole = run(image, "YXS", model, tile=64)
    tiled = run(image, "YXS", model, tile=8)
    np.testing.assert_allclose(tiled.mean, whole.mean, atol=2e-5)
    np.testing.assert_allclose(tiled.std, whole.std, atol=2e-5)


def test_an_extent_is_a_part_of_the_whole(model, stack, run):
    whole = run(stack, "CZYX", model)
    one = run(stack, "CZYX", model, {"C": range(1, 2), "Z": range(1, 2)})
    assert one.mean.shape == (1, 1, 34, 44)
    np.testing.assert_array_equal(one.mean[0, 0], whole.mean[1, 1])
    block = run(stack, "CZYX", model, {"Z": range(1, 3), "Y": range(3, 9), "X": range(5, 22)})
    assert block.mean.shape == (2, 2, 12, 34)
    expected = whole.mean[:, 1:, 6:18, 10:44].astype(int)
    np.testing.assert_allclose(block.mean.astype(int), expected, atol=1)
    np.testing.assert_allclose(block.std, whole.std[:, 1:, 6:18, 10:44], rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("rows", [range(0), range(5, 18), range(-1, 3), range(0, 8, 2)])
def test_an_extent_outside_is_refused(model, stack, rows, settings):
    with pytest.raises(VaesrError, match="extent"):
        UpscaleJob(Source.of(stack, "CZYX"), settings(), {"Y": rows}, model=model)


def with_nan(place):
    image = np.random.default_rng(5).random((3, 8, 9))
    image[place] = np.nan
    return image


@pytest.mark.parametrize(
    ("array", "axes", "says"),
    [
        (np.zeros((4, 5)), "ZYX", "3 axes but the image has shape"),
        (np.zeros((4, 5)), "ZX", "lack Y or X"),
        (np.zeros((4, 5)), "YY", "twice"),
        (np.zeros((4, 5)), "QX", "'Q'"),
        (np.zeros((0, 5)), "YX", "empty"),
        (np.zeros((4, 5), bool), "YX", "boolean"),
        (np.zeros((4, 5), complex), "YX", "complex"),
        (np.zeros((4, 5), object), "YX", "dtype object"),
        (np.zeros((4, 5), "U3"), "YX", "dtype"),
        (np.zeros((4, 5, 6)), "YXS", "Axis S"),
        (with_nan((1, 2, 3)), "ZYX", "NaN"),
        (np.full((4, 5), np.inf), "YX", "infinite"),
    ],
)
def test_a_bad_image_is_refused_at_once_in_one_sentence(model, array, axes, says, settings):
    with pytest.raises(VaesrError, match=says) as caught:
        UpscaleJob(Source.of(array, axes), settings(), model=model)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@settings_of_hypothesis(max_examples=10)
@given(data=st.data(), colour=st.booleans())
def test_any_region_of_a_large_plane_is_a_part_of_the_whole(model, data, colour, run):
    """Larger than the halo, so that only a part of the plane is read for a region."""
    image = np.random.default_rng(5).random((90, 83, 3), dtype=np.float32)
    image, axes = (image, "YXS") if colour else (image[..., 0], "YX")
    whole = run(image, axes, model)
    top, left = data.draw(st.integers(0, 89)), data.draw(st.integers(0, 82))
    rows = range(top, data.draw(st.integers(top + 1, 90)))
    columns = range(left, data.draw(st.integers(left + 1, 83)))
    part = run(image, axes, model, {"Y": rows, "X": columns}, tile=data.draw(st.integers(1, 50)))
    where = np.s_[2 * top : 2 * rows.stop, 2 * left : 2 * columns.stop]
    np.testing.assert_allclose(part.mean, whole.mean[where], atol=2e-5)
    np.testing.assert_allclose(part.std, whole.std[where], atol=2e-5)


def test_halved_tiles_may_reach_beyond_what_was_held(model, monkeypatch, settings, finish, run):
    image = np.random.default_rng(5).random((90, 30), dtype=np.float32)
    extent = {"Y": range(32, 52)}  # one tile of 20 rows, or two of 12
    expected = run(image, "YX", model, extent)
    job = UpscaleJob(Source.of(image, "YX"), settings(), extent, model=model)
    real = job.upscaler.network.encode

    def encode(planes, *others):
        if planes.shape[-2] > 20 + 2 * job.upscaler.halo - 4:
            raise MemoryError
        return real(planes, *others)

    monkeypatch.setattr(job.upscaler.network, "encode", encode)
    halved, _ = finish(job)
    assert halved.record["messages"]
    np.testing.assert_allclose(halved.mean, expected.mean, atol=2e-5)


def test_nan_beyond_the_sample_is_found_on_the_way(model, settings):
    """Only a bounded sample is looked at before; planes 0 and 99 are in it, plane 1 is not."""
    stack = np.random.default_rng(6).random((100, 4, 4))
    stack[1, 2, 2] = np.nan
    job = UpscaleJob(Source.of(stack, "ZYX"), settings(), {"Z": range(3)}, model=model)
    with pytest.raises(VaesrError, match="NaN"):
        list(job)


def test_unknown_model_and_scale_are_refused(model, stack, settings):
    with pytest.raises(VaesrError, match="no-such-model"):
        UpscaleJob(Source.of(stack, "CZYX"), settings(model="no-such-model"))
    with pytest.raises(VaesrError, match="can't upscale 5 times"):
        UpscaleJob(Source.of(stack, "CZYX"), settings(scale=5), model=model)


@pytest.mark.parametrize(
    ("changes", "message"), [({"samples": 1}, ONE_SAMPLE), ({"temperature": 0.0}, NO_TEMPERATURE)]
)
def test_without_spread_there_is_no_uncertainty_and_it_says_so(model, stack, changes, message, run):
    result = run(stack[0, 0], "YX", model, **changes)
    assert result.std is None and result.uncertainty is None
    assert result.record["messages"] == [message]


def test_progress_is_determinate(model, stack, settings, finish):
    job = UpscaleJob(Source.of(stack, "CZYX"), settings(tile=8, samples=5), model=model)
    total = job.total
    result, steps = finish(job)
    done = [step.done for step in steps]
    assert {step.total for step in steps} == {total}
    assert done == sorted(done) and done[0] > 0 and done[-1] == total
    assert len(steps) >= 2 * job.describe().tiles
    assert steps[-1].message == "plane 6 of 6"
    assert result is job.result


def test_there_is_no_result_before_the_end(model, stack, settings):
    job = UpscaleJob(Source.of(stack, "CZYX"), settings(), model=model)
    next(iter(job))
    with pytest.raises(RuntimeError, match="iterate"):
        _ = job.result


def test_closing_cancels_and_frees(model, stack, monkeypatch, settings):
    job = UpscaleJob(Source.of(stack, "CZYX"), settings(tile=8), model=model)
    kept = []
    real = job.upscaler.network.residuals

    def residuals(encoded, noise):
        kept.append(weakref.ref(encoded.base))
        return real(encoded, noise)

    monkeypatch.setattr(job.upscaler.network, "residuals", residuals)
    steps = iter(job)
    for _ in range(3):
        next(steps)
    steps.close()
    assert len(kept) <= 2
    gc.collect()
    assert all(reference() is None for reference in kept)


def test_out_of_memory_is_recorded_and_shown(model, stack, monkeypatch, settings, finish):
    job = UpscaleJob(Source.of(stack[0], "ZYX"), settings(), model=model)
    expected, _ = finish(UpscaleJob(Source.of(stack[0], "ZYX"), settings(), model=model))
    real, failures = job.upscaler.network.encode, []

    def encode(planes, *told):
        if not failures:
            failures.append(1)
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(planes, *told)

    monkeypatch.setattr(job.upscaler.network, "encode", encode)
    result, steps = finish(job)
    said = [step.message for step in steps if "Memory ran out" in step.message]
    assert len(said) == 1 and result.record["messages"] == said
    assert result.record["settings"]["tile"] == 12 == job.upscaler.tile
    assert steps[-1].done == steps[-1].total
    np.testing.assert_allclose(result.mean.astype(int), expected.mean.astype(int), atol=1)


def test_the_record_makes_it_again(model, stack, finish):
    """Contract 6: by way of JSON, to the last bit, with all that auto stood for written out."""
    job = UpscaleJob(
        Source.of(stack, "CZYX"),
        make_settings(samples=3, seed=5, temperature=0.7, uncertainty="relative", tile=12),
        {"Z": range(1, 2), "Y": range(2, 15)},
        model=model,
    )
    first, _ = finish(job)
    assert first.made.plain() == first.record
    record = json.loads(json.dumps(first.record))
    assert record["settings"]["device"] != "auto" and record["settings"]["precision"] != "auto"
    assert record["model"] == {"name": "random", "version": "1", "sha256": model.card.sha256}
    again, _ = finish(UpscaleJob.from_record(stack, record, model=model))
    np.testing.assert_array_equal(again.mean, first.mean)
    np.testing.assert_array_equal(again.std, first.std)
    np.testing.assert_array_equal(again.uncertainty, first.uncertainty)
    assert again.record == first.record | {"device_reason": "asked for"}


def test_the_record_makes_it_again_after_its_model_was_calibrated_anew(model, stack, finish):
    alike = Model(model.card.model_copy(update={"alike_planes": 0.8}), model.network)
    settings = make_settings(samples=3, device="cpu", precision="float32")
    first, _ = finish(UpscaleJob(Source.of(stack, "CZYX"), settings, model=alike))
    again, _ = finish(UpscaleJob.from_record(stack, first.record, model=model))
    np.testing.assert_array_equal(again.std, first.std)
    assert again.record["alike_planes"] == 0.8
    other, _ = finish(UpscaleJob(Source.of(stack, "CZYX"), settings, model=model))
    assert not np.array_equal(other.std, first.std)
    assert Record.read(first.record).differences(Record.read(other.record)) == ["alike_planes"]


def test_a_record_of_something_else_is_refused(model, stack, run):
    record = run(stack, "CZYX", model, {"C": range(1), "Z": range(1)}).record
    with pytest.raises(VaesrError, match="shape"):
        UpscaleJob.from_record(stack[:, :2], record, model=model)
    other = {**record, "model": {**record["model"], "sha256": "0" * 64}}
    with pytest.raises(VaesrError, match="other weights"):
        UpscaleJob.from_record(stack, other, model=model)
    del record["extent"], record["axes"]
    with pytest.raises(VaesrError, match="lacks axes, extent"):
        UpscaleJob.from_record(stack, record, model=model)


def test_the_spread_of_many_samples_is_the_std(model, settings, finish):
    image = np.random.default_rng(3).random((8, 9)).astype("float32")
    many = finish(UpscaleJob(Source.of(image, "YX"), settings(samples=200), model=model, keep_samples=True))[
        0
    ]
    half_sums = (many.samples[::2] + many.samples[1::2]) / 2
    half_differences = (many.samples[::2] - many.samples[1::2]) / 2
    variance = (half_differences**2).mean(axis=0) + half_sums.var(axis=0, ddof=1)
    neighbours = convolve(np.ones_like(variance), np.ones((3, 3)), mode="constant")
    expected = np.sqrt(convolve(variance, np.ones((3, 3)), mode="constant") / neighbours)
    np.testing.assert_allclose(many.std, expected, rtol=1e-3, atol=1e-5)


def test_a_record_of_kept_samples_makes_them_again(model, stack, settings, finish):
    job = UpscaleJob(Source.of(stack[0, 0], "YX"), settings(), model=model, keep_samples=True)
    first = finish(job)[0]
    again = finish(UpscaleJob.from_record(stack[0, 0], json.loads(json.dumps(first.record)), model=model))[0]
    np.testing.assert_array_equal(again.samples, first.samples)


def test_the_memory_setting_bounds_the_tile(model, settings):
    image = np.zeros((600, 600), np.float32)
    small = UpscaleJob(Source.of(image, "YX"), settings(memory=4), model=model).upscaler
    large = UpscaleJob(Source.of(image, "YX"), settings(memory=64), model=model).upscaler
    assert small.tile < large.tile
    tiles = small.plan(range(600), range(600), (600, 600))
    assert max(map(small.memory, tiles)) <= 1.1 * 4 * 2**20  # tiles end on multiples of the alignment


@pytest.mark.parametrize("kind", ["std", "variance", "interval"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_result_that_is_not_finite_is_refused(model, kind, dtype):
    image = np.random.default_rng(0).integers(0, 255, (12, 12)).astype(dtype)
    with pytest.raises(VaesrError, match="temperature"):
        upscale(image, model=model, samples=2, uncertainty=kind, temperature=1e30)
    wild = model.card.model_copy(update={"calibration": {"2": (Calibration(slope=1e308),)}})
    with pytest.raises(VaesrError, match="calibration is sound"):
        upscale(image, model=Model(wild, model.network), samples=2, uncertainty=kind)

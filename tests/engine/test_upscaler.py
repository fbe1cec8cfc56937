"""The contracts of tiles, noise, memory and devices on a small network."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.engine.upscaler import Upscaler, prepare_network
from napari_vaesr.errors import VaesrError
from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import PRESETS, Level
from napari_vaesr.zoo.calibration import AS_DRAWN, AreaFactors
from napari_vaesr.zoo.registry import Model


@dataclass
class Picture:
    """A plane in memory."""

    pixels: np.ndarray
    number: int = 0
    conditions: tuple[float, float, float] = (0.0, 0.0, 0.0)
    areas: AreaFactors = AS_DRAWN

    @property
    def keys(self):
        return ((self.number, 1.0),)

    @property
    def height(self):
        return self.pixels.shape[0]

    @property
    def width(self):
        return self.pixels.shape[1]

    def luma(self, rows, columns):
        return self.pixels[rows, columns, None]


def picture(height, width, number=0):
    return Picture(np.random.default_rng(7).random((height, width), dtype=np.float32), number)


def upscaler(model, **changes):
    return Upscaler(
        model, make_settings(**{"samples": 4, "device": "cpu", "precision": "float32", **changes})
    )


def run(engine, plane, rows=None, columns=None):
    """Return mean and std of a region and the steps that led there."""
    rows = range(plane.height) if rows is None else rows
    columns = range(plane.width) if columns is None else columns
    scale, _ = engine.factor
    mean = np.full((len(rows) * scale, len(columns) * scale), np.nan, np.float32)
    std = mean.copy()
    steps = list(engine.moments(plane, rows, columns))
    for step in steps:
        if step.finished is None:
            continue
        tile = step.finished.tile
        where = (
            slice((tile.rows.start - rows.start) * scale, (tile.rows.stop - rows.start) * scale),
            slice((tile.columns.start - columns.start) * scale, (tile.columns.stop - columns.start) * scale),
        )
        assert np.isnan(mean[where]).all(), "computed twice"
        mean[where] = step.finished.mean
        if step.finished.std is not None:
            std[where] = step.finished.std
    return mean, std, steps


@settings(max_examples=15)
@given(data=st.data(), height=st.integers(1, 45), width=st.integers(1, 45), tile=st.integers(1, 30))
def test_tiles_and_regions_change_nothing(model, data, height, width, tile):
    """Contracts 1 and 2: any tile size and any region computed alone give the pixels of the whole."""
    plane = picture(height, width, number=3)
    whole_mean, whole_std, _ = run(upscaler(model, tile=64), plane)
    top = data.draw(st.integers(0, height - 1))
    left = data.draw(st.integers(0, width - 1))
    rows = range(top, data.draw(st.integers(top + 1, height)))
    columns = range(left, data.draw(st.integers(left + 1, width)))
    mean, std, _ = run(upscaler(model, tile=tile), plane, rows, columns)
    part = (slice(2 * top, 2 * rows.stop), slice(2 * left, 2 * columns.stop))
    np.testing.assert_allclose(mean, whole_mean[part], atol=2e-5)
    np.testing.assert_allclose(std, whole_std[part], atol=2e-5)


@pytest.mark.parametrize("kind", ["plain", "consistent"])
def test_other_networks_are_tile_exact_too(model, kind):
    plain = PRESETS["conv_vae"].model_copy(update={"width": 4, "levels": (Level(stride=8, channels=3),)})
    consistent = model.card.network.model_copy(update={"consistent": True, "orientations": 2})
    config = {"plain": plain, "consistent": consistent}[kind]
    network = build(config).eval()
    generator = torch.Generator().manual_seed(2)
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
    card = model.card.model_copy(update={"network": config})
    other = Model(card=card, network=network)
    plane = picture(50, 70)
    mean, std, _ = run(upscaler(other, tile=96), plane)
    tiled_mean, tiled_std, _ = run(upscaler(other, tile=24), plane)
    np.testing.assert_allclose(tiled_mean, mean, atol=2e-5)
    np.testing.assert_allclose(tiled_std, std, atol=2e-5)
    assert std.min() > 0


def test_a_halo_too_small_would_be_seen(model):
    """The test above can fail: without the halo, tiles differ by far more than its tolerance."""
    plane = picture(40, 40)
    whole, _, _ = run(upscaler(model, tile=64), plane)
    engine = upscaler(model, tile=12)
    engine.halo = 0
    tiled, _, _ = run(engine, plane)
    assert np.abs(tiled - whole).max() > 1e-2


def test_bfloat16_tiles_agree_to_its_precision(model):
    plane = picture(40, 44)
    whole_mean, whole_std, _ = run(upscaler(model, tile=64, precision="bfloat16"), plane)
    mean, std, _ = run(upscaler(model, tile=12, precision="bfloat16"), plane)
    np.testing.assert_allclose(mean, whole_mean, atol=2e-2)
    np.testing.assert_allclose(std, whole_std, atol=2e-2)
    exact, _, _ = run(upscaler(model, tile=64), plane)
    np.testing.assert_allclose(mean, exact, atol=5e-2)


@settings(max_examples=10)
@given(samples=st.integers(1, 9), budget=st.sampled_from([1, 40_000, 10**9]))
def test_sample_chunks_change_nothing(model, samples, budget):
    plane = picture(9, 10)
    mean, std, _ = run(upscaler(model, samples=samples), plane)
    engine = upscaler(model, samples=samples)
    engine.room.budget = budget
    assert engine.samples_at_once(engine.plan(range(9), range(10), (9, 10))[0]) % 2 == 0
    again_mean, again_std, _ = run(engine, plane)
    np.testing.assert_allclose(again_mean, mean, atol=1e-5)
    np.testing.assert_allclose(again_std, std, atol=1e-5)
    assert np.isnan(std).all() == (samples == 1)


def test_noise_depends_on_seed_and_plane_only(model):
    plane = picture(16, 16)
    mean, std, _ = run(upscaler(model), plane)
    np.testing.assert_array_equal(run(upscaler(model), plane)[0], mean)
    for other in (
        run(upscaler(model, seed=1), plane),
        run(upscaler(model), Picture(plane.pixels, number=1)),
    ):
        assert np.abs(other[1] - std).max() > 1e-3
        np.testing.assert_allclose(other[0], mean, atol=1e-6)  # whole antithetic pairs meet at the base
    assert std.min() > 0


@pytest.mark.parametrize("samples", [1, 3, 5])
def test_an_odd_number_of_samples_spoils_no_mean(model, samples):
    plane = picture(16, 16)
    mean, std, _ = run(upscaler(model, samples=samples), plane)
    base, _, _ = run(upscaler(model, temperature=0), plane)
    np.testing.assert_allclose(mean, base, atol=1e-6)
    if samples > 1:  # the last sample counts with its partner
        np.testing.assert_array_equal(std, run(upscaler(model, samples=samples + 1), plane)[1])


def test_temperature_zero_is_the_most_typical_image(model):
    mean, std, _ = run(upscaler(model, temperature=0), picture(12, 12))
    assert np.isnan(std).all()  # never written
    again, _, _ = run(upscaler(model, temperature=0, samples=1, seed=5), picture(12, 12))
    np.testing.assert_allclose(again, mean, atol=1e-6)


def test_work_adds_up(model):
    engine = upscaler(model, tile=8, samples=5)
    _, _, steps = run(engine, picture(20, 24))
    assert sum(step.work for step in steps) == engine.work(20 * 24)
    assert len([step for step in steps if step.finished]) == len(engine.plan(range(20), range(24), (20, 24)))


class Peak(TorchDispatchMode):
    """Measures the most bytes of tensors alive at once."""

    def __init__(self):
        super().__init__()
        self.alive = self.peak = 0
        self.seen = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (list, tuple)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.track(tensor.untyped_storage())
        return result

    def track(self, storage):
        if storage.data_ptr() in self.seen or not storage.nbytes():
            return
        pointer, size = storage.data_ptr(), storage.nbytes()
        self.seen.add(pointer)
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self.forget, pointer, size)

    def forget(self, pointer, size):
        self.seen.discard(pointer)
        self.alive -= size


def peak_bytes(engine, plane):
    with Peak() as peak:
        for _ in engine.moments(plane, range(plane.height), range(plane.width)):
            pass
    return peak.peak


def test_memory_does_not_grow_with_samples(model):
    """Contract 3: once the budget is full, more samples take more time and no more memory."""
    plane = picture(72, 72)
    peaks = {}
    for samples in (4, 8, 32):
        engine = upscaler(model, samples=samples, tile=96)
        area = engine.plan(range(72), range(72), (72, 72))[0].padded_shape
        kept, each = engine.room.kept, engine.room.each
        engine.room.budget = area[0] * area[1] * (kept + 4 * each)
        peaks[samples] = peak_bytes(engine, plane)
    assert peaks[32] <= 1.05 * peaks[8] <= 1.25 * peaks[4]
    wasteful = upscaler(model, samples=32, tile=96)
    assert peak_bytes(wasteful, plane) > 2 * peaks[32], "the measurement sees chunks"


def test_memory_does_not_grow_with_the_plane(model):
    small, large = (peak_bytes(upscaler(model, tile=16), picture(size, size)) for size in (112, 176))
    assert large <= 1.05 * small


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_out_of_memory_halves_the_tile_and_goes_on(model, monkeypatch, error):
    """Contract 7, by injected failure."""
    plane = picture(120, 120)
    expected, expected_std, _ = run(upscaler(model, tile=40), plane)
    engine = upscaler(model, tile=40)
    limit = (12 + 2 * engine.halo) ** 2
    failures = 0
    real = engine.network.encode

    def encode(planes, *others):
        nonlocal failures
        if planes.shape[-1] * planes.shape[-2] > limit:
            failures += 1
            raise error
        return real(planes, *others)

    monkeypatch.setattr(engine.network, "encode", encode)
    mean, std, steps = run(engine, plane)
    np.testing.assert_allclose(mean, expected, atol=2e-5)
    np.testing.assert_allclose(std, expected_std, atol=2e-5)
    messages = [step.message for step in steps if step.message]
    assert messages == [
        "Memory ran out with tiles of 40 pixels, going on with tiles of 20.",
        "Memory ran out with tiles of 20 pixels, going on with tiles of 12.",
    ]
    assert engine.tile == 12
    assert sum(step.work for step in steps) == engine.work(120 * 120)
    assert failures == 2


def test_a_failed_tile_is_freed_before_the_next_is_tried(model, monkeypatch):
    engine = upscaler(model, tile=24)
    failed = []
    real = engine.network.residuals

    def residuals(encoded, noise):
        if not failed:
            failed.append(weakref.ref(encoded.base))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        assert failed[0]() is None, "tensors of the failed tile are still held"
        return real(encoded, noise)

    monkeypatch.setattr(engine.network, "residuals", residuals)
    run(engine, picture(24, 24))


def test_out_of_memory_at_the_smallest_tile_is_said(model, monkeypatch):
    engine = upscaler(model, tile=32)

    def residuals(encoded, noise):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(engine.network, "residuals", residuals)
    with pytest.raises(VaesrError, match="not enough memory"):
        run(engine, picture(16, 16))


def test_a_result_that_is_no_number_is_refused(model):
    """A hot pixel may leave the range of float16; its neighbours would silently become NaN."""
    plane = picture(16, 16)
    plane.pixels[3, 4] = 1e6
    assert np.isfinite(run(upscaler(model), plane)[0]).all()
    with pytest.raises(VaesrError, match="left the range of float16, please choose the precision float32"):
        run(upscaler(model, precision="float16"), plane)


def test_other_errors_are_not_swallowed(model, monkeypatch):
    engine = upscaler(model)

    def residuals(encoded, noise):
        raise RuntimeError("something else")

    monkeypatch.setattr(engine.network, "residuals", residuals)
    with pytest.raises(RuntimeError, match="something else"):
        run(engine, picture(8, 8))


def test_a_factor_that_the_network_lacks_is_refused(model):
    with pytest.raises(ValueError, match=r"can't make \(4, 4\) in one pass"):
        Upscaler(model, make_settings(device="cpu"), (4, 4))


def test_the_model_itself_is_not_touched(model):
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    run(upscaler(model, precision="bfloat16"), picture(8, 8))
    after = model.network.state_dict()
    assert all(after[name].dtype == torch.float32 for name in before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_prepared_networks_are_kept(model):
    choice = upscaler(model).choice
    assert prepare_network(model.network, choice) is prepare_network(model.network, choice)
    assert prepare_network(model.network, choice) is not model.network


def test_time_is_estimated(model):
    assert 0 < upscaler(model).seconds_per_pixel() < 1e-2

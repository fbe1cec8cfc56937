from __future__ import annotations

import time

import dask
import dask.array as da
import numpy as np
import pytest
import zarr

from napari_vaesr.engine import lazy
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.lazy import lazy_upscale
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.engine.upscaler import Upscaler
from napari_vaesr.errors import VaesrError


def settings(**changes):
    return make_settings(**{"samples": 2, "device": "cpu", "precision": "float32", **changes})


def eager(array, axes, chosen, model):
    job = UpscaleJob(array, axes, chosen, model=model)
    list(job)
    return job.result


@pytest.mark.parametrize("container", [np.asarray, lambda a: da.from_array(a, chunks=5), zarr.array])
def test_lazy_equals_eager(model, stack, container):
    expected = eager(stack, "CZYX", settings(), model)
    mean, std, record = lazy_upscale(container(stack), "CZYX", settings(), model=model)
    assert mean.shape == expected.mean.shape and mean.dtype == expected.mean.dtype
    assert mean.chunks[:2] == ((1, 1), (1, 1, 1))
    np.testing.assert_array_equal(mean.compute(), expected.mean)
    np.testing.assert_array_equal(std.compute(), expected.std)
    assert record == expected.record


@pytest.mark.parametrize("workers", [1, 4])
def test_the_number_of_workers_changes_nothing(model, stack, workers):
    expected = eager(stack, "CZYX", settings(), model)
    mean, std, _ = lazy_upscale(stack, "CZYX", settings(), model=model)
    both = dask.compute(mean, std, scheduler="threads", num_workers=workers)
    np.testing.assert_array_equal(both[0], expected.mean)
    np.testing.assert_array_equal(both[1], expected.std)


@pytest.mark.parametrize("axes", ["YXS", "SYX"])
def test_colour(model, axes):
    image = np.random.default_rng(0).integers(0, 255, (11, 14, 3), dtype=np.uint8)
    image = image if axes == "YXS" else np.moveaxis(image, -1, 0)
    expected = eager(image, axes, settings(uncertainty="variance"), model)
    mean, uncertainty, _ = lazy_upscale(image, axes, settings(uncertainty="variance"), model=model)
    np.testing.assert_array_equal(mean.compute(), expected.mean)
    np.testing.assert_array_equal(uncertainty.compute(), expected.uncertainty)


def test_a_large_plane_is_cut_without_seams(model, stack, monkeypatch):
    expected = eager(stack[0].astype(np.float32), "ZXY", settings(), model)
    monkeypatch.setattr(lazy, "LARGEST_CHUNK", 16)
    mean, std, _ = lazy_upscale(stack[0].astype(np.float32), "ZXY", settings(), model=model)
    assert max(max(lengths) for lengths in mean.chunks) <= 16 and mean.numblocks == (3, 3, 3)
    np.testing.assert_allclose(mean.compute(), expected.mean, rtol=1e-4)
    np.testing.assert_allclose(std.compute(), expected.std, rtol=1e-2, atol=0.1)


def test_parts_of_a_plane_larger_than_the_halo(model, monkeypatch):
    image = np.random.default_rng(3).random((90, 61), dtype=np.float32)
    expected = eager(image, "YX", settings(), model)
    monkeypatch.setattr(lazy, "LARGEST_CHUNK", 60)
    mean, std, _ = lazy_upscale(image, "YX", settings(), model=model)
    assert mean.numblocks == (3, 3)
    np.testing.assert_allclose(mean.compute(), expected.mean, atol=2e-5)
    np.testing.assert_allclose(std.compute(), expected.std, atol=2e-5)


def test_nothing_is_computed_before_it_is_looked_at_and_then_once(model, reads, monkeypatch):
    encoded = []
    mean, std, _ = lazy_upscale(reads, "CZYX", settings(), model=model)
    assert reads.count <= 6, "the bounded sample only"
    reads.count = 0
    real = lazy._Chunks._upscale
    monkeypatch.setattr(
        lazy._Chunks, "_upscale", lambda self, block: encoded.append(block) or real(self, block)
    )
    mean[1, 2].compute()
    std[1, 2].compute()
    assert encoded == [(1, 2, 0, 0)] and reads.count == 1
    dask.compute(mean[0], std[0])
    assert sorted(encoded) == [(0, 0, 0, 0), (0, 1, 0, 0), (0, 2, 0, 0), (1, 2, 0, 0)]


def test_the_memory_of_chunks_is_bounded(model, stack, monkeypatch):
    monkeypatch.setattr(lazy, "CACHED_BYTES", 20_000)
    chunks = lazy._Chunks(UpscaleJob(stack, "CZYX", settings(), model=model))
    for z in range(3):
        chunks.compute((0, z, 0, 0))
    assert list(chunks._recent) == [(0, 1, 0, 0), (0, 2, 0, 0)]


def test_memory_is_released_after_every_chunk(model, stack, monkeypatch):
    released = []
    monkeypatch.setattr("napari_vaesr.engine.device._return_blocks", lambda: released.append(1))
    source = stack.astype(np.float32)
    mean, _, _ = lazy_upscale(source, "CZYX", settings(), model=model)
    mean[0, 0].compute()
    assert released == [1]
    source[1, 1, 2, 3] = np.nan
    with pytest.raises(VaesrError, match="NaN"):
        mean[1, 1].compute()
    assert released == [1, 1]


def test_one_sample(model, stack):
    mean, uncertainty, record = lazy_upscale(stack, "CZYX", settings(samples=1), model=model)
    assert uncertainty is None and record["messages"]
    assert mean[0, 0].compute().shape == (34, 44)


def test_a_stack_of_100_gigabytes_is_there_at_once(model):
    source = da.zeros((12_000, 2048, 2048), chunks=(1, 2048, 2048), dtype=np.uint16)
    start = time.perf_counter()
    mean, std, _ = lazy_upscale(source, "ZYX", settings(), model=model)
    assert time.perf_counter() - start < 5
    assert mean.shape == std.shape == (12_000, 4096, 4096)
    assert mean.chunks[1:] == ((2048, 2048), (2048, 2048))


def test_memory_running_out_is_told(model, stack, monkeypatch):
    mean, _, _ = lazy_upscale(stack[0, 0], "YX", settings(), model=model)
    expected = eager(stack[0, 0], "YX", settings(), model)
    real, failures = Upscaler._encode, []

    def encode(self, pixels):
        if not failures:
            failures.append(1)
            raise MemoryError
        return real(self, pixels)

    monkeypatch.setattr(Upscaler, "_encode", encode)
    with pytest.warns(UserWarning, match="Memory ran out"):
        result = mean.compute(scheduler="synchronous")
    np.testing.assert_allclose(result.astype(int), expected.mean.astype(int), atol=1)

from __future__ import annotations

import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread

import dask
import dask.array as da
import numpy as np
import pytest
import zarr

from napari_vaesr.engine import lazy, passes
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.record import Record
from napari_vaesr.engine.stage import Stage
from napari_vaesr.engine.upscaler import Upscaler
from napari_vaesr.engine.wanted import GivenUp, given_up_when
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Source

PART = {"C": range(1, 2), "Z": range(1, 3), "Y": range(3, 15), "X": range(1, 20)}


def lazy_arrays(job, look_ahead=False):
    result = lazy.lazy_result(job, look_ahead)
    return result.mean, result.uncertainty, result.record


def lazily(array, axes, chosen, model):
    return lazy_arrays(UpscaleJob(Source.of(array, axes), chosen, model=model))


def eager(array, axes, chosen, model):
    job = UpscaleJob(Source.of(array, axes), chosen, model=model)
    list(job)
    return job.result


@pytest.mark.parametrize("container", [np.asarray, lambda a: da.from_array(a, chunks=5), zarr.array])
def test_lazy_equals_eager(model, stack, container, settings):
    expected = eager(stack, "CZYX", settings(), model)
    mean, std, record = lazy_arrays(UpscaleJob(Source.of(container(stack), "CZYX"), settings(), model=model))
    assert mean.shape == expected.mean.shape and mean.dtype == expected.mean.dtype
    assert mean.chunks[:2] == ((1, 1), (1, 1, 1))
    np.testing.assert_array_equal(mean.compute(), expected.mean)
    np.testing.assert_array_equal(std.compute(), expected.std)
    assert record == expected.record


@pytest.mark.parametrize("workers", [1, 4])
def test_the_number_of_workers_changes_nothing(model, stack, workers, settings):
    expected = eager(stack, "CZYX", settings(), model)
    mean, std, _ = lazily(stack, "CZYX", settings(), model)
    both = dask.compute(mean, std, scheduler="threads", num_workers=workers)
    np.testing.assert_array_equal(both[0], expected.mean)
    np.testing.assert_array_equal(both[1], expected.std)


@pytest.mark.parametrize("axes", ["YXS", "SYX"])
def test_colour(model, axes, settings):
    image = np.random.default_rng(0).integers(0, 255, (11, 14, 3), dtype=np.uint8)
    image = image if axes == "YXS" else np.moveaxis(image, -1, 0)
    expected = eager(image, axes, settings(uncertainty="variance"), model)
    mean, uncertainty, _ = lazy_arrays(
        UpscaleJob(Source.of(image, axes), settings(uncertainty="variance"), model=model)
    )
    np.testing.assert_array_equal(mean.compute(), expected.mean)
    np.testing.assert_array_equal(uncertainty.compute(), expected.uncertainty)


def test_a_large_plane_is_cut_without_seams(model, stack, monkeypatch, settings):
    expected = eager(stack[0].astype(np.float32), "ZXY", settings(), model)
    monkeypatch.setattr(passes, "LARGEST_BLOCK", 16)
    mean, std, _ = lazy_arrays(
        UpscaleJob(Source.of(stack[0].astype(np.float32), "ZXY"), settings(), model=model)
    )
    assert max(max(lengths) for lengths in mean.chunks) <= 16 and mean.numblocks == (3, 3, 3)
    np.testing.assert_allclose(mean.compute(), expected.mean, rtol=1e-4)
    np.testing.assert_allclose(std.compute(), expected.std, rtol=1e-2, atol=0.1)


def test_parts_of_a_plane_larger_than_the_halo(model, monkeypatch, settings):
    image = np.random.default_rng(3).random((90, 61), dtype=np.float32)
    expected = eager(image, "YX", settings(), model)
    monkeypatch.setattr(passes, "LARGEST_BLOCK", 64)
    mean, std, _ = lazily(image, "YX", settings(), model)
    assert mean.numblocks == (3, 2)
    np.testing.assert_allclose(mean.compute(), expected.mean, atol=2e-5)
    np.testing.assert_allclose(std.compute(), expected.std, atol=2e-5)


def test_nothing_is_computed_before_it_is_looked_at_and_then_once(model, reads, monkeypatch, settings):
    encoded = []
    mean, std, _ = lazily(reads, "CZYX", settings(), model)
    assert reads.count <= 10, "the bounded sample only, two of three planes with a neighbour"
    reads.count = 0
    real = lazy._Chunks._upscale
    monkeypatch.setattr(
        lazy._Chunks, "_upscale", lambda self, key, stop: encoded.append(key) or real(self, key, stop)
    )
    mean[1, 2].compute()
    std[1, 2].compute()
    assert encoded == [(1, 2, 0, 0)] and reads.count == 1
    dask.compute(mean[0], std[0])
    assert sorted(encoded) == [(0, 0, 0, 0), (0, 1, 0, 0), (0, 2, 0, 0), (1, 2, 0, 0)]


def test_the_memory_of_chunks_is_bounded(model, stack, monkeypatch, settings):
    monkeypatch.setattr(lazy, "CACHED_BYTES", 20_000)
    chunks = lazy._Chunks(UpscaleJob(Source.of(stack, "CZYX"), settings(), model=model))
    for z in range(3):
        chunks.compute((0, z, 0, 0))
    assert list(chunks._recent) == [(0, 1, 0, 0), (0, 2, 0, 0)]


def test_memory_is_released_after_every_chunk(model, stack, monkeypatch, settings):
    released = []
    monkeypatch.setattr("napari_vaesr.engine.device._return_blocks", lambda: released.append(1))
    source = stack.astype(np.float32)
    mean, _, _ = lazily(source, "CZYX", settings(), model)
    mean[0, 0].compute()
    assert released == [1]
    source[1, 1, 2, 3] = np.nan
    with pytest.raises(VaesrError, match="NaN"):
        mean[1, 1].compute()
    assert released == [1, 1]


def test_one_sample(model, stack, settings):
    mean, uncertainty, record = lazy_arrays(
        UpscaleJob(Source.of(stack, "CZYX"), settings(samples=1), model=model)
    )
    assert uncertainty is None and record["messages"]
    assert mean[0, 0].compute().shape == (34, 44)


def test_a_stack_of_100_gigabytes_is_there_at_once(model, settings):
    source = da.zeros((12_000, 2048, 2048), chunks=(1, 2048, 2048), dtype=np.uint16)
    start = time.thread_time()  # whatever else the machine does
    mean, std, _ = lazily(source, "ZYX", settings(), model)
    assert time.thread_time() - start < 5
    assert mean.shape == std.shape == (12_000, 4096, 4096)
    assert mean.chunks[1:] == ((2048, 2048), (2048, 2048))


def test_memory_running_out_is_told(model, stack, monkeypatch, settings):
    mean, _, _ = lazily(stack[0, 0], "YX", settings(), model)
    expected = eager(stack[0, 0], "YX", settings(), model)
    real, failures = Upscaler._encode, []

    def encode(self, *args):
        if not failures:
            failures.append(1)
            raise MemoryError
        return real(self, *args)

    monkeypatch.setattr(Upscaler, "_encode", encode)
    with pytest.warns(UserWarning, match="Memory ran out"):
        result = mean.compute(scheduler="synchronous")
    np.testing.assert_allclose(result.astype(int), expected.mean.astype(int), atol=1)


@pytest.fixture
def computed(monkeypatch):
    """Numbers of the planes that were computed to the end, in order; nothing is waited for when idle."""
    numbers = []
    real = lazy._Chunks._upscale

    def upscale(self, key, given_up):
        chunk = real(self, key, given_up)
        if chunk is not None:
            numbers.append(key[0])
        return chunk

    monkeypatch.setattr(lazy._Chunks, "_upscale", upscale)
    monkeypatch.setattr(lazy, "IDLE_SECONDS", 0)
    yield numbers
    for thread in threading.enumerate():
        if thread.name == lazy.LOOK_AHEAD:
            thread.join(30)


def wait_for(condition):
    deadline = time.monotonic() + 100
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_neighbours_are_computed_ahead_where_one_is_heading(model, stack, computed, settings):
    source = np.concatenate([stack[0]] * 4)
    expected = eager(source, "ZYX", settings(), model)
    mean, std, _ = lazy_arrays(UpscaleJob(Source.of(source, "ZYX"), settings(), model=model), look_ahead=True)
    mean[5].compute()
    wait_for(lambda: computed == [5, 6, 7, 4])
    mean[4].compute()  # back: it is there already, and the way on is computed
    wait_for(lambda: computed == [5, 6, 7, 4, 3, 2])
    np.testing.assert_array_equal(std[2].compute(), expected.std[2])
    assert computed[:6] == [5, 6, 7, 4, 3, 2]


def test_what_is_asked_for_comes_before_what_is_ahead(model, stack, computed, monkeypatch, settings):
    source = np.concatenate([stack[0]] * 4)
    started, go_on, asked = Event(), Event(), Event()
    real = Stage.compute

    def paused(job, block):
        steps = real(job, block)
        while True:
            try:
                step = next(steps)
            except StopIteration as finished:
                return finished.value
            if block["Z"].start == 1:
                started.set()
                go_on.wait(30)
            yield step

    monkeypatch.setattr(Stage, "compute", paused)
    mean, _, _ = lazy_arrays(UpscaleJob(Source.of(source, "ZYX"), settings(), model=model), look_ahead=True)
    mean[0].compute()
    assert started.wait(30)
    reader = Thread(target=lambda: mean[9].compute())
    turn = lazy._Chunks._turn  # which it waits for when it has asked
    monkeypatch.setattr(lazy._Chunks, "_turn", lambda self, given_up: (asked.set(), turn(self, given_up))[1])
    reader.start()
    assert asked.wait(30)
    go_on.set()
    reader.join(30)
    assert computed[:2] == [0, 9], "plane 1 was given up"


def test_looking_ahead_tells_nothing_and_leaves_the_warnings_of_others_alone(
    model, stack, computed, monkeypatch, settings
):
    real, filters = Upscaler._encode, []

    def encode(self, *args):
        if threading.current_thread().name == lazy.LOOK_AHEAD and not filters:
            filters.append(list(warnings.filters))
            raise MemoryError
        return real(self, *args)

    monkeypatch.setattr(Upscaler, "_encode", encode)
    job = UpscaleJob(Source.of(stack[0], "ZYX"), settings(), model=model)
    mean, _, _ = lazy_arrays(job, look_ahead=True)
    mean[1].compute()
    wait_for(lambda: computed == [1, 2, 0])  # a warning, which is an error here, would have stopped it
    assert filters == [warnings.filters] and "Memory ran out" in job.messages[0]


def test_nothing_ahead_of_a_single_plane(model, stack, computed, settings):
    mean, _, _ = lazy_arrays(
        UpscaleJob(Source.of(stack[0, 0], "YX"), settings(), model=model), look_ahead=True
    )
    mean.compute()
    time.sleep(0.1)
    assert computed == [0]


def test_a_part_is_that_part_of_the_whole(model, stack, settings):
    expected = eager(stack, "CZYX", settings(), model)
    job = UpscaleJob(Source.of(stack, "CZYX"), settings(), PART, model=model)
    mean, std, record = lazy_arrays(job)
    part = np.s_[1:2, 1:3, 6:30, 2:40]
    np.testing.assert_allclose(mean.compute().astype(int), expected.mean[part].astype(int), atol=1)
    np.testing.assert_allclose(std.compute(), expected.std[part], rtol=1e-3, atol=0.1)
    assert Record.read(record).region == PART


def given_up_after(steps, array):
    """Ask for an array that is not wanted after so many steps; return whether it was given up."""
    left = iter(range(steps))
    try:
        with given_up_when(lambda: next(left, None) is None):
            array.compute(scheduler="synchronous")
    except GivenUp:
        return True
    return False


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_an_unwanted_plane_stops_within_a_step_and_leaves_nothing(model, stack, monkeypatch, steps, settings):
    expected = eager(stack, "CZYX", settings(samples=8), model)
    real, drawn = Upscaler._add_samples, []
    monkeypatch.setattr("napari_vaesr.engine.memory.CPU_CHUNK", 1)  # pair by pair: five steps in all
    monkeypatch.setattr(
        Upscaler, "_add_samples", lambda self, *args, **kw: drawn.append(1) or real(self, *args, **kw)
    )
    mean, std, _ = lazily(stack, "CZYX", settings(samples=8), model)
    assert given_up_after(steps, mean[1, 1]) and len(drawn) == max(0, steps - 1)
    np.testing.assert_allclose(mean.compute().astype(int), expected.mean.astype(int), atol=1)
    np.testing.assert_allclose(std.compute(), expected.std, rtol=1e-3, atol=0.1)
    assert not given_up_after(0, mean[1, 1]), "what is there costs nothing"


def test_who_waits_for_the_same_plane_gets_it_and_who_does_not_want_it_does_not_wait(
    model, stack, monkeypatch, settings
):
    """One reader gives a plane up while a second waits for it, and a third for its turn no more."""
    expected = eager(stack, "CZYX", settings(), model)
    mean, _, _ = lazily(stack, "CZYX", settings(), model)
    began, unwanted = Event(), Event()
    real = Stage.compute

    def paused(job, block):
        began.set()
        assert unwanted.wait(30)
        return (yield from real(job, block))

    monkeypatch.setattr(Stage, "compute", paused)

    def reader(number, is_unwanted):
        with given_up_when(is_unwanted):
            return mean[0, number].compute(scheduler="synchronous")

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(reader, 0, unwanted.is_set)
        assert began.wait(30)
        second = pool.submit(reader, 0, lambda: False)
        with pytest.raises(GivenUp):
            pool.submit(reader, 2, lambda: True).result(30)
        assert not first.done() and not second.done()
        unwanted.set()
        with pytest.raises(GivenUp):
            first.result(30)
        np.testing.assert_array_equal(second.result(30), expected.mean[0, 0])


def test_many_readers_all_get_their_planes_while_others_give_up(model, stack, computed, settings):
    source = np.concatenate([stack[0]] * 4)
    expected = eager(source, "ZYX", settings(), model)
    mean, std, _ = lazy_arrays(UpscaleJob(Source.of(source, "ZYX"), settings(), model=model), look_ahead=True)
    with ThreadPoolExecutor(8) as pool:
        passing = [pool.submit(given_up_after, number % 3, mean[number]) for number in range(12)]
        kept = pool.map(lambda number: dask.compute(mean[number], std[number]), reversed(range(12)))
        for number, (plane, spread) in zip(reversed(range(12)), kept, strict=True):
            np.testing.assert_array_equal(plane, expected.mean[number])
            np.testing.assert_array_equal(spread, expected.std[number])
        assert all(isinstance(each.result(60), bool) for each in passing)
    assert set(computed) == set(range(12))


@pytest.mark.parametrize("kind", ["std", "relative", "interval"])
def test_a_lazy_result_tells_the_truth(model, stack, kind, settings):
    job = UpscaleJob(Source.of(stack, "CZYX"), settings(uncertainty=kind), model=model)
    found = lazy.lazy_result(job)
    for _ in job:
        pass
    expected = job.result
    np.testing.assert_allclose(found.std.compute(), expected.std, rtol=1e-5)
    np.testing.assert_allclose(found.uncertainty.compute(), expected.uncertainty, rtol=1e-5, atol=1e-6)
    assert (found.uncertainty is found.std) == (kind == "std")
    assert (found.lower is None) == (kind != "interval")

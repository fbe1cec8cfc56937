"""Blocks on several processes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_vaesr.engine import cluster
from napari_vaesr.engine.cluster import Task, cluster_blocks, cluster_client, workers_choice
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.result_file import ResultFile
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.engine.stream import stream_blocks
from napari_vaesr.errors import TryAgain, VaesrError
from napari_vaesr.files.image import read_image
from napari_vaesr.files.output import OutputImage
from napari_vaesr.files.tiff_output import TiffOutput
from napari_vaesr.files.zarr_output import ZarrOutput

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # sockets of processes that were killed
]


@pytest.fixture(scope="module")
def client():
    with cluster_client(None, 2) as client:
        yield client


def test_the_usual_port_may_be_taken():
    with socket.socket() as taken:
        with suppress(OSError):  # by another program, which is as well
            taken.bind(("localhost", 8787))
            taken.listen()
        with cluster_client(None, 1) as client:
            assert client.submit(sum, [1, 2]).result() == 3


@pytest.fixture
def source(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(100, 4000, (3, 90, 60), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "source.tif", pixels, imagej=True, metadata={"axes": "ZYX"})
    return tmp_path / "source.tif"


def prepared(source: Path, model: Path, output: str, sha256: str | None = None, **changes):
    """Return a job and a task for its blocks of 32 low-res pixels."""
    settings = make_settings(model=model, samples=2, device="cpu")
    image = read_image(source)
    job = UpscaleJob(image.source, settings)
    grid = replace(job.grid(0), sides={"Y": 32, "X": 32})
    described = OutputImage(job.result_axes, ("mean", "std"))
    path = source.parent / output
    made = (
        ZarrOutput.create(path, described, (64, 64))
        if output.endswith("zarr")
        else TiffOutput.create(path, described)
    )
    record = job.record()
    if sha256 is not None:
        record = record.model_copy(update={"model": record.model.model_copy(update={"sha256": sha256})})
    record = record.model_copy(update=changes)
    return job, Task(
        key=output, source=source, record=record, grid=grid, store=ResultFile(made, job.passes[0])
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
@pytest.mark.parametrize(("kind", "killed"), [("zarr", True), ("tif", False)])
def test_workers_make_the_same_and_a_killed_one_loses_nothing(client, source, tiny_model_path, kind, killed):
    job, task = prepared(source, tiny_model_path, f"alone.{kind}")
    everything = range(len(task.grid))
    for _ in stream_blocks(job.stage(0, job.original()), task.store, task.grid, everything):
        pass
    expected = [task.store.output.read(plane) for plane in range(3)]

    job, task = prepared(source, tiny_model_path, f"together.{kind}")
    client.wait_for_workers(2, timeout=60)  # one that was killed comes again
    workers = client.run(os.getpid)
    finished, work = [], 0
    for done, number in cluster_blocks(client, job, task, everything):
        work += done
        finished.append(number)
        if killed and len(finished) == 3:
            os.kill(next(iter(workers.values())), signal.SIGKILL)
    assert sorted(finished) == list(everything) and work == job.total
    assert (client.run(os.getpid) != workers) == killed
    for plane, pixels in enumerate(expected):
        np.testing.assert_array_equal(task.store.output.read(plane), pixels)


def test_workers_that_come_later_get_work(monkeypatch, client, source, tiny_model_path):
    """The number of blocks given out follows the threads that there are, here one and then five."""
    job, task = prepared(source, tiny_model_path, "later.tif")
    given, threads = [], iter([1])
    real = client.submit
    monkeypatch.setattr(client, "nthreads", lambda: {"worker": next(threads, 5)})
    monkeypatch.setattr(client, "submit", lambda *args, **more: given.append(args) or real(*args, **more))
    steps = cluster_blocks(client, job, task, range(len(task.grid)))
    next(steps)
    assert len(given) == min(len(task.grid), 1 + cluster.AHEAD * 5) > cluster.AHEAD + 1
    steps.close()


def test_workers_tell_where_they_compute(client):
    choice = workers_choice(client, make_settings(device="cpu", precision="float32"))
    assert (choice.device, choice.precision) == ("cpu", "float32")


@pytest.mark.parametrize("other", [{"sha256": "0" * 64}, {"network": "another"}], ids=str)
def test_workers_with_another_model_are_refused_and_what_is_done_is_kept(
    client, source, tiny_model_path, other
):
    job, task = prepared(source, tiny_model_path, "other.tif", **other)
    with pytest.raises(TryAgain, match="another model"):
        list(cluster_blocks(client, job, task, range(3)))


def test_an_error_of_a_worker_is_that_of_the_run(client, source, tiny_model_path):
    job, task = prepared(source, tiny_model_path, "gone.tif")
    source.unlink()
    with pytest.raises(VaesrError, match="no file"):
        list(cluster_blocks(client, job, task, range(3)))


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_no_scheduler(monkeypatch, protocol):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with (
        pytest.raises(VaesrError, match=f"No scheduler answers at {protocol}"),
        cluster_client(f"{protocol}://127.0.0.1:1", None),
    ):
        pass


def test_a_client_that_can_not_connect_is_closed_at_once(monkeypatch):
    """Its destructor would raise in whatever runs then, the next test for one, where the machine is busy."""
    from distributed import Client

    close, raised = Client._close, []

    async def slowly(self, fast=False):
        await asyncio.sleep(1)
        await close(self, fast=fast)

    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.1)
    monkeypatch.setattr(Client, "_close", slowly)
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    with pytest.raises(VaesrError, match="No scheduler"), cluster_client("tls://127.0.0.1:1", None):
        pass
    gc.collect()
    assert not raised


def test_what_is_read_here_is_not_read_by_workers(client, source, monkeypatch):
    """They may be in another folder, where a path means something else."""
    monkeypatch.chdir(source.parent)
    pixels = read_image(Path(source.name)).data
    np.testing.assert_array_equal(np.asarray(pixels), tifffile.imread(source))


def test_a_scheduler_that_is_gone_is_one_sentence(source, tiny_model_path):
    """What was done is kept, so the same command goes on when there is one again."""
    from distributed import LocalCluster

    job, task = prepared(source, tiny_model_path, "lost.tif")
    with (
        LocalCluster(n_workers=0, dashboard_address=None, processes=False, silence_logs=50) as local,
        cluster_client(local.scheduler_address, None) as client,
    ):
        waiting = ThreadPoolExecutor(1).submit(list, cluster_blocks(client, job, task, range(3)))
        while not local.scheduler.tasks:
            time.sleep(0.05)
        local.close()
        with pytest.raises(TryAgain, match="connection to the scheduler is lost"):
            waiting.result(timeout=200)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(VaesrError, match=r'pip install "napari-vaesr\[distributed\]"'),
        cluster_client(None, 1),
    ):
        pass

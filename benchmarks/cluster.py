"""Upscale on a Dask cluster of which a worker is killed, and compare with a run in one process.

    python benchmarks/cluster.py --gigabytes 3 --workers 2

A scheduler and workers are started as a user would start them, each a process of its own, and a synthetic
time-lapse is streamed into OME-Zarr through them. When a third of the blocks is done, one worker is killed
(SIGKILL); a little later another one joins. The checksum of all files is then compared with that of a run
without a cluster. Network and input are those of large.py.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, WorkerPlugin
from rich import box
from rich.console import Console
from rich.table import Table
from streams import PROGRAM, SCALE, SIDE, blocks_done, checksum, make_input, random_model

PLANES_BLOCKS = 4
"""Blocks of 2048 x 2048 pixels in an upscaled plane."""


class Diary(WorkerPlugin):
    """Notes every block when its computation begins, so that even a killed worker has told."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def setup(self, worker: Any) -> None:
        self.worker = worker.name

    def transition(self, key: Any, start: Any, finish: Any, **kwargs: Any) -> None:
        if finish == "executing" and "_on_worker" in str(key):
            with self.path.open("a") as file:
                file.write(f"{self.worker} {key}\n")


@contextmanager
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Yield a list of processes that are ended on the way out."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def dask(what: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--no-dashboard"]
    return subprocess.Popen([*command, *map(str, arguments)], stderr=subprocess.DEVNULL)


def upscale(source: Path, output: Path, model: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*PROGRAM, source, output, "--model", model, "--scale", str(SCALE), "-k", "2", *more]
    )


def wait_for(what: str, condition: object, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until a condition holds; give up when the process that should bring it about has ended."""
    end = time.monotonic() + 120
    while not condition():
        if time.monotonic() > end or (process is not None and process.poll() is not None):
            sys.exit(f"waited in vain for {what}")
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=3, help="size of the result's pixels")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of each worker")
    parser.add_argument("--folder", type=Path, help="where to work; needs room for two results")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cluster-", dir=options.folder))
    try:
        with processes() as running:
            demonstrate(folder, running, options)
    finally:
        shutil.rmtree(folder)


def demonstrate(folder: Path, running: list[subprocess.Popen[bytes]], options: argparse.Namespace) -> None:
    model, source = random_model(folder), folder / "in.zarr"
    planes = max(int(np.ceil(options.gigabytes * 1e9 / (2 * 4 * (SCALE * SIDE) ** 2))), 2)
    blocks = planes * PLANES_BLOCKS
    make_input(source, planes)

    alone = folder / "alone.zarr"
    start = time.perf_counter()
    if upscale(source, alone, model).wait():
        sys.exit("the run in one process failed")
    seconds_alone = time.perf_counter() - start
    expected = checksum(alone)

    address_file, diary = folder / "scheduler.json", folder / "diary.txt"
    running.append(dask("scheduler", "--port", 0, "--scheduler-file", address_file))
    wait_for("the scheduler", address_file.exists)
    address = json.loads(address_file.read_text())["address"]

    def start_worker(name: int) -> subprocess.Popen[bytes]:
        worker = dask("worker", address, "--nthreads", options.threads, "--name", name, "--no-nanny")
        running.append(worker)
        return worker

    workers = [start_worker(name) for name in range(options.workers)]
    with Client(address) as client:
        client.wait_for_workers(options.workers, timeout=60)
        client.register_plugin(Diary(diary))
        output = folder / "cluster.zarr"
        start = time.perf_counter()
        command = upscale(source, output, model, "--scheduler", address)
        running.append(command)
        wait_for("a third of the blocks", lambda: blocks_done(output) >= blocks / 3, command)
        os.kill(workers[0].pid, signal.SIGKILL)
        killed_at, done = time.perf_counter() - start, blocks_done(output)
        half_there = output.exists()
        wait_for("half of the blocks", lambda: blocks_done(output) >= blocks / 2, command)
        start_worker(options.workers)
        if command.wait():
            sys.exit("the run on the cluster failed")
        seconds = time.perf_counter() - start

    begun = [line.split(maxsplit=1) for line in diary.read_text().splitlines()]
    by_worker = {name: sum(each == name for each, _ in begun) for name, _ in begun}
    table = Table("what", "measured", box=box.SIMPLE_HEAD)
    for what, measured in (
        ("blocks of 2048 × 2048 pixels", blocks),
        ("in one process", f"{seconds_alone:.0f} s"),
        (f"on {options.workers} workers of {options.threads} threads", f"{seconds:.0f} s"),
        ("a worker was killed", f"after {killed_at:.0f} s, {done} blocks being done"),
        ("the output had its name then", "yes" if half_there else "no"),
        ("blocks begun by each worker", ", ".join(str(count) for count in by_worker.values())),
        ("blocks begun a second time", len(begun) - len({key for _, key in begun})),
        ("checksums are equal", "yes" if checksum(output) == expected else "NO"),
    ):
        table.add_row(what, str(measured))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()

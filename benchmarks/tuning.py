"""Print what the side of tiles and the number of threads do to the time of a plane.

    python benchmarks/tuning.py --threads 1 2
    python benchmarks/tuning.py --tiles 128 256 512 1024

Everything is done in turn within one process. The least time of all rounds counts, by the clock and by the
processor, which sums up all threads. PyTorch's inter-op threads play no part: the engine does one thing after
another, and only within it there are threads.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table
from timing import in_turn

from napari_vaesr import upscale
from napari_vaesr.engine.device import choose_device


def both_clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="microscopy")
    parser.add_argument("--side", type=int, default=1024, help="of the plane")
    parser.add_argument("--samples", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--threads", type=int, nargs="+", default=[torch.get_num_threads()])
    parser.add_argument("--tiles", type=int, nargs="+", default=[0], help="0 for what the engine chooses")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    plane = np.random.default_rng(0).random((options.side, options.side), dtype=np.float32)

    def work(threads: int, tile: int, samples: int) -> Callable[[], None]:
        def run() -> None:
            torch.set_num_threads(threads)
            upscale(plane, "YX", model=options.model, samples=samples, tile=tile or None, device="cpu")

        return run

    grid = [(threads, tile) for threads in options.threads for tile in options.tiles]
    keys = {f"{row} {samples}": (*row, samples) for row in grid for samples in options.samples}
    jobs = {name: work(*key) for name, key in keys.items()}
    taken = in_turn(jobs, options.rounds, both_clocks)
    least = {name: np.min(times, axis=0) for name, times in taken.items()}
    heads = [f"{samples} samples: {what}" for samples in options.samples for what in ("s", "CPU-s")]
    table = Table("threads", "tile", *heads, box=box.SIMPLE_HEAD)
    for threads, tile in grid:
        names = [f"{(threads, tile)} {samples}" for samples in options.samples]
        times = (f"{seconds:.2f}" for name in names for seconds in least[name])
        table.add_row(str(threads), str(tile or "automatic"), *times)
    console = Console(width=100)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    console.print(
        f"{options.model} x2, {options.side} x {options.side}, {cores} cores, "
        f"{choose_device('cpu').precision}, torch {torch.__version__}"
    )
    console.print(table)


if __name__ == "__main__":
    main()

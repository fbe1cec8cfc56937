"""Upscale a Zarr larger than memory: its peak memory, and what killing it costs.

    python benchmarks/large.py --gigabytes 20 --kills 3

A synthetic time-lapse is streamed into OME-Zarr of so many gigabytes (float32 mean and std), once undisturbed
and once killed (SIGKILL) at random and given again, and the checksums of all files are compared. The same
with a twentieth of the planes tells whether memory grows with the stack. The network is very small and its
weights are random unless --model is given, since none of this depends on them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from streams import PROGRAM, SCALE, SIDE, blocks_done, checksum, make_input, random_model


def run(source: Path, output: Path, model: Path, kill_after: float | None = None) -> tuple[float, float]:
    """Run the command line, perhaps not to its end; return seconds and peak memory in GB."""
    start = time.perf_counter()
    process = subprocess.Popen([*PROGRAM, source, output, "--model", model, "--scale", str(SCALE), "-k", "2"])
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(process.pid, signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode and kill_after is None:
        sys.exit(f"the command line ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=20, help="size of the result's pixels")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--folder", type=Path, help="where to work; needs room for the result")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="large-", dir=options.folder))
    try:
        model = options.model or random_model(folder)
        plane_bytes = 2 * 4 * (SCALE * SIDE) ** 2
        large = max(int(np.ceil(options.gigabytes * 1e9 / plane_bytes)), 2)
        peaks = []
        for name, planes in (("small", max(large // 20, 1)), ("large", large)):
            source, output = folder / f"{name}.zarr", folder / f"{name}_x4.zarr"
            make_input(source, planes)
            seconds, peak = run(source, output, model)
            peaks.append(peak)
            size = f"{planes} planes, {planes * plane_bytes / 1e9:.1f} GB of pixels"
            print(f"{size}: {seconds:.0f} s, peak memory {peak:.2f} GB", flush=True)
        print(f"peak memory of the large stack / of the small one: {peaks[1] / peaks[0]:.2f}")
        expected = checksum(output)
        shutil.rmtree(output)

        output = folder / "killed_x4.zarr"
        dice = random.Random(0)
        computed = 0.0
        for _ in range(options.kills):
            before = blocks_done(output)
            used, _ = run(source, output, model, kill_after=seconds * dice.uniform(0.1, 0.9) / options.kills)
            computed += used
            print(
                f"killed after {used:.0f} s: {blocks_done(output) - before} blocks more, "
                f"{blocks_done(output)} of {large * 4}; the output is there: {output.exists()}",
                flush=True,
            )
        used, _ = run(source, output, model)
        total = computed + used
        print(f"gone on with for {used:.0f} s; {total:.0f} s in all, undisturbed {seconds:.0f} s")
        found = checksum(output)
        record = json.loads((output / "zarr.json").read_text())["attributes"]["napari_vaesr"]["messages"]
        print(
            f"{record[-1]} Checksum {found[:16]}, undisturbed {expected[:16]}: equal is {found == expected}"
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

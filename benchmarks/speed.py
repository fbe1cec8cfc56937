"""Print what upscaling costs: time and memory of a stack, 16 samples against one, engine against network.

    python benchmarks/speed.py --stack path/to/stack.tif

Ratios are measured in alternation within one process, and the median is printed.
"""

from __future__ import annotations

import argparse
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from timing import bare_network, medians

from napari_vaesr import upscale
from napari_vaesr.engine.device import choose_device
from napari_vaesr.sample_images import sample_path

STACK = """
import resource, sys, time
from napari_vaesr import upscale
from napari_vaesr.files.image import read_image
image = read_image(sys.argv[1], sys.argv[3] or None)
stack = image.data[...].compute() if hasattr(image.data, "compute") else image.data[...]
start = time.perf_counter()
result = upscale(stack, image.axes, model=sys.argv[2], scale=2, samples=16)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(f"{stack.shape} {stack.dtype} x2, 16 samples: {seconds:.1f} s, peak memory {peak:.2f} GB")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="microscopy")
    parser.add_argument("--stack", type=Path, default=sample_path("nuclei"))
    parser.add_argument("--axes", default="")
    parser.add_argument(
        "--side", type=int, default=1024, help="side of the plane that ratios are measured on"
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    processor = platform.processor() or platform.machine()
    print(f"{processor}, {torch.get_num_threads()} threads, torch {torch.__version__}")

    command = [sys.executable, "-c", STACK, str(options.stack), options.model, options.axes]
    print(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())

    plane = np.random.default_rng(0).random((options.side, options.side), dtype=np.float32)

    def engine(samples: int, **settings: object) -> Callable[[], object]:
        return lambda: upscale(plane, "YX", model=options.model, scale=2, samples=samples, **settings)

    work = {"one": engine(1), "many": engine(16), "bare": bare_network(plane, options.model)}
    taken = medians(work, options.rounds, time.perf_counter)
    one, many, bare = taken.values()
    print(f"{options.side} x {options.side}, x2, float32 input:")
    print(f"1 sample {one:.2f} s, 16 samples {many:.2f} s: ratio {many / one:.2f}")

    precision = choose_device("cpu").precision
    print(f"bare network {bare:.2f} s, engine {one:.2f} s ({precision}): ratio {one / bare:.2f}")

    fast = upscale(plane, "YX", model=options.model, scale=2, samples=16)
    exact = upscale(plane, "YX", model=options.model, scale=2, samples=16, precision="float32")
    for name, a, b in (("mean", fast.mean, exact.mean), ("std", fast.std, exact.std)):
        difference = np.abs(a - b)
        rms = np.sqrt((difference**2).mean())
        print(f"{precision} against float32, {name}: largest {difference.max():.5f}, RMS {rms:.6f}")
    for tile in (64, 200, 333):
        for settings in ({"precision": "float32"}, {"precision": precision}):
            reference = exact if settings["precision"] == "float32" else fast
            tiled = upscale(plane, "YX", model=options.model, scale=2, samples=16, tile=tile, **settings)
            errors = [
                float(np.abs(a - b).max())
                for a, b in ((tiled.mean, reference.mean), (tiled.std, reference.std))
            ]
            which = f"tile {tile}, {settings['precision']}"
            print(f"{which}: mean differs by {errors[0]:.2g}, std by {errors[1]:.2g}")
    print(f"peak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()

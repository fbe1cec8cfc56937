"""Print how long it takes until a Zarr of 100 GB has lazy mean and std, and until a plane of them is shown.

    python benchmarks/lazy.py

The Zarr is synthetic: of most planes no chunk is stored, and so they read as zeros.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import zarr

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.lazy import lazy_result
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.files.image import read_image

SIDE = 2048


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="microscopy")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--gigabytes", type=float, default=100)
    options = parser.parse_args()
    settings = make_settings(model=options.model, samples=options.samples)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.zarr"
        planes = int(options.gigabytes * 1e9 / (2 * SIDE**2))
        array = zarr.create_array(
            path,
            shape=(planes, SIDE, SIDE),
            chunks=(1, 512, 512),
            dtype="uint16",
            dimension_names=["t", "y", "x"],
        )
        array[0] = np.random.default_rng(0).integers(0, 1000, (SIDE, SIDE), dtype=np.uint16)
        for what in ("first", "second"):  # the first loads the model
            start, cpu = time.perf_counter(), time.process_time()
            image = read_image(path)
            result = lazy_result(UpscaleJob(image.source, settings), look_ahead=True)
            mean, std = result.mean, result.uncertainty
            taken, cpu = time.perf_counter() - start, time.process_time() - cpu
            print(f"{what} time: {planes} planes after {taken:.2f} s, {cpu:.2f} CPU-s", flush=True)
        assert std is not None
        for name, layer in (("mean", mean), ("std of the same plane", std)):
            start = time.perf_counter()
            layer[0].compute()
            print(f"{name}: {time.perf_counter() - start:.2f} s")
        time.sleep(1)
        start = time.perf_counter()
        mean[1].compute()
        print(f"mean of the next plane, a second later: {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()

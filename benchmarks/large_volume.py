"""Upscale a volume larger than memory along every axis, killed (SIGKILL) in each of its passes.

    python benchmarks/large_volume.py --gigabytes 5

A synthetic stack is streamed into OME-Zarr of so many gigabytes (float32 mean and std) to cubic voxels: 3.5
times along Z, made by 4 and resampled, and 4 times along Y and X in two passes. Once it is undisturbed, and
once it is killed in each of the three passes and given again; the checksums of all files are compared, and
the peak memory with that of a tenth of the planes. The network is very small and its weights are random.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import zarr
from streams import PROGRAM, blocks_done, checksum

from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.imaging.axes import Source
from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import Level, NetworkConfig
from napari_vaesr.zoo.card import ModelCard
from napari_vaesr.zoo.weights import save_model

SCALE, DEPTH = 4, 3.5
SIDE = 256
VOXEL = {"Z": 0.1 / SCALE * DEPTH, "Y": 0.1, "X": 0.1}
PLANE_BYTES = int(DEPTH * (SCALE * SIDE) ** 2 * 2 * 4)
"""Of the result that becomes of one plane."""


def random_model(folder: Path) -> Path:
    """Save a small network with neighbours and rows alone, and return its path."""
    torch.manual_seed(0)
    config = NetworkConfig(
        scales=(2,),
        row_factors=(4,),
        frames=3,
        width=8,
        blocks=1,
        decoder_width=8,
        levels=(Level(stride=1, channels=2),),
    )
    network = build(config).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    about = {"name": "random", "title": "Random weights", "description": "For measurements only."}
    return save_model(folder, network, ModelCard(**about, network=config))


def make_stack(path: Path, planes: int) -> None:
    """Write a stack of drifting blobs."""
    group = zarr.create_group(path)
    array = group.create_array(
        "0",
        shape=(planes, SIDE, SIDE),
        chunks=(1, SIDE, SIDE),
        dtype="uint16",
        dimension_names=["z", "y", "x"],
    )
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    scale = [{"type": "scale", "scale": list(VOXEL.values())}]
    dataset = {"path": "0", "coordinateTransformations": scale}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [dataset]}]}
    y, x = np.mgrid[:SIDE, :SIDE] / 40.0
    blobs = (1000 * np.maximum(np.sin(y) * np.sin(x), 0)).astype(np.uint16)
    for number in range(planes):
        array[number] = np.roll(blobs, (number, 2 * number), (0, 1)) + 100


def start(source: Path, output: Path, model: Path) -> subprocess.Popen[bytes]:
    options = ["--isotropic", "--scale", str(SCALE), "--model", model, "-k", "2"]
    return subprocess.Popen([*PROGRAM, source, output, *options])


def blocks_of(model: Path, planes: int) -> list[int]:
    """Return how many blocks each pass has."""
    stack = np.zeros((planes, SIDE, SIDE), np.uint16)
    settings = make_settings(model=str(model), scale={"Z": DEPTH, "Y": SCALE, "X": SCALE}, device="cpu")
    job = UpscaleJob(Source.of(stack, "ZYX"), settings)
    return [len(job.grid(step.number)) for step in job.passes]


def run(source: Path, output: Path, model: Path) -> tuple[float, float]:
    """Run to the end; return seconds and peak memory in GB."""
    begun = time.perf_counter()
    process = start(source, output, model)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"the command line ended with {process.returncode}")
    return time.perf_counter() - begun, usage.ru_maxrss / 1e6


def kill_after(source: Path, output: Path, model: Path, blocks: int) -> None:
    """Run until so many blocks are done, and kill."""
    process = start(source, output, model)
    while blocks_done(output) < blocks and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    folder = output.parent / f".{output.name}.partial"
    left = sorted(path.name for path in folder.iterdir() if path.is_dir())
    print(f"killed (SIGKILL) after {blocks_done(output)} blocks; there are {', '.join(left)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=5, help="size of the result's pixels")
    parser.add_argument("--folder", type=Path, help="where to work; needs room for the result twice")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="large-volume-", dir=options.folder))
    try:
        model = random_model(folder)
        pairs = int(np.ceil(options.gigabytes * 1e9 / PLANE_BYTES / 2))
        large = max(2 * pairs, 20)  # so that a whole number of planes becomes of them
        peaks = []
        for name, planes in (("small", large // 20 * 2), ("large", large)):
            source, output = folder / f"{name}.zarr", folder / f"{name}_up.zarr"
            make_stack(source, planes)
            seconds, peak = run(source, output, model)
            peaks.append(peak)
            size = f"{planes} planes to {int(DEPTH * planes)}, {planes * PLANE_BYTES / 1e9:.1f} GB of pixels"
            print(f"{size}: {seconds:.0f} s, peak memory {peak:.2f} GB", flush=True)
        print(f"peak memory of the large stack / of the small one: {peaks[1] / peaks[0]:.2f}", flush=True)
        expected = checksum(output)
        shutil.rmtree(output)
        output, before = folder / "killed_up.zarr", 0
        for count in blocks_of(model, large):
            kill_after(source, output, model, before + max(count // 2, 1))
            before += count
        seconds, _ = run(source, output, model)
        left = [path.name for path in folder.iterdir() if path.name.endswith(".partial")]
        print(f"gone on with for {seconds:.0f} s; left behind: {left or 'nothing'}")
        print(f"checksum equal to that of the undisturbed run: {checksum(output) == expected}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

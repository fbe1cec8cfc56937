"""Ask whether the tiny microscopy model learns better from the base model than from the truth alone.

    OMP_NUM_THREADS=1 python benchmarks/distillation.py DATA --json distillation.json

The trunk and base of a network of size `tiny` learn on the same patches for the same number of steps: from
the truth, from what the bundled microscopy model makes of the low-res patches, and from both alike (knowledge
distillation, Hinton et al., 2015). Scored on DATA/val, images that neither has seen.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table
from short_runs import Budget, Pair, learn
from torch import Tensor

from napari_vaesr import load_model
from napari_vaesr.files.atomic import write_json
from napari_vaesr.pairs.images import hold_out_listed
from napari_vaesr.training.config import RECIPES
from napari_vaesr.training.module import Training, psnr
from napari_vaesr.training.patches import Patches
from napari_vaesr.training.validation import ValidationPairs

HELD_OUT = Path(__file__).with_name("held_out.txt")
SHARES = {"truth": 0.0, "both": 0.5, "teacher": 1.0}
"""Weight of the teacher's answer; the rest is that of the truth."""


@torch.inference_mode()
def bases(network: torch.nn.Module, pairs: list[Pair]) -> dict[int, float]:
    """Mean PSNR of the base in dB, by scale."""
    found: dict[int, list[float]] = {}
    for low, high, scale in pairs:
        found.setdefault(scale, []).append(psnr(network.encode(low, scale).base, high, scale))
    return {scale: float(np.mean(values)) for scale, values in sorted(found.items())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batches", type=int, default=600, help="different batches, which are repeated")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    options = parser.parse_args()
    domains = [options.data / "train" / name for name in ("em", "fluorescence", "phase", "stained")]
    learnt, _ = hold_out_listed(domains, HELD_OUT)
    config = RECIPES["tiny"]
    patches = Patches(learnt, config)
    batches = [patches.batch(step) for step in range(options.batches)]
    val = [options.data / "val" / place.name for place in domains]
    pairs = ValidationPairs(val, config, images=32).pairs

    teacher = load_model("microscopy").network
    start = time.process_time()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        taught = {id(low): teacher.encode(low, scale).base for low, _, scale in batches}
    per_batch = (time.process_time() - start) / len(batches)
    rows = [{"learns from": "microscopy itself", "x": bases(teacher, pairs)}]
    for name, share in SHARES.items():
        module = Training(config)

        def loss(batch: Pair, module: Training = module, share: float = share) -> Tensor:
            low, high, scale = batch
            base = module.network._base(low, scale)[1]
            from_truth = (base - high).abs().mean() if share < 1 else torch.zeros(())
            from_teacher = (base - taught[id(low)]).abs().mean() if share > 0 else torch.zeros(())
            return config.base_weight * ((1 - share) * from_truth + share * from_teacher)

        for part, weight in module.network.named_parameters():
            weight.requires_grad_(part.partition(".")[0] in module.network.base_parts)
        start = time.process_time()
        learn(module, batches, Budget(steps=options.steps), loss=loss)
        seconds = time.process_time() - start
        rows.append(
            {"learns from": name, "seconds": seconds, "x": bases(module.average.module.eval(), pairs)}
        )
        print(rows[-1], flush=True)
    table = Table("learns from", *(f"×{scale}" for scale in rows[0]["x"]), "CPU-s", box=box.SIMPLE_HEAD)
    for row in rows:
        scores = (f"{value:.2f}" for value in row["x"].values())
        table.add_row(row["learns from"], *scores, f"{row['seconds']:.0f}" if "seconds" in row else "")
    Console(width=100).print(table)
    print(f"The teacher takes {1000 * per_batch:.0f} ms of processor time for a batch.")
    if options.json:
        write_json(options.json, {"steps": options.steps, "teacher": per_batch, "rows": rows})


if __name__ == "__main__":
    main()

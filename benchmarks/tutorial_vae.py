"""Train the tutorial's own VAE at a fair length, for several z_dim, and compare it with the ladder.

    python benchmarks/tutorial_vae.py DATA --hours 2 --run runs/tutorial

Every network learns from the same photographs, by the recipe of the bundled photo model, for the same hours
of training. What was stopped goes on where it was; what is done is not trained again. The table tells PSNR in
dB on validation photographs, how well the standard deviation tells errors (Spearman's correlation), and the
nats of the latents for every low-res pixel.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from napari_vaesr.training.config import RECIPES, TrainingConfig, checked_config
from napari_vaesr.training.finish import network_scores
from napari_vaesr.training.fit import fit
from napari_vaesr.training.validation import ValidationPairs
from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.config import PRESETS, Level

LADDER = "ladder"


def config_of(variant: str, stride: int, scale: int, **length: float | None) -> TrainingConfig:
    """Return the settings of a variant: the ladder, or the plain VAE of a z_dim."""
    if variant == LADDER:
        network = RECIPES["photo"].network
    else:
        network = PRESETS["conv_vae"].model_copy(
            update={"levels": (Level(stride=stride, channels=int(variant)),)}
        )
    network = network.model_copy(update={"scales": (scale,)})
    fields = RECIPES["photo"].model_dump() | {"name": f"z{variant}", "network": network.model_dump()}
    return checked_config(fields | {"scale_weights": None, **length})


@torch.inference_mode()
def nats(network: SuperResolutionVAE, pairs: ValidationPairs) -> float:
    """Return the nats of all latents for every low-res pixel."""
    torch.manual_seed(0)
    used = [[float(level) for level in network.elbo(*pair).kl] for pair in pairs.pairs]
    return float(np.mean(used, axis=0) @ [1 / level.stride**2 for level in network.levels])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder with train/photo and val/photo")
    parser.add_argument("--run", type=Path, default=Path("runs/tutorial"), help="folder of the trainings")
    parser.add_argument("--hours", type=float, default=2.0, help="of training, for each network")
    parser.add_argument("--steps", type=int, help="of training instead, for a try")
    parser.add_argument("--z-dim", type=int, nargs="*", default=[8, 32, 128, 512])
    parser.add_argument("--stride", type=int, default=8, help="low-res pixels between latents")
    parser.add_argument("--scale", type=int, default=2)
    given = parser.parse_args()
    length: dict[str, float | None] = {"steps": given.steps, "hours": None if given.steps else given.hours}
    table = Table("network", "steps", "base", "mean", "sample", "bicubic", "spearman", "nats", box=box.SIMPLE)
    for variant in [*map(str, given.z_dim), LADDER]:
        config = config_of(variant, given.stride, given.scale, **length)
        held = [given.data / "val" / "photo"]
        run = given.run / f"{variant}-stride{given.stride}-x{given.scale}"
        module = fit(config, [given.data / "train" / "photo"], held, run)
        network = module.averaged.cpu().float().eval()
        pairs = ValidationPairs(held, config, images=28)
        scores = network_scores(network, pairs)
        row = [
            f"{scores[f'psnr_{what}_x{given.scale}']:.2f}" for what in ("base", "mean", "sample", "bicubic")
        ]
        name = LADDER if variant == LADDER else f"conv_vae, z_dim {variant}"
        told = f"{scores[f'spearman_x{given.scale}']:.3f}"
        table.add_row(name, str(module.steps_done), *row, told, f"{nats(network, pairs):.3f}")
        Console().print(table)


if __name__ == "__main__":
    main()

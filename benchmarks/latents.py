"""Measure what the latents buy: their number, their levels, samples, temperature, and a plain VAE beside.

    python benchmarks/latents.py DATA --plots docs/images --json latents.json

Ladders of different latents are trained on the frozen trunk of the bundled photo model, all on the same
patches for the same number of steps. The plain VAE and a whole ladder model start from random weights and
have the same processor time.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table
from short_runs import Budget, Pair, ladder_on, learn, photo_config, pool, score, trunk_features, validation

from napari_vaesr import load_model
from napari_vaesr.engine.moments import PairedMoments, smoothed
from napari_vaesr.files.atomic import write_json
from napari_vaesr.training.module import Training
from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.config import PRESETS, Level, NetworkConfig

CHANNELS = (2, 4, 8, 16)
LEVELS = {"2, 1": (2, 1), "4, 2, 1": (4, 2, 1)}
"""Strides; the finest alone is in the sweep of the channels."""
DRAWS = (2, 4, 8, 16, 32, 64)
REFERENCE = 256
TEMPERATURES = (0.5, 0.75, 1.0, 1.25)


def with_latents(network: NetworkConfig, strides: Sequence[int], channels: Sequence[int]) -> NetworkConfig:
    levels = tuple(Level(stride=s, channels=c) for s, c in zip(strides, channels, strict=True))
    return network.model_copy(update={"levels": levels})


@torch.inference_mode()
def divergences(network: SuperResolutionVAE, pairs: Sequence[Pair]) -> list[float]:
    """KL used by each level, coarsest first, in nats per low-res pixel."""
    torch.manual_seed(0)
    used = [[float(nats) for nats in network.elbo(*pair).kl] for pair in pairs]
    per_position = np.mean(used, axis=0)
    return [float(k) / level.stride**2 for k, level in zip(per_position, network.levels, strict=True)]


def ladders(
    data: Path, scale: int, budget: Budget, pairs: Sequence[Pair]
) -> dict[str, list[dict[str, object]]]:
    """Train a ladder for every number of latents and of levels."""
    trained = load_model("photo").network
    finest = trained.config.levels[-1].channels
    variants = {"z_dim": {f"{n}": ((1,), (n,)) for n in CHANNELS}}
    variants["levels"] = {
        name: (strides, [8] * (len(strides) - 1) + [finest]) for name, strides in LEVELS.items()
    }
    batches: list[Pair] = []
    found: dict[str, list[dict[str, object]]] = {}
    for sweep, options in variants.items():
        for name, (strides, channels) in options.items():
            config = photo_config(with_latents(trained.config, strides, channels), scale)
            if not batches:
                batches = pool(data, config, 32)
                features = trunk_features(trained, batches)
            network = ladder_on(trained, config, batches, features, budget)
            row = {"name": name} | score(network, pairs)._asdict() | {"kl": divergences(network, pairs)}
            found.setdefault(sweep, []).append(row)
            print(sweep, row, flush=True)
    return found


def plain_against_ladder(
    data: Path, scale: int, seconds: float, pairs: Sequence[Pair]
) -> list[dict[str, object]]:
    """Train the tutorial's VAE and a whole ladder model from random weights for the same time."""
    rows = []
    for name in ("conv_vae", "base"):
        config = photo_config(PRESETS[name], scale)
        module = Training(config)
        steps = learn(module, pool(data, config, 32), Budget(seconds=seconds))
        network = module.averaged.eval()
        row = (
            {"name": name, "steps": steps}
            | score(network, pairs)._asdict()
            | {"kl": divergences(network, pairs)}
        )
        rows.append(row)
        print("from random weights", row, flush=True)
    return rows


@torch.inference_mode()
def samples_needed(network: SuperResolutionVAE, pairs: Sequence[Pair]) -> list[dict[str, float]]:
    """Error of mean and std of K samples against those of 256, relative to the std."""
    errors: dict[int, list[tuple[float, float]]] = {draws: [] for draws in DRAWS}
    for low, _, scale in pairs[:2]:
        encoded = network.encode(low, scale)

        def moments(draws: int, seed: int) -> PairedMoments:
            generator = torch.Generator().manual_seed(seed)
            found = PairedMoments()
            for _ in range(0, draws, 2):
                found.add(network.decode(encoded, network.antithetic_noise(low, 2, generator)))  # noqa: B023
            return found

        truth = moments(REFERENCE, 1)
        assert truth.variance is not None
        std = smoothed(truth.variance).sqrt()
        size = float(std.square().mean().sqrt())
        for draws in DRAWS:
            estimate = moments(draws, 2)
            assert estimate.variance is not None
            of_mean = float((estimate.mean - truth.mean).square().mean().sqrt()) / size
            of_std = float((smoothed(estimate.variance).sqrt() - std).square().mean().sqrt()) / size
            errors[draws].append((of_mean, of_std))
    return [
        {
            "samples": draws,
            "mean": float(np.mean([e[0] for e in some])),
            "std": float(np.mean([e[1] for e in some])),
        }
        for draws, some in errors.items()
    ]


def temperatures(network: SuperResolutionVAE, pairs: Sequence[Pair]) -> list[dict[str, float]]:
    return [{"temperature": t} | score(network, pairs, t)._asdict() for t in TEMPERATURES]


def draw(results: dict[str, list[dict[str, object]]], folder: Path) -> None:
    """Draw the sweep of z_dim, and the errors of K samples."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = results["z_dim"]
    names = [str(row["name"]) for row in rows]
    figure = Figure(figsize=(9.6, 2.9), dpi=160, layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    left.plot(names, [row["sample"] for row in rows], "o-")
    left.set_ylabel("PSNR of one sample in dB")
    middle.plot(names, [row["spearman"] for row in rows], "o-", color="#0072b2", label="Spearman(std, error)")
    middle.plot(names, [100 * float(row["crps"]) for row in rows], "s-", color="#d55e00", label="100 × CRPS")
    right.plot(names, [row["kl"][-1] for row in rows], "o-", color="#009e73")
    right.set_ylabel("KL in nats per low-res pixel")
    for panel in (left, middle, right):
        panel.set_xlabel("latent channels")
    middle.legend(frameon=False, fontsize=7)
    figure.savefig(folder / "latents-z-dim.png")

    figure = Figure(figsize=(6.4, 2.9), dpi=160, layout="constrained")
    left, right = figure.subplots(1, 2)
    draws = [row["samples"] for row in results["samples"]]
    left.loglog(draws, [row["std"] for row in results["samples"]], "s-")
    left.set_xticks(draws, [str(each) for each in draws])
    left.set_yticks((0.1, 0.2, 0.5), ("0.1", "0.2", "0.5"))
    left.minorticks_off()
    left.set_xlabel("samples")
    left.set_ylabel("relative RMS error of the std")
    rows = results["temperature"]
    warmth = [row["temperature"] for row in rows]
    right.plot(warmth, [row["mean"] for row in rows], "o-", label="mean of 16")
    right.plot(warmth, [row["sample"] for row in rows], "s-", label="one sample")
    right.set_xlabel("temperature")
    right.set_ylabel("PSNR in dB")
    right.legend(frameon=False, fontsize=7)
    figure.savefig(folder / "latents-samples.png")


def tables(results: dict[str, list[dict[str, object]]]) -> None:
    console = Console(width=150)
    for title, rows in results.items():
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        for key in rows[0]:
            table.add_column(key, justify="right")
        for row in rows:
            table.add_row(*(_shown(value) for value in row.values()))
        console.print(table)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(f"{each:.3f}" for each in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--scale", type=int, default=4)
    parser.add_argument("--steps", type=int, default=600, help="of each ladder on the frozen trunk")
    parser.add_argument("--seconds", type=float, default=120, help="of processor time for each whole model")
    parser.add_argument("--plots", type=Path, help="folder for the plots")
    parser.add_argument(
        "--json", type=Path, help="also write the numbers here, and what is there already is kept"
    )
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    network = load_model("photo").network
    pairs = validation(options.data, photo_config(network.config, options.scale), options.scale)
    results = {
        "samples": samples_needed(network, pairs),
        "temperature": temperatures(network, pairs),
        **ladders(options.data, options.scale, Budget(steps=options.steps), pairs),
    }
    if options.seconds:
        results["whole"] = plain_against_ladder(options.data, options.scale, options.seconds, pairs)
    tables(results)
    if options.json:
        write_json(options.json, {"steps": options.steps, "seconds": options.seconds, **results})
    if options.plots:
        draw(results, options.plots)


if __name__ == "__main__":
    main()

"""Print the speed of trunks of different width and depth, and of a lone convolution of the same width.

    python benchmarks/trunk.py

Trunks are timed in alternation within one process, in the precision that upscaling would choose; the median
counts.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from napari_vaesr.engine.device import choose_device
from napari_vaesr.vae.config import NetworkConfig
from napari_vaesr.vae.ladder import Trunk

CANDIDATES = ((48, 9), (48, 12), (64, 7), (64, 9))
"""Channels and residual blocks."""


def multiplications(module: nn.Module) -> int:
    """Multiply-accumulate operations per pixel of a stack of convolutions: one per weight."""
    return sum(weight.numel() for weight in module.parameters() if weight.ndim == 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=512, help="side of the plane in low-res pixels")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    dtype = choose_device("cpu").dtype

    work: dict[str, tuple[nn.Module, Tensor]] = {}
    for width, blocks in CANDIDATES:
        trunk = Trunk(NetworkConfig(width=width, blocks=blocks))
        work[f"trunk {width} x {blocks}"] = trunk, torch.rand(1, 1, options.side, options.side)
    for width in sorted({width for width, _ in CANDIDATES}):
        plane = torch.rand(1, width, options.side, options.side)
        work[f"3 x 3 convolution, {width}"] = nn.Conv2d(width, width, 3, padding=1), plane
    prepared = {
        name: (module.to(dtype).to(memory_format=torch.channels_last), plane.to(dtype))
        for name, (module, plane) in work.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in work}
    with torch.inference_mode():
        for _ in range(options.rounds + 1):
            for name, (module, plane) in prepared.items():
                plane = plane.contiguous(memory_format=torch.channels_last)
                start = time.perf_counter()
                module(plane)
                seconds[name].append(time.perf_counter() - start)

    table = Table("what", "weights", "ms", "GMAC/s", title=f"{options.side} x {options.side}, {dtype}, CPU")
    for name, (module, plane) in prepared.items():
        weights, duration = multiplications(module), median(seconds[name][1:])
        rate = weights * plane[0, 0].numel() / duration / 1e9
        table.add_row(name, f"{weights:,}", f"{duration * 1e3:.0f}", f"{rate:.0f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()

"""Print the rate of a trunk beside that of plain 3 x 3 convolutions of its width, and of other trunks.

    python benchmarks/trunk.py

Everything is done in turn within one process, in the precision that upscaling would choose, and the best
round counts. A convolution has its best rate on planes that fit the caches; so the best over planes of many
sizes is what the trunk is held against, on the largest tile that the engine takes.
"""

from __future__ import annotations

import argparse

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from timing import convolutions, rates, trunk_rate, weights
from torch import nn

from napari_vaesr.engine.device import choose_device
from napari_vaesr.vae.config import NetworkConfig
from napari_vaesr.vae.trunk import Trunk

CANDIDATES = ((48, 9), (48, 12), (64, 7), (64, 9))
"""Channels and residual blocks."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="microscopy")
    parser.add_argument("--side", type=int, default=512, help="of the plane for trunks of other sizes")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    console = Console(width=110)
    console.print(
        f"GFLOP/s of each core, {torch.get_num_threads()} threads, {choose_device('cpu').precision}"
    )

    found = trunk_rate(options.model, options.rounds)
    table = Table("side", *found.plain, "trunk", "trunk / best", box=box.SIMPLE_HEAD, title=options.model)
    for side, rate in found.trunk.items():
        plain = (f"{by_side[side]:.0f}" for by_side in found.plain.values())
        table.add_row(str(side), *plain, f"{rate:.0f}", f"{rate / found.best:.2f}")
    console.print(table)
    console.print(
        f"trunk on the engine's tile of {found.tile} / best plain convolution, {found.best:.0f}: "
        f"{found.share:.2f}"
    )

    modules: dict[str, nn.Module] = {
        f"trunk {width} x {blocks}": Trunk(NetworkConfig(width=width, blocks=blocks))
        for width, blocks in CANDIDATES
    }
    for width in sorted({width for width, _ in CANDIDATES}):
        modules[f"convolution, {width}"] = convolutions(width)["convolution"]
    others = rates(modules, [options.side], options.rounds)
    table = Table("what", "weights", "CPU-ms", "GFLOP/s", box=box.SIMPLE_HEAD, title=f"side {options.side}")
    for name, by_side in others.items():
        count, rate = weights(modules[name]), by_side[options.side]
        table.add_row(name, f"{count:,}", f"{2 * count * options.side**2 / rate / 1e6:.0f}", f"{rate:.0f}")
    console.print(table)


if __name__ == "__main__":
    main()

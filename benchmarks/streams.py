"""What the benchmarks of streamed results share: a model, an input, and what is known of an output."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import zarr

PROGRAM = [sys.executable, "-c", "from napari_vaesr.cli import main; main()", "upscale", "--quiet"]
SCALE = 4
SIDE = 1024
"""Of a plane of the input, so that its upscaled plane has four blocks of 2048 x 2048 pixels."""


def random_model(folder: Path) -> Path:
    """Save a small network with random weights, and return its path."""
    import torch

    from napari_vaesr.vae.build import build
    from napari_vaesr.vae.config import Level, NetworkConfig
    from napari_vaesr.zoo.card import DataSource, ModelCard
    from napari_vaesr.zoo.weights import save_model

    torch.manual_seed(0)
    config = NetworkConfig(width=8, blocks=1, decoder_width=8, levels=(Level(stride=1, channels=2),))
    network = build(config).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    card = ModelCard(
        name="random",
        title="Random weights",
        description="For measurements only.",
        version="0",
        network=config,
        receptive_radius=network.receptive_radius,
        intensity="percentile",
        training_data=(DataSource(name="none", origin="none", licence="CC0-1.0"),),
        training={},
        metrics={},
        calibration={},
        limits="Makes noise.",
        licence="BSD-3-Clause",
    )
    return save_model(folder, network, card)


def make_input(path: Path, planes: int) -> None:
    """Write a time-lapse of drifting blobs on a dark background, which compresses well."""
    group = zarr.create_group(path)
    array = group.create_array(
        "0",
        shape=(planes, SIDE, SIDE),
        chunks=(1, 512, 512),
        dtype="uint16",
        dimension_names=["t", "y", "x"],
    )
    axes: list[Any] = [{"name": "t", "type": "time"}, *({"name": name, "type": "space"} for name in "yx")]
    scale: list[Any] = [{"type": "scale", "scale": [1.0, 0.1, 0.1]}]
    dataset: dict[str, Any] = {"path": "0", "coordinateTransformations": scale}
    image: dict[str, Any] = {"axes": axes, "datasets": [dataset]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    y, x = np.mgrid[:SIDE, :SIDE] / 40.0
    blobs = (1000 * np.maximum(np.sin(y) * np.sin(x), 0)).astype(np.uint16)
    for number in range(planes):
        array[number] = np.roll(blobs, (number, 2 * number), (0, 1)) + 100


def blocks_done(output: Path) -> int:
    journal = output.parent / f".{output.name}.partial" / "journal.jsonl"
    return len(journal.read_text().splitlines()) - 1 if journal.exists() else 0


def checksum(output: Path) -> str:
    """Hash all files but the root's metadata, which tells the name of the output."""
    total = sha256()
    for path in sorted(output.rglob("*")):
        if path.is_file() and path != output / "zarr.json":
            total.update(str(path.relative_to(output)).encode())
            with path.open("rb") as file:
                while block := file.read(2**22):
                    total.update(block)
    return total.hexdigest()

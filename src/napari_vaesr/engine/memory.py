"""How large the tiles of a plane may be, and how many samples of one fit the memory together."""

from __future__ import annotations

import torch

from napari_vaesr.engine.device import DeviceChoice
from napari_vaesr.imaging.tiling import Tile
from napari_vaesr.vae.config import Factor, NetworkConfig

LARGEST_TILE = 1024
"""Largest side of an automatic tile in low-res pixels; the halo is a small part of it already."""

LARGEST_CPU_TILE = 512
"""The same for a CPU: the halo of larger tiles costs less, but what they pass through memory more."""

CPU_BUDGET = 3 * 2**29
"""Bytes that the network's activations may take on the CPU."""

CPU_CHUNK = 2**19
"""Low-res pixels times samples that a CPU decodes together; more are no faster there."""

ACCELERATOR_SHARE = 0.4
"""Part of an accelerator's free memory that activations may take."""


class TileMemory:
    """What the activations of a network take for every low-res pixel, and what they may take.

    Parameters
    ----------
    config : NetworkConfig
        Of the network.
    factor : (int, int)
        How many times more rows and columns it makes.
    choice : DeviceChoice
        Where it runs, and in which precision.
    limit : int or None
        MiB that activations may take; None: what the device has room for.

    Attributes
    ----------
    budget : int
        Bytes that activations may take.
    encoding, kept, each : int
        Bytes for every low-res pixel: while encoding, kept from that, and of one sample.
    """

    def __init__(
        self, config: NetworkConfig, factor: Factor, choice: DeviceChoice, limit: int | None
    ) -> None:
        self.encoding, self.kept, self.each = config.activation_bytes(factor, choice.dtype.itemsize)
        self.is_cpu = choice.device == "cpu"
        self.budget = _free(choice.device) if limit is None else limit * 2**20

    def largest_side(self, halo: int) -> int:
        """Return the largest side of a tile, without its halo, at which a pair of samples fits."""
        padded = int((self.budget / max(self.encoding, self.kept + 2 * self.each)) ** 0.5)
        return min(LARGEST_CPU_TILE if self.is_cpu else LARGEST_TILE, padded - 2 * halo)

    def samples_at_once(self, tile: Tile, samples: int) -> int:
        """Return how many samples of a tile are decoded together: whole pairs, 2 or more.

        Parameters
        ----------
        tile : Tile
            With its halo.
        samples : int
            How many are drawn in all.
        """
        area = _area(tile)
        room = (self.budget - area * self.kept) // (area * self.each)
        if self.is_cpu:
            room = min(room, CPU_CHUNK // area)
        return max(2, int(min(room, samples)) // 2 * 2)

    def taken(self, tile: Tile, samples: int) -> int:
        """Estimate the bytes that a tile takes while so many samples are drawn.

        Parameters
        ----------
        tile : Tile
            With its halo.
        samples : int
            How many are drawn in all.
        """
        together = min(self.samples_at_once(tile, samples), samples)
        return _area(tile) * max(self.encoding, self.kept + self.each * together)


def _free(device: str) -> int:
    """Return the bytes that activations may take on a device."""
    kind = torch.device(device).type
    if kind == "cuda":
        return int(ACCELERATOR_SHARE * torch.cuda.mem_get_info(device)[0])
    if kind == "xpu":
        return int(ACCELERATOR_SHARE * torch.xpu.mem_get_info(device)[0])
    if kind == "mps":
        return int(ACCELERATOR_SHARE * torch.mps.recommended_max_memory())
    return CPU_BUDGET


def _area(tile: Tile) -> int:
    height, width = tile.padded_shape
    return height * width

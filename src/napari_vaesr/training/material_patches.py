"""Batches and pairs to check on from the planes of a fine-tuning."""

from __future__ import annotations

import numpy as np
import torch

from napari_vaesr.training.batches import Batches, Pair, scale_odds, turned
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.degradation import degrade
from napari_vaesr.training.material import Material, View, whole_side
from napari_vaesr.training.validation import FixedPairs

CHECK_PLANES, CHECK_SIDE = 12, 192
"""How many planes are checked on at most, and the side in high-res pixels of what is taken of each."""

PAIRED_SHARE = 0.7
"""How often a step learns from recorded pairs; the rest keeps the model's other scales in use."""


class MaterialPatches(Batches):
    """Batches of patches of planes in memory, recorded in pairs or degraded.

    Parameters
    ----------
    material : Material
        Its `learn` part is used.
    config : TrainingConfig
        Patch, batch, scales and degradation.
    first_step : int
        Where to begin; the same step gives the same batch.
    """

    def __init__(self, material: Material, config: TrainingConfig, first_step: int = 0) -> None:
        super().__init__(config, first_step)
        self.views, self.paired = material.learn, material.scale
        areas = np.array([view.high.size for view in self.views], float)
        self.odds = areas / areas.sum()
        scales = config.network.scales
        self.scale_odds = scale_odds(config)
        if self.paired is not None and len(scales) > 1:
            others = np.array([scale != self.paired for scale in scales])
            weights = np.where(others, (1 - PAIRED_SHARE) / others.sum(), PAIRED_SHARE)
            self.scale_odds = weights / weights.sum()

    def batch(self, step: int) -> Pair:
        """Make the batch of one step."""
        rng = self.random(step)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        scale = int(rng.choice(self.config.network.scales, p=self.scale_odds))
        patches = [self._patch(rng, scale) for _ in range(self.config.batch)]
        high = torch.from_numpy(np.stack([patch.high for patch in patches]))[:, None]
        if scale == self.paired:
            lows = [patch.low for patch in patches if patch.low is not None]
            return torch.from_numpy(np.stack(lows))[:, None], high, scale
        low, high = degrade(high, scale, self.config.degradation, generator)
        return low, high, scale

    def _patch(self, rng: np.random.Generator, scale: int) -> View:
        view = self.views[rng.choice(len(self.views), p=self.odds)]
        side = self.config.patch * scale
        step = scale if scale == self.paired else 1
        row, column = (int(rng.integers((size - side) // step + 1)) * step for size in view.high.shape)
        corner = slice(row, row + side), slice(column, column + side)
        patch = view.part(*corner, scale) if scale == self.paired else View(view.high[corner])
        flip, turns = bool(rng.integers(2)), int(rng.integers(4))
        low = None if patch.low is None else turned(patch.low, flip, turns)
        return View(turned(patch.high, flip, turns), low)


def checked_pairs(material: Material, config: TrainingConfig) -> FixedPairs:
    """Cut fixed pairs to check on from the middle of a few planes, one for each scale of the model.

    Recorded low-res planes are used at their scale, simulated ones at the others.
    """
    unit = whole_side(config.network)
    generator = torch.Generator().manual_seed(config.seed)
    count = min(CHECK_PLANES, len(material.check))
    pairs = []
    for index in np.linspace(0, len(material.check) - 1, count).round().astype(int):
        view = material.check[index]
        cut = tuple(_cut(size, min(size, CHECK_SIDE) // unit * unit, unit) for size in view.high.shape)
        for scale in config.network.scales:
            part = view.part(*cut, scale) if scale == material.scale else View(view.high[cut])
            high = torch.from_numpy(np.ascontiguousarray(part.high))[None, None]
            if part.low is not None:
                low = torch.from_numpy(np.ascontiguousarray(part.low))[None, None]
            else:
                low, high = degrade(high, scale, config.degradation, generator)
            pairs.append((low, high, scale))
    return FixedPairs(pairs, ["held-out part"] * len(pairs))


def _cut(size: int, side: int, unit: int) -> slice:
    """Return the middle of an axis, beginning on a multiple of `unit`."""
    start = (size - side) // 2 // unit * unit
    return slice(start, start + side)

"""Batches and pairs to check on from the planes of a fine-tuning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from napari_vaesr.imaging.sampling import evenly_spaced
from napari_vaesr.pairs.degradation import Batch, degrade
from napari_vaesr.pairs.material import Material
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.training.batches import Batches, scale_odds, turned
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.told import recorded, simulated
from napari_vaesr.training.validation import FixedPairs
from napari_vaesr.vae.config import Factor

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
        areas = np.array([view.truth.size for view in self.views], float)
        self.odds = areas / areas.sum()
        factors = config.network.factors
        self.scale_odds = scale_odds(config)
        if self.paired is not None and len(factors) > 1:
            others = np.array([factor != (self.paired, self.paired) for factor in factors])
            weights = np.where(others, (1 - PAIRED_SHARE) / others.sum(), PAIRED_SHARE)
            self.scale_odds = weights / weights.sum()

    def batch(self, step: int) -> Batch:
        """Make the batch of one step."""
        config, rng = self.config, self.random(step)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        factor = config.network.factors[rng.choice(len(self.scale_odds), p=self.scale_odds)]
        patches = [self._patch(rng, factor) for _ in range(config.batch)]
        if self._is_paired(factor):
            low, high = (np.stack([getattr(patch, each) for patch in patches]) for each in ("low", "truth"))
            return recorded(low, high, factor)
        return simulated([patch.truth[None] for patch in patches], factor, config, generator)

    def _is_paired(self, factor: Factor) -> bool:
        return factor == (self.paired, self.paired)

    def _patch(self, rng: np.random.Generator, factor: Factor) -> Pair:
        view = self.views[rng.choice(len(self.views), p=self.odds)]
        is_paired = self._is_paired(factor)
        step = factor[0] if is_paired else 1
        flip, turns = bool(rng.integers(2)), int(rng.integers(4))
        # Turned later: rows and columns may differ in number.
        sides = [self.config.patch * each for each in (factor if turns % 2 == 0 else factor[::-1])]
        row, column = (
            int(rng.integers((size - side) // step + 1)) * step
            for size, side in zip(view.truth.shape, sides, strict=True)
        )
        corner = slice(row, row + sides[0]), slice(column, column + sides[1])
        if not is_paired:
            return Pair.of_truth(turned(view.truth[corner], flip, turns))
        patch = view.part(*corner)
        return replace(patch, low=turned(patch.low, flip, turns), truth=turned(patch.truth, flip, turns))


def checked_pairs(material: Material, config: TrainingConfig) -> FixedPairs:
    """Cut fixed pairs to check on from the middle of a few planes, one for each scale of the model.

    Recorded low-res planes are used at their scale, simulated ones at the others.

    Parameters
    ----------
    material : Material
        Its held-out images are used.
    config : TrainingConfig
        Says factors, degradation and seed.
    """
    unit = config.network.whole_side
    generator = torch.Generator().manual_seed(config.seed)
    pairs = []
    for index in evenly_spaced(len(material.check), CHECK_PLANES):
        view = material.check[index]
        cut = tuple(_cut(size, min(size, CHECK_SIDE) // unit * unit, unit) for size in view.truth.shape)
        for factor in config.network.factors:
            is_paired = factor == (material.scale, material.scale)
            part = view.part(*cut) if is_paired else Pair.of_truth(view.truth[cut])
            if is_paired:
                pairs.append(recorded(part.low[None], part.truth[None], factor))
                continue
            truth = torch.from_numpy(np.ascontiguousarray(part.truth))[None, None]
            pairs.append(degrade(truth, factor, config.degradation, generator))
    return FixedPairs(pairs, ["held-out part"] * len(pairs))


def _cut(size: int, side: int, unit: int) -> slice:
    """Return the middle of an axis, beginning on a multiple of `unit`."""
    start = (size - side) // 2 // unit * unit
    return slice(start, start + side)

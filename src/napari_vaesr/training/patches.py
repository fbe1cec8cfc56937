"""Patches from folders of images, held in memory as they are on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from napari_vaesr.arrays import Float64Array
from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.pairs.images import load_stacks, to_unit, value_range
from napari_vaesr.pairs.neighbours import sharp_at
from napari_vaesr.training.batches import Batches, scale_odds, turned
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.told import simulated
from napari_vaesr.vae.config import Factor


def _detail(patch: NDArray[np.float32]) -> float:
    """Return how much pixels differ from the next ones along a row and a column, on average."""
    return float(np.abs(np.diff(patch, axis=0)).mean() + np.abs(np.diff(patch, axis=1)).mean())


class Patches(Batches):
    """Batches of patches of images, degraded.

    A subfolder is drawn in proportion to the square root of its pixels, so that small domains are not
    drowned, or as `TrainingConfig.folder_weights` says; then a stack in proportion to its pixels, a plane, a
    place, and one of the eight flips and rotations. Of several such patches (`TrainingConfig.choices`) the
    one with most detail is taken.
    Planes that are too small for a patch of the largest factor serve the smaller ones.

    Raises
    ------
    VaesrError
        As `load_stacks`, or when the weights name other folders than there are.
    """

    def __init__(self, places: Sequence[Path], config: TrainingConfig, first_step: int = 0) -> None:
        super().__init__(config, first_step)
        factors = config.network.factors
        groups = load_stacks(places, smallest=config.patch * min(max(factor) for factor in factors))
        weights = config.folder_weights
        if weights is not None and set(weights) != set(groups):
            raise VaesrError(
                f"The setting 'folder_weights' names {', '.join(weights)}, and the images that are large "
                f"enough to learn from lie in {', '.join(groups)}: give one weight for each."
            )
        self.weights = None if weights is None else np.array([weights[name] for name in groups])
        self.groups = list(groups.values())
        self.limits = [[value_range(stack) for stack in stacks] for stacks in self.groups]
        self.odds = {factor: self._odds(config.patch * max(factor)) for factor in factors}
        self.scale_odds = scale_odds(config, [self.odds[factor] is not None for factor in factors])

    def batch(self, step: int) -> Batch:
        """Make the batch of one step; the same step gives the same batch."""
        config = self.config
        rng = self.random(step)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        factor = config.network.factors[rng.choice(len(self.scale_odds), p=self.scale_odds)]
        patches = [self._chosen(rng, factor) for _ in range(config.batch)]
        return simulated(patches, factor, config, generator)

    def _odds(self, side: int) -> tuple[Float64Array, list[Float64Array]] | None:
        """Return how likely each group is, and each of its stacks, for patches of so many pixels a side."""
        sizes = [
            np.array([stack.size * (min(stack.shape[1:]) >= side) for stack in stacks], float)
            for stacks in self.groups
        ]
        between = np.sqrt([size.sum() for size in sizes])
        if self.weights is not None:
            between = self.weights * (between > 0)
        if not between.any():
            return None
        return between / between.sum(), [size / max(size.sum(), 1) for size in sizes]

    def _chosen(self, rng: np.random.Generator, factor: Factor) -> NDArray[np.float32]:
        """Draw a patch, or a few and take the one with most detail."""
        return max(
            (self._patch(rng, factor) for _ in range(self.config.choices)),
            key=lambda patch: _detail(patch[len(patch) // 2]),
        )

    def _patch(self, rng: np.random.Generator, factor: Factor) -> NDArray[np.float32]:
        """Draw (planes, Y, X) of a stack; see `sharp_at`."""
        odds = self.odds[factor]
        assert odds is not None
        between, within = odds
        group = rng.choice(len(self.groups), p=between)
        index = rng.choice(len(self.groups[group]), p=within[group])
        stack, sides = self.groups[group][index], [self.config.patch * each for each in factor]
        planes = sharp_at(stack, int(rng.integers(len(stack))), self.config.network)
        least, most = self.config.degradation.reduce
        largest = min(most, min(stack.shape[1:]) / max(sides))
        times = least * (largest / least) ** rng.random() if largest >= least else 1.0
        # Turned first: rows and columns of a patch may differ in number.
        flip, turns = bool(rng.integers(2)), int(rng.integers(4))
        wide = [round(side * times) for side in (sides if turns % 2 == 0 else sides[::-1])]
        row, column = (int(rng.integers(size - w + 1)) for size, w in zip(stack.shape[1:], wide, strict=True))
        part = planes[:, row : row + wide[0], column : column + wide[1]]
        patches = [turned(to_unit(plane, self.limits[group][index]), flip, turns) for plane in part]
        if patches[0].shape != tuple(sides):
            patches = [
                np.asarray(Image.fromarray(patch).resize(sides[::-1], Image.Resampling.BICUBIC))
                for patch in patches
            ]
        return np.stack(patches)

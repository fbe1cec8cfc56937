"""Patches from real pairs: low-res images of a microscope, and high-res ones of the same fields."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm

import numpy as np

from napari_vaesr.arrays import Float32Array
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.sampling import evenly_spaced, middle_part
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.training.batches import Batches, turned
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.told import recorded
from napari_vaesr.training.validation import FixedPairs

CHECKED, SIDE = 24, 192
"""Pairs that are validated on at most, and the largest side of what is taken of each, in high-res pixels."""


def for_pairs(config: TrainingConfig, pairs: Sequence[Pair]) -> TrainingConfig:
    """Return settings of a network that makes the scales of these pairs alone, for it learns no others."""
    scales = tuple(sorted({pair.scale for pair in pairs}))
    return config.model_copy(update={"network": config.network.making(scales), "scale_weights": None})


class RecordedPatches(Batches):
    """Batches of patches of real pairs, flipped and rotated.

    Parameters
    ----------
    pairs : sequence of Pair
        Drawn in proportion to their pixels.
    config : TrainingConfig
        Patch and batch; its degradation plays no part.
    first_step : int
        Where to begin; the same step gives the same batch.

    Raises
    ------
    VaesrError
        When all pairs are smaller than a patch, or the settings weigh folders.
    """

    def __init__(self, pairs: Sequence[Pair], config: TrainingConfig, first_step: int = 0) -> None:
        if config.folder_weights is not None:
            raise VaesrError("Pairs are drawn by their size: leave the setting 'folder_weights' out.")
        self.pairs = [pair for pair in pairs if min(pair.low.shape) >= config.patch]
        if not self.pairs:
            raise VaesrError(f"No pair has {config.patch} low-res pixels a side, lower the setting 'patch'.")
        super().__init__(config, first_step)
        self.scales = sorted({pair.scale for pair in self.pairs})

    def batch(self, step: int) -> Batch:
        """Make the batch of one step, all of one scale."""
        rng = self.random(step)
        scale = int(rng.choice(self.scales))
        pairs = [pair for pair in self.pairs if pair.scale == scale]
        areas = np.array([pair.low.size for pair in pairs], float)
        chosen = rng.choice(len(pairs), self.config.batch, p=areas / areas.sum())
        low, high = zip(*(self._patch(rng, pairs[index]) for index in chosen), strict=True)
        return recorded(np.stack(low), np.stack(high), (scale, scale))

    def _patch(self, rng: np.random.Generator, pair: Pair) -> tuple[Float32Array, Float32Array]:
        side = self.config.patch
        row, column = (pair.scale * int(rng.integers(size - side + 1)) for size in pair.low.shape)
        wide = pair.scale * side
        low, high = pair.part(slice(row, row + wide), slice(column, column + wide)).units()
        flip, turns = bool(rng.integers(2)), int(rng.integers(4))
        return turned(low, flip, turns), turned(high, flip, turns)


def recorded_checks(pairs: Sequence[Pair], config: TrainingConfig) -> FixedPairs:
    """Cut fixed pairs to validate on from the middle of a few, evenly spaced.

    Parameters
    ----------
    pairs : sequence of Pair
        Real ones, of one scale.
    config : TrainingConfig
        Says the strides that crops are multiples of.
    """
    unit = lcm(*(level.stride for level in config.network.levels))
    made = []
    for pair in (pairs[index] for index in evenly_spaced(len(pairs), CHECKED)):
        sides = (min(size, SIDE // pair.scale) // unit * unit for size in pair.low.shape)
        parts = (middle_part(size, side) for size, side in zip(pair.low.shape, sides, strict=True))
        rows, columns = (slice(pair.scale * part.start, pair.scale * part.stop) for part in parts)
        low, high = pair.part(rows, columns).units()
        made.append(recorded(low[None], high[None], (pair.scale, pair.scale)))
    return FixedPairs(made, ["real pairs"] * len(made))

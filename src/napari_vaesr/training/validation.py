"""Pairs to validate on: the same images, crops and degradations every time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from napari_vaesr.imaging.sampling import evenly_spaced
from napari_vaesr.pairs.degradation import degrade
from napari_vaesr.pairs.images import load_stacks, to_unit, value_range
from napari_vaesr.pairs.neighbours import around
from napari_vaesr.training.batches import Batch
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.vae.base import middle


class FixedPairs(Dataset[Batch]):
    """A fixed list of pairs, each one image.

    Parameters
    ----------
    pairs : sequence of Batch
        Of one image each: shapes (1, frames, height, width) and (1, 1, rows * height, columns * width).
    domains : sequence of str
        What kind of image each is.
    """

    def __init__(self, pairs: Sequence[Batch], domains: Sequence[str]) -> None:
        self.pairs = list(pairs)
        self.domains = list(domains)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Batch:
        return self.pairs[index]


class ValidationPairs(FixedPairs):
    """Pairs made from image files by a run's own degradation.

    Parameters
    ----------
    places : sequence of Path
        Images, in subfolders or not; every subfolder gets an equal share of `images`.
    config : TrainingConfig
        Gives the scales and the degradation.
    images : int
        How many images at most.
    side : int
        High-res crops from the middle are at most this large.
    """

    def __init__(
        self, places: Sequence[Path], config: TrainingConfig, images: int = 12, side: int = 192
    ) -> None:
        network = config.network
        unit = network.whole_side
        groups = load_stacks(places, smallest=unit)
        share = -(-images // len(groups))
        generator = torch.Generator().manual_seed(config.seed)
        super().__init__([], [])
        for name, stacks in groups.items():
            for stack in (stacks[index] for index in evenly_spaced(len(stacks), share)):
                height, width = (min(size, side) // unit * unit for size in stack.shape[1:])
                row, column = (stack.shape[1] - height) // 2, (stack.shape[2] - width) // 2
                planes = around(stack, len(stack) // 2, network.frames)
                crop = to_unit(planes[:, row : row + height, column : column + width], value_range(stack))
                for factor in network.factors:
                    truth = torch.from_numpy(np.ascontiguousarray(crop))[None]
                    low, high, conditions = degrade(truth, factor, config.degradation, generator)
                    low = middle(low) if len(stack) == 1 else low  # the others had noise of their own
                    self.pairs.append(Batch(low, high, factor, conditions))
                    self.domains.append(name)

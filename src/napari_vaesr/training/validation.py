"""Pairs to validate on: the same images, crops and degradations every time."""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from napari_vaesr.training.batches import Pair
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.data import load_planes, to_unit
from napari_vaesr.training.degradation import degrade


class FixedPairs(Dataset[Pair]):
    """A fixed list of (low, high, scale), each one image.

    Parameters
    ----------
    pairs : sequence of (Tensor, Tensor, int)
        Shapes (1, 1, height, width) and (1, 1, scale * height, scale * width).
    domains : sequence of str
        What kind of image each is.
    """

    def __init__(self, pairs: Sequence[Pair], domains: Sequence[str]) -> None:
        self.pairs = list(pairs)
        self.domains = list(domains)

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Pair:
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
        unit = lcm(*network.scales) * lcm(*(level.stride for level in network.levels))
        groups = load_planes(places, smallest=unit)
        share = -(-images // len(groups))
        generator = torch.Generator().manual_seed(config.seed)
        super().__init__([], [])
        for name, planes in groups.items():
            chosen = np.unique(np.linspace(0, len(planes) - 1, min(share, len(planes))).round().astype(int))
            for plane in (planes[index] for index in chosen):
                height, width = (min(size, side) // unit * unit for size in plane.shape)
                row, column = (plane.shape[0] - height) // 2, (plane.shape[1] - width) // 2
                crop = to_unit(plane)[row : row + height, column : column + width]
                for scale in network.scales:
                    truth = torch.from_numpy(np.ascontiguousarray(crop))[None, None]
                    low, high = degrade(truth, scale, config.degradation, generator)
                    self.pairs.append((low, high, scale))
                    self.domains.append(name)

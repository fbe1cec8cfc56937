"""Pairs to validate on: the same images, crops and degradations every time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch.utils.data import Dataset

from napari_vaesr.imaging.sampling import evenly_spaced, middle_part
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.pairs.images import load_stacks
from napari_vaesr.pairs.neighbours import simulate_middle
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.vae.config import Factor


class FixedPairs(Dataset[Batch]):
    """A fixed list of pairs, each one image.

    Parameters
    ----------
    pairs : sequence of Batch
        Of one image each.
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

    @property
    def factors(self) -> list[Factor]:
        """Factors that there are pairs of, the smallest first."""
        return sorted({pair.factor for pair in self.pairs})


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
                rows, columns = (
                    middle_part(size, min(size, side) // unit * unit) for size in stack.shape[1:]
                )
                for factor in network.factors:
                    self.pairs.append(simulate_middle(stack, (rows, columns), factor, config, generator))
                    self.domains.append(name)

"""Blocks: the parts in which a result is computed lazily, streamed into files, and spread over workers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from napari_vaesr.engine.passes import Pass
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.region import Factors, Region


@dataclass(frozen=True)
class BlockGrid:
    """The blocks of a pass: parts of one plane, or boxes of a volume.

    Attributes
    ----------
    axes : Axes
        Of what the pass reads.
    region : Region
        What it enlarges, low-res pixels, every axis named.
    sides : mapping of str to int
        Sides of a block in low-res pixels, 1 where they are not named; the last ones are smaller.
    order : str
        Letters of all axes but ``S``, the last of which changes fastest from block to block.
    """

    axes: Axes
    region: Region
    sides: Mapping[str, int]
    order: str

    @classmethod
    def of(cls, step: Pass) -> BlockGrid:
        """Return the grid for a pass."""
        return cls(step.axes, step.region, step.sides, step.axes.loop_names + step.axes.plane)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many blocks there are along each axis, in `order`."""
        return tuple(len(self.parts(name)) for name in self.order)

    @property
    def block_shape(self) -> dict[str, int]:
        """Sides that hold the largest block, powers of two along ``Y`` and ``X``, in low-res pixels."""
        held = {name: min(self.sides.get(name, 1), len(part)) for name, part in self.region.items()}
        return {name: _power_of_two(side) if name in "YX" else side for name, side in held.items()}

    def __len__(self) -> int:
        return math.prod(self.shape)

    def __getitem__(self, number: int) -> Region:
        place = (int(n) for n in np.unravel_index(number, self.shape))
        return self.at(dict(zip(self.order, place, strict=True)))

    def at(self, place: Mapping[str, int]) -> Region:
        """Return a block by its place along each axis."""
        return Region({name: self.parts(name)[place[name]] for name in self.region})

    def place(self, number: int, factors: Factors) -> Region:
        """Return where a block lies in the result.

        Parameters
        ----------
        number : int
            Of the block.
        factors : Factors
            Of the pass.

        Returns
        -------
        Region
            Pixels from the first of the result on.
        """
        return self[number].enlarged(factors).seen_from(self.region.enlarged(factors))

    def parts(self, name: str) -> list[range]:
        """Return how the blocks cut an axis."""
        whole, side = self.region[name], self.sides.get(name, 1)
        return [whole[start : start + side] for start in range(0, len(whole), side)]


def _power_of_two(value: int) -> int:
    """Return the smallest power of two that is not below `value`."""
    return 1 << (value - 1).bit_length()

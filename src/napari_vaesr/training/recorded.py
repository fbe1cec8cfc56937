"""Patches from real pairs: low-res images of a microscope, and high-res ones of the same fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.intensity import IntensityMethod, IntensityScaling, fit_scalings
from napari_vaesr.training.batches import Batch, Batches, turned
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.pairs import find_pairs, real_pairs
from napari_vaesr.training.told import recorded_conditions
from napari_vaesr.training.validation import FixedPairs
from napari_vaesr.trust.consistency import downscaled
from napari_vaesr.trust.metrics import affine_coefficients

Array = npt.NDArray[np.generic]
FloatArray = npt.NDArray[np.float32]

VALIDATED = 0.1
"""Share of the names, the last in alphabetical order, that is validated on."""

CHECKED, SIDE = 24, 192
"""Pairs that are validated on at most, and the largest side of what is taken of each, in high-res pixels."""


@dataclass(frozen=True)
class Recorded:
    """A real pair as it is on disk, and what brings both to the unit intensity of the low-res plane.

    Attributes
    ----------
    low, high : array
        (Y, X) and (scale * Y, scale * X).
    scale : int
        How many times larger the second is.
    scaling : IntensityScaling
        Of the low-res plane, as when the model is used.
    slope, offset : float
        The straight line from high-res intensities to those of the low-res plane.
    """

    low: Array
    high: Array
    scale: int
    scaling: IntensityScaling
    slope: float
    offset: float

    def cut(self, row: int, column: int, height: int, width: int) -> tuple[FloatArray, FloatArray]:
        """Return a part in unit intensity; numbers are low-res pixels."""
        low = self.low[row : row + height, column : column + width]
        rows, columns = (
            slice(self.scale * a, self.scale * (a + n)) for a, n in ((row, height), (column, width))
        )
        high = self.slope * self.high[rows, columns].astype(np.float64) + self.offset
        return self.scaling.to_unit(low), self.scaling.to_unit(high)


def read_recorded(
    folders: Sequence[tuple[Path, Path]], scales: Sequence[int], intensity: IntensityMethod
) -> tuple[list[Recorded], list[Recorded]]:
    """Read pairs to learn from and pairs to validate on, which share no name.

    Intensities of the two are matched by one straight line for each pair, the least-squares fit of the
    low-res plane by the high-res one made small: gain and offset between two microscopes are not learnt.

    Parameters
    ----------
    folders : sequence of (Path, Path)
        Folders of low-res images, and of high-res images of the same names.
    scales : sequence of int
        What the network can make.
    intensity : str
        How the model scales intensities.

    Raises
    ------
    VaesrError
        When images have no partner, sizes do not fit, a pair does not show the same, or there are too few.
    """
    sources = [source for low, high in folders for source in find_pairs(low, high)]
    names = sorted({source.path.name for source in sources})
    held = set(names[len(names) - max(1, round(VALIDATED * len(names))) :])
    if len(names) < 2:
        raise VaesrError("One pair is too few to learn from and to validate on, give two or more.")
    learn: list[Recorded] = []
    check: list[Recorded] = []
    for source in sources:
        part = check if source.path.name in held else learn
        for pair in real_pairs(source, scales):
            if pair.low.ndim != 2:
                raise VaesrError(f"{source.low} is in colour, give pairs of grey images.")
            (scaling,) = fit_scalings(pair.low, Axes.parse("YX", pair.low.shape), intensity)
            small, low = downscaled(pair.truth, pair.scale).astype(np.float64), pair.low.astype(np.float64)
            slope, offset = affine_coefficients(small, low)
            if not slope > 0:
                raise VaesrError(f"{source.low} and {source.path} do not show the same, check both.")
            part.append(Recorded(pair.low, pair.truth, pair.scale, scaling, slope, offset))
    return learn, check


def for_pairs(config: TrainingConfig, pairs: Sequence[Recorded]) -> TrainingConfig:
    """Return settings of a network that makes the scales of these pairs alone, for it learns no others."""
    scales = tuple(sorted({pair.scale for pair in pairs}))
    network = config.network.model_copy(update={"scales": scales, "row_factors": ()})
    return config.model_copy(update={"network": network, "scale_weights": None})


class RecordedPatches(Batches):
    """Batches of patches of real pairs, flipped and rotated.

    Parameters
    ----------
    pairs : sequence of Recorded
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

    def __init__(self, pairs: Sequence[Recorded], config: TrainingConfig, first_step: int = 0) -> None:
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
        return _batch(np.stack(low), np.stack(high), scale, self.config)

    def _patch(self, rng: np.random.Generator, pair: Recorded) -> tuple[FloatArray, FloatArray]:
        side = self.config.patch
        row, column = (int(rng.integers(size - side + 1)) for size in pair.low.shape)
        low, high = pair.cut(row, column, side, side)
        flip, turns = bool(rng.integers(2)), int(rng.integers(4))
        return turned(low, flip, turns), turned(high, flip, turns)


def recorded_checks(pairs: Sequence[Recorded], config: TrainingConfig) -> FixedPairs:
    """Cut fixed pairs to validate on from the middle of a few, evenly spaced."""
    unit = lcm(*(level.stride for level in config.network.levels))
    chosen = np.unique(np.linspace(0, len(pairs) - 1, min(CHECKED, len(pairs))).round().astype(int))
    made = []
    for pair in (pairs[index] for index in chosen):
        height, width = (min(size, SIDE // pair.scale) // unit * unit for size in pair.low.shape)
        row, column = (pair.low.shape[0] - height) // 2, (pair.low.shape[1] - width) // 2
        low, high = pair.cut(row, column, height, width)
        made.append(_batch(low[None], high[None], pair.scale, config))
    return FixedPairs(made, ["real pairs"] * len(made))


def _batch(low: FloatArray, high: FloatArray, scale: int, config: TrainingConfig) -> Batch:
    """Return pairs (batch, Y, X) and (batch, scale * Y, scale * X) as a network takes them."""
    small, large = (torch.from_numpy(np.ascontiguousarray(part))[:, None] for part in (low, high))
    planes = small.expand(-1, config.network.frames, -1, -1)
    return Batch(planes, large, (scale, scale), recorded_conditions(planes))

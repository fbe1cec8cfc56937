"""What all endless supplies of batches have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.training.config import TrainingConfig


class Batches(IterableDataset[Batch], ABC):
    """An endless supply of batches, each of one factor; the same step of a run gives the same batch.

    Where several workers of a data loader make them, each makes its share of the steps, and the loader puts
    them back in order.

    Parameters
    ----------
    config : TrainingConfig
        The run's settings; its seed and the step decide what is drawn.
    first_step : int
        Where to begin.
    """

    def __init__(self, config: TrainingConfig, first_step: int = 0) -> None:
        self.config, self.first_step = config, first_step

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        mine, together = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for step in count(self.first_step + mine, together):
            yield self.batch(step)

    @abstractmethod
    def batch(self, step: int) -> Batch:
        """Make the batch of one step."""

    def random(self, step: int) -> np.random.Generator:
        """Return what everything in the batch of one step is drawn with."""
        number = step if self.config.pool is None else step % self.config.pool
        return np.random.default_rng((self.config.seed, number))


def scale_odds(config: TrainingConfig, usable: Sequence[bool] | None = None) -> NDArray[np.float64]:
    """Return how likely a batch is of each factor of the network, of those that are usable.

    Parameters
    ----------
    config : TrainingConfig
        Its weights of the scales count.
    usable : sequence of bool, optional
        One for each factor of the network; all are by default.

    Returns
    -------
    float64 array of shape (factors,)
        Adding up to 1.

    Raises
    ------
    VaesrError
        When none is left.
    """
    number = len(config.network.factors)
    weights = np.array(config.scale_weights or [1.0] * number)
    weights = weights * (usable or [True] * number)
    if not weights.any():
        raise VaesrError(
            "No image is large enough for a scale that is to be learnt: give larger ones, or lower the "
            "setting 'patch'."
        )
    odds: NDArray[np.float64] = weights / weights.sum()
    return odds


def turned(plane: NDArray[np.float32], flip: bool, turns: int) -> NDArray[np.float32]:
    """Return one of the eight flips and rotations of a plane.

    Parameters
    ----------
    plane : float32 array of shape (Y, X)
        What to turn.
    flip : bool
        Whether the rows change their order, first.
    turns : int
        How many quarters of a turn.
    """
    return np.ascontiguousarray(np.rot90(plane[::-1] if flip else plane, turns))

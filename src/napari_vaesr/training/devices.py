"""Training on several devices at once: each process takes its share of every batch."""

from __future__ import annotations

from collections.abc import Iterator

from torch import distributed
from torch.utils.data import IterableDataset

from napari_vaesr.training.module import Pair


class Share(IterableDataset[Pair]):
    """The part of every batch that this process learns from.

    All processes make the same batches, of the same scales, so the mean of their gradients is that of the
    whole batch, and a run goes on alike on another number of devices.

    Parameters
    ----------
    batches : IterableDataset
        Whole batches.
    """

    def __init__(self, batches: IterableDataset[Pair]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Pair]:
        together = distributed.is_available() and distributed.is_initialized()
        mine = slice(distributed.get_rank(), None, distributed.get_world_size()) if together else slice(None)
        for low, high, scale in self.batches:
            yield low[mine], high[mine], scale

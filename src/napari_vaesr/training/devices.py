"""What a training needs of the machine: processes that make patches, and several devices at once."""

from __future__ import annotations

import os
from collections.abc import Iterator

from torch import distributed
from torch.utils.data import IterableDataset

from napari_vaesr.engine.device import choose_device
from napari_vaesr.training.module import Pair


def default_workers(devices: int) -> int:
    """Return how many processes make patches for each device.

    None on a CPU, where they would take the cores from the training; for GPUs, which learn faster than one
    core makes patches, all cores but those of the training itself.
    """
    if choose_device().device == "cpu":
        return 0
    return max(1, (os.cpu_count() or 1) // devices - 1)


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

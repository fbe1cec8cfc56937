"""The tile that is shown of a training."""

from __future__ import annotations

import pytest
import torch

from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.training.watch import _tile
from napari_vaesr.vae.config import NetworkConfig

NETWORK = NetworkConfig(scales=(2, 3), row_factors=(2, 3))


def pair(factor):
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    low = 100 * rows + columns
    high = low.repeat_interleave(factor[0], 0).repeat_interleave(factor[1], 1)
    return Batch(low[None, None], high[None, None], factor, torch.zeros(1))


@pytest.mark.parametrize(
    ("factors", "shown"), [([(2, 1), (3, 3), (2, 2)], (2, 2)), ([(3, 1), (2, 1)], (2, 1))]
)
def test_a_tile_and_its_truth_show_the_same_place(factors, shown):
    tile = _tile([pair(factor) for factor in factors], NETWORK.factors)
    assert tile.factor == shown
    again = tile.high[..., :: shown[0], :: shown[1]]
    torch.testing.assert_close(again, tile.low)

"""What a network does not say of itself is found by running it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_vaesr.errors import VaesrError
from napari_vaesr.vae.config import BaseNetwork
from napari_vaesr.zoo.probe import GOAL, measured


def told(**changes: object) -> BaseNetwork:
    return BaseNetwork.model_validate({"name": "one", "sha256": "0" * 64, "factor": 2} | changes)


class Convolutions(nn.Module):
    """Looks so many pixels around."""

    def __init__(self, reach: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 2 * reach + 1, padding=reach)

    def forward(self, images):
        return F.interpolate(self.layer(images), scale_factor=2.0)


class Windows(nn.Module):
    """Adds the mean of the window that a pixel lies in."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.weight = nn.Parameter(torch.tensor(0.5))

    def forward(self, images):
        mean = F.interpolate(F.avg_pool2d(images, self.side, ceil_mode=True), scale_factor=float(self.side))
        seen = images + self.weight * mean[..., : images.shape[-2], : images.shape[-1]]
        return F.interpolate(seen, scale_factor=2.0)


class Whole(nn.Module):
    """Adds a little of the mean of all that it sees."""

    def forward(self, images):
        return F.interpolate(images + 0.2 * images.mean(dim=(-2, -1), keepdim=True), scale_factor=2.0)


def test_what_makes_no_numbers_is_refused():
    network = Convolutions(1)
    network.layer.weight.data.fill_(torch.nan)
    with pytest.raises(VaesrError, match="no numbers"):
        measured(network, told())


def test_the_halo_of_convolutions_is_as_wide_as_they_look():
    assert measured(Convolutions(7), told()).halo == 8
    found = measured(Convolutions(12), told())
    assert (found.halo, found.multiple) == (12, 1)
    assert found.tolerance < 1e-5


def test_tiles_begin_where_windows_do():
    found = measured(Windows(16), told())
    assert found.multiple == 16
    assert found.tolerance < 1e-5


def test_what_it_asks_for_is_kept():
    assert measured(Windows(8), told(multiple=24)).multiple == 24


def test_a_network_that_sees_all_gets_a_tolerance():
    found = measured(Whole(), told())
    assert found.tolerance > 1e-4
    assert found.halo == 64 or found.tolerance <= GOAL


def test_a_format_that_harms_is_not_used():
    kept = measured(Convolutions(1), told(precisions=("float16", "bfloat16")))
    assert "float16" in kept.precisions

    class Fragile(nn.Module):
        def forward(self, images):
            return F.interpolate((images + 100) - 100, scale_factor=2.0)

    assert measured(Fragile(), told(precisions=("bfloat16",))).precisions == ()


def test_memory_is_told_by_the_pixel():
    assert measured(Convolutions(1), told()).bytes_per_pixel == 2 * 2 * 4

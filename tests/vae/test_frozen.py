"""A network of other makers, as it is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_vaesr.vae.config import BaseNetwork
from napari_vaesr.vae.frozen import Frozen, padded


class Foreign(nn.Module):
    """Enlarges two times by a convolution, and notes what it was asked."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2))
        self.asked: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.asked.append(images)
        return self.layers(images)


def told(**changes: object) -> BaseNetwork:
    fields = {"name": "foreign.safetensors", "sha256": "0" * 64, "factor": 2, "halo": 1}
    return BaseNetwork.model_validate(fields | changes)


@pytest.mark.parametrize(
    ("size", "needs", "wanted"),
    [
        ((5, 9), {"multiple": 8}, (8, 16)),
        ((3, 2), {"smallest": 16}, (16, 16)),
        ((1, 4), {"multiple": 4}, (4, 4)),
        ((6, 9), {"square": True}, (9, 9)),
    ],
)
def test_images_of_any_size_are_made_to_fit(size, needs, wanted):
    image = torch.rand(1, 1, *size)
    larger = padded(image, told(**needs))
    assert larger.shape[-2:] == wanted
    assert torch.equal(larger[..., : size[0], : size[1]], image)
    network = Frozen(Foreign(1), told(**needs))
    assert network(image).shape[-2:] == (2 * size[0], 2 * size[1])


@torch.no_grad()
def test_it_computes_in_the_number_formats_that_it_bears():
    image = torch.rand(1, 1, 8, 8)
    network = Frozen(Foreign(1), told(precisions=("bfloat16",)))
    exact = network(image)
    assert torch.equal(network(image, torch.float16), exact)
    near = network(image, torch.bfloat16)
    assert not torch.equal(near, exact)
    torch.testing.assert_close(near, exact, atol=0.02, rtol=0.02)

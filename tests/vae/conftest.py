"""A network of other makers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_vaesr.vae.config import BaseNetwork


class Foreign(nn.Module):
    """Enlarges two times by a convolution, and notes what it was asked."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(channels, 4 * channels, 3, padding=1), nn.PixelShuffle(2))
        self.asked: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.asked.append(images)
        return self.layers(images)


@pytest.fixture(scope="session")
def foreign():
    return Foreign


@pytest.fixture(scope="session")
def told():
    """What is known of such a network."""

    def told(**changes: object) -> BaseNetwork:
        fields = {"name": "foreign.safetensors", "sha256": "0" * 64, "factor": 2, "halo": 1}
        return BaseNetwork.model_validate(fields | changes)

    return told


@pytest.fixture(scope="session")
def noise_for():
    """Draw standard normal noise for a square plane."""

    def noise_for(network, size: int, samples: int = 3, batch: int = 2) -> list[torch.Tensor]:
        return [
            torch.randn(samples, batch, level.channels, size // level.stride, size // level.stride)
            for level in network.levels
        ]

    return noise_for


@pytest.fixture(scope="session")
def result_of(noise_for):
    """Return a sample, always of the same noise, and the base."""

    def result_of(network, planes: torch.Tensor, scale: int) -> torch.Tensor:
        torch.manual_seed(2)
        encoded = network.encode(planes, scale)
        noise = noise_for(network, planes.shape[-1], samples=1, batch=1)
        return network.decode(encoded, noise) + encoded.base

    return result_of

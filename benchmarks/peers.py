"""Large peers whose weights come with no package: what they cost does not depend on the weights."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Added(nn.Module):
    """Layers whose result, made smaller, is added to their input."""

    def __init__(self, *layers: nn.Module, factor: float) -> None:
        super().__init__()
        self.layers, self.factor = nn.Sequential(*layers), factor

    def forward(self, x: Tensor) -> Tensor:
        return x + self.factor * self.layers(x)


def edsr(scale: int) -> nn.Module:
    """EDSR (Lim et al., 2017) in its full size: 32 blocks of 256 channels, at x2 and x4."""
    width = 256
    blocks = (Added(conv(width, width), nn.ReLU(), conv(width, width), factor=0.1) for _ in range(32))
    body = Added(*blocks, conv(width, width), factor=1)
    doublings = [layer for _ in range(scale // 2) for layer in (conv(width, 4 * width), nn.PixelShuffle(2))]
    return nn.Sequential(conv(3, width), body, *doublings, conv(width, 3)).eval()


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees what all before it have made."""

    def __init__(self, width: int = 64, growth: int = 32) -> None:
        super().__init__()
        widths = [*(width + growth * number for number in range(5)), 0]
        self.layers = nn.ModuleList(conv(have, growth if then else width) for have, then in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        for layer in self.layers[:-1]:
            seen = torch.cat([seen, F.leaky_relu(layer(seen), 0.2)], dim=1)
        return x + 0.2 * self.layers[-1](seen)


def real_esrgan() -> nn.Module:
    """The generator of Real-ESRGAN x4plus (Wang et al., 2021): 23 residual-in-residual dense blocks."""
    width = 64
    blocks = (Added(*(DenseBlock() for _ in range(3)), factor=0.2) for _ in range(23))
    body = Added(*blocks, conv(width, width), factor=1)
    doubling = (nn.Upsample(scale_factor=2), conv(width, width), nn.LeakyReLU(0.2))
    last = (conv(width, width), nn.LeakyReLU(0.2), conv(width, 3))
    return nn.Sequential(conv(3, width), body, *doubling, *doubling, *last).eval()

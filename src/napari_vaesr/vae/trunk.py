"""The trunk: residual blocks of plain 3 x 3 convolutions, whose reach is bounded, so that tiling is exact."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from napari_vaesr.vae.config import NetworkConfig
from napari_vaesr.vae.fused import convolve, convolve_add, convolve_rectify, rectify_

NOISE_REACH = 2
"""Low-res pixels on every side whose mean is the signal that noise is reckoned from."""


def conv3x3(inputs: int, outputs: int, gain: float = 1.0) -> nn.Conv2d:
    """Make a 3 x 3 convolution with He initialisation for leaky ReLU, times `gain`, and no initial bias.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    gain : float
        What the initial weights are multiplied by.
    """
    layer = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, a=0.1)
    layer.weight.data *= gain
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a rectifier, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = conv3x3(width, width)
        self.second = conv3x3(width, width, gain=0.1)

    def forward(self, x: Tensor, reuse: bool = False) -> Tensor:
        """Keep shape (batch, width, height, width); with `reuse` perhaps overwrite `x`."""
        return convolve_add(self.second, convolve_rectify(self.first, x), x, reuse)


def noise_map(plane: Tensor, slope: Tensor, intercept: Tensor) -> Tensor:
    """Return the standard deviation of the noise at every pixel.

    The signal that shot noise depends on is taken from the noisy plane itself, averaged over 5 x 5 pixels.

    Parameters
    ----------
    plane : Tensor
        (batch, 1, height, width), unit intensity.
    slope, intercept : Tensor
        (batch, 1, 1, 1): the variance is ``slope * signal + intercept``, never below 0.
    """
    side = 2 * NOISE_REACH + 1
    signal = F.avg_pool2d(plane, side, stride=1, padding=NOISE_REACH, count_include_pad=False)
    return (slope * signal + intercept).clamp(min=0).sqrt()


class Trunk(nn.Module):
    """Low-res planes to low-res features; most of the parameters and the work, done once for all samples."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.entry = conv3x3(config.inputs, config.width)
        self.blocks = nn.Sequential(*(ResidualBlock(config.width) for _ in range(config.blocks)))
        self.exit = conv3x3(config.width, config.width)
        self.reach = 2 + 2 * config.blocks + NOISE_REACH * config.conditioned

    def forward(self, inputs: Tensor) -> Tensor:
        """From (batch, inputs, height, width), scaled to about 1, to (batch, width, height, width)."""
        entry = features = convolve(self.entry, inputs)
        for block in self.blocks:
            features = block(features, reuse=features is not entry)
        return rectify_(convolve_add(self.exit, features, entry, reuse=features is not entry))

"""The tutorial's own VAE: convolutions to ``z_mean`` and ``z_log_var``, transposed convolutions to the image.

Kept as the baseline against which the ladder is measured. The latents see only the low-res plane and are
the image's only way through the network: there is no interpolation to fall back on, and the prior is a
standard normal (Kingma and Welling, 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from napari_vaesr.vae.base import Elbo, Encoded, Inputs, SuperResolutionVAE
from napari_vaesr.vae.config import Factor, NetworkConfig, factor_name
from napari_vaesr.vae.factor import unshuffle
from napari_vaesr.vae.fused import rectify
from napari_vaesr.vae.ladder import over_samples
from napari_vaesr.vae.trunk import conv3x3


class ConvVAE(SuperResolutionVAE):
    """A plain convolutional VAE with one latent grid.

    Parameters
    ----------
    config : NetworkConfig
        `width` is the first layer's; every halving of the resolution doubles it (64-128-256-512 for width 64
        and stride 8). `levels` has one entry.

    Raises
    ------
    ValueError
        When `levels` is not one level whose stride is a power of two, or it is to be conditioned.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        (level,) = config.levels if len(config.levels) == 1 else (None,)
        if level is None or level.stride & (level.stride - 1):
            raise ValueError("conv_vae has one latent level, with a stride that is a power of two")
        if config.conditioned:
            raise ValueError("a conv_vae takes no conditions")
        self.config = config
        self.depth: int = level.stride.bit_length() - 1
        widths = [config.width * 2**i for i in range(self.depth + 1)]
        self.entry = conv3x3(config.inputs, widths[0])
        self.down = nn.ModuleList(
            nn.Conv2d(narrow, wide, 3, stride=2, padding=1) for narrow, wide in pairwise(widths)
        )
        self.z_mean = nn.Conv2d(widths[-1], level.channels, 1)
        self.z_log_var = nn.Conv2d(widths[-1], level.channels, 1)
        self.open = nn.Conv2d(level.channels, widths[-1], 1)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1)
            for wide, narrow in pairwise(reversed(widths))
        )
        self.head = nn.ModuleDict(
            {factor_name(f): nn.ConvTranspose2d(widths[0], 1, f, stride=f) for f in config.factors}
        )
        self.log_sigma = nn.ParameterDict(
            {factor_name(f): nn.Parameter(torch.tensor(-2.0)) for f in config.factors}
        )

    @property
    def receptive_radius(self) -> int:
        """How far, in low-res pixels, a pixel of the result can look in any direction."""
        down = 1 + sum(2**i for i in range(self.depth))
        up = sum(2 * 2 ** (i + 1) for i in range(self.depth))
        return int(down + up + 2**self.depth)

    def _encode(self, inputs: Inputs, factor: Factor) -> Encoded:
        """Compute ``z_mean`` and ``z_log_var``; the base is the image decoded from ``z_mean``."""
        x = rectify(self.entry(4 * (inputs.planes.to(self.dtype) - 0.5)))
        for layer in self.down:
            x = rectify(layer(x))
        mean, log_var = self.z_mean(x), self.z_log_var(x).clamp(-10.0, 10.0)
        return Encoded(self._image(mean, factor), (mean, log_var), factor)

    def residuals(self, encoded: Encoded, noise: Sequence[Tensor]) -> Tensor:
        """Draw from q(z | y), as the tutorial does; see `SuperResolutionVAE`."""
        mean, log_var = encoded.features
        latents = mean + torch.exp(0.5 * log_var) * noise[0].to(mean.dtype)
        images = over_samples(partial(self._image, factor=encoded.factor), latents)
        return unshuffle(images - encoded.base, encoded.factor)

    def _elbo(self, inputs: Inputs, high: Tensor, factor: Factor) -> Elbo:
        """Evaluate the tutorial's loss: reconstruction and KL to a standard normal."""
        encoded = self._encode(inputs, factor)
        mean, log_var = (part.float() for part in encoded.features)
        image = self.decode(encoded, [torch.randn_like(mean)[None]])[0]
        kl = 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(dim=1).mean()
        log_sigma = self.log_sigma[factor_name(encoded.factor)].clamp(min=-7.0)
        nll = (0.5 * ((high - image) * torch.exp(-log_sigma)) ** 2).mean() + log_sigma + 0.9189385
        return Elbo(encoded, image, nll, (kl,), log_sigma.exp())

    def _image(self, latents: Tensor, factor: Factor) -> Tensor:
        """Decode (batch, channels, height, width) latents; 0.5 is the middle of the intensity range."""
        x = rectify(self.open(latents))
        for layer in self.up:
            x = rectify(layer(x))
        image: Tensor = self.head[factor_name(factor)](x).float()
        return image + 0.5

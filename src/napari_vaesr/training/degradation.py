"""Make low-res patches from high-res ones: point spread function, sampling, shot noise and camera noise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_vaesr.training.config import Degradation, Range
from napari_vaesr.vae.resize import downsample_bicubic


def degrade(
    high: Tensor, scale: int, degradation: Degradation, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Turn high-res patches into pairs.

    Parameters
    ----------
    high : Tensor
        (batch, 1, height, width), intensities in [0, 1], sizes divisible by `scale`.
    scale : int
        How many times smaller the low-res patches are.
    degradation : Degradation
        The ranges to draw from.
    generator : torch.Generator, optional
        Source of randomness.

    Returns
    -------
    low, high : Tensor
        (batch, 1, height / scale, width / scale) and the truth that belongs to it: `high` with the gain
        and offset that were drawn, but neither blurred nor noisy.
    """

    def draw(limits: Range) -> Tensor:
        uniform = torch.rand(len(high), 1, 1, 1, generator=generator)
        return limits[0] + (limits[1] - limits[0]) * uniform

    high = high * draw(degradation.gain) + draw(degradation.offset)
    blurred = high
    if degradation.blur[1] > 0:
        is_sharp = torch.rand(len(high), 1, 1, 1, generator=generator) < degradation.sharp
        blurred = gaussian_blur(high, draw(degradation.blur) * scale * ~is_sharp)
    low = downsample_bicubic(blurred, scale)
    noisy = torch.rand(len(high), 1, 1, 1, generator=generator) >= degradation.clean
    if degradation.photons is not None:
        lowest, highest = (torch.tensor(value).log().item() for value in degradation.photons)
        photons = draw((lowest, highest)).exp()
        shot = torch.poisson(low.clamp(min=0) * photons, generator=generator) / photons
        low = torch.where(noisy, shot, low)
    if degradation.read_noise[1] > 0:
        camera = torch.randn(low.shape, generator=generator) * draw(degradation.read_noise)
        low = torch.where(noisy, low + camera, low)
    if degradation.quantised:
        low = (255 * low).round().clamp(0, 255) / 255
    return low, high


def gaussian_blur(images: Tensor, deviations: Tensor) -> Tensor:
    """Blur each image with its own Gaussian, mirrored at the border.

    Parameters
    ----------
    images : Tensor
        (batch, 1, height, width).
    deviations : Tensor
        One standard deviation in pixels for each image; 0 leaves it as it is.
    """
    reach = max(1, int(torch.ceil(3 * deviations.max()).item()))
    reach = min(reach, min(images.shape[-2:]) - 1)  # no mirror image is wider
    offset = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weight = torch.exp(-0.5 * (offset / deviations.reshape(-1, 1).clamp(min=1e-3)) ** 2)
    weight = weight / weight.sum(dim=1, keepdim=True)
    stack = F.pad(images.transpose(0, 1), (reach,) * 4, mode="reflect")
    stack = F.conv2d(stack, weight[:, None, :, None], groups=len(images))
    stack = F.conv2d(stack, weight[:, None, None, :], groups=len(images))
    return stack.transpose(0, 1)

"""Make low-res patches from high-res ones: point spread function, sampling, shot noise and camera noise."""

from __future__ import annotations

from math import ceil, log
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.settings import Degradation, Range
from napari_vaesr.vae.base import middle
from napari_vaesr.vae.config import Factor
from napari_vaesr.vae.factor import as_factor
from napari_vaesr.vae.resize import downsample_bicubic


class Batch(NamedTuple):
    """Low-res planes and their truth.

    Attributes
    ----------
    low : Tensor
        (batch, frames, Y, X), as a network sees them.
    high : Tensor
        (batch, 1, rows * Y, columns * X).
    factor : (int, int)
        The factor of rows and columns.
    conditions : Tensor
        What a conditioned network may be told; see `SuperResolutionVAE.encode`.
    """

    low: Tensor
    high: Tensor
    factor: Factor
    conditions: Tensor

    @property
    def plane(self) -> Tensor:
        """The low-res planes that are upscaled, (batch, 1, Y, X), without what is seen beside them."""
        return middle(self.low)

    def to(self, device: torch.device | str) -> Batch:
        """Return the same on another device."""
        return Batch(self.low.to(device), self.high.to(device), self.factor, self.conditions.to(device))


def degrade(
    high: Tensor,
    factor: int | Factor,
    degradation: Degradation,
    generator: torch.Generator | None = None,
) -> Batch:
    """Turn high-res patches into low-res ones.

    Parameters
    ----------
    high : Tensor
        (batch, frames, height, width), intensities in [0, 1], sizes divisible by the factor.
    factor : int or (int, int)
        How many times fewer rows and columns there are to be. Where it is the rows alone, they play Z:
        blurred along Z and left out or averaged; else the planes are blurred and made small.
    degradation : Degradation
        The ranges to draw from.
    generator : torch.Generator, optional
        Source of randomness.

    Returns
    -------
    Batch
        Low-res patches and their truth: the middle plane with the gain, offset and blur that stay, without
        noise.
    """
    factor = as_factor(factor)
    along_rows = factor[1] == 1 != factor[0]

    def draw(limits: Range) -> Tensor:
        uniform = torch.rand(len(high), 1, 1, 1, generator=generator)
        return limits[0] + (limits[1] - limits[0]) * uniform

    def chance(share: float) -> Tensor:
        return torch.rand(len(high), 1, 1, 1, generator=generator) < share

    gain, offset = draw(degradation.gain), draw(degradation.offset)
    high = high * gain + offset
    removed = stays = sections = torch.zeros(len(high), 1, 1, 1)
    if degradation.blur[1] > 0:
        is_sharp = chance(degradation.sharp)
        removed = draw(degradation.blur) * factor[0] * ~is_sharp
    kept = degradation.axial if along_rows else degradation.own_blur
    if kept[1] > 0:
        stays = draw(kept) * (1 if along_rows else factor[0]) * chance(degradation.own)
    blurred = gaussian_blur(high, (removed**2 + stays**2).sqrt(), rows_only=along_rows)
    truth = gaussian_blur(middle(high), stays, rows_only=along_rows)
    if along_rows:
        is_thick = chance(degradation.thick)
        low, sections = thinned(blurred, factor[0], is_thick), 2.0 * is_thick - 1
    else:
        low = downsample_bicubic(blurred, factor[0])
    noisy = torch.rand(len(high), 1, 1, 1, generator=generator) >= degradation.clean
    slope = intercept = torch.zeros(len(high), 1, 1, 1)
    if degradation.photons is not None:
        lowest, highest = (torch.tensor(value).log().item() for value in degradation.photons)
        photons = draw((lowest, highest)).exp()
        shot = torch.poisson(low.clamp(min=0) * photons, generator=generator) / photons
        # What lies below 0 has no photons and keeps its value, or dark planes would be brighter than true.
        low = torch.where(noisy, shot + low.clamp(max=0), low)
        slope = noisy / photons
    if degradation.read_noise[1] > 0:
        read = draw(degradation.read_noise)
        camera = torch.randn(low.shape, generator=generator) * read
        low = torch.where(noisy, low + camera, low)
        intercept = noisy * read**2
    if degradation.clipped > 0:
        clipped = torch.minimum(torch.maximum(low, offset), gain + offset)
        low = torch.where(chance(degradation.clipped) & noisy, clipped, low)
    if degradation.quantised:
        low = (255 * low).round().clamp(0, 255) / 255
    conditions = torch.cat([slope, intercept, removed / factor[0], sections], dim=1)[..., 0, 0]
    return Batch(low, truth, factor, conditions)


def thinned(images: Tensor, factor: int, averaged: Tensor) -> Tensor:
    """Leave out rows, or average them, as a microscope takes thin or thick planes far apart.

    Parameters
    ----------
    images : Tensor
        (batch, frames, height, width), height divisible by the factor.
    factor : int
        Rows that become one. Of an even number of rows the two in the middle are averaged at the least.
    averaged : Tensor
        (batch, 1, 1, 1), boolean: whether all of them are.
    """
    groups = images.reshape(*images.shape[:2], -1, factor, images.shape[-1])
    middle = groups[:, :, :, (factor - 1) // 2 : factor // 2 + 1].mean(dim=3)
    return torch.where(averaged, groups.mean(dim=3), middle)


def gaussian_blur(images: Tensor, deviations: Tensor, *, rows_only: bool = False) -> Tensor:
    """Blur each image with its own Gaussian, mirrored at the border.

    Parameters
    ----------
    images : Tensor
        (batch, frames, height, width).
    deviations : Tensor
        One standard deviation in pixels for each of the batch; 0 leaves it as it is.
    rows_only : bool
        Blur along the rows' axis alone, as along Z.
    """
    widest = float(deviations.max())
    if widest == 0:
        return images
    reach = min(max(1, ceil(3 * widest)), min(images.shape[-2:]) - 1)  # no mirror image is wider
    offset = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weight = torch.exp(-0.5 * (offset / deviations.reshape(-1, 1).clamp(min=1e-3)) ** 2)
    weight = weight / weight.sum(dim=1, keepdim=True)
    across = (0, 0) if rows_only else (reach, reach)
    stack = F.pad(images.transpose(0, 1), (*across, reach, reach), mode="reflect")
    stack = F.conv2d(stack, weight[:, None, :, None], groups=len(images))
    if not rows_only:
        stack = F.conv2d(stack, weight[:, None, None, :], groups=len(images))
    return stack.transpose(0, 1)


def microscope(high: Tensor, scale: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Make images small as a microscope may see them: what benchmarks use, whatever recipes learn from.

    A Gaussian point spread function of up to 0.7 low-res pixels on three images of five, shot noise of 30 to
    3000 photons at intensity 1, and camera noise of up to 0.04.

    Parameters
    ----------
    high : Tensor
        (batch, 1, height, width), intensities in [0, 1], sizes divisible by `scale`.
    scale : int
        How many times smaller.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    low : Tensor
        (batch, 1, height / scale, width / scale).
    blur : Tensor
        (batch,), the standard deviation of each point spread function in low-res pixels.
    """

    def draw(lowest: float, highest: float) -> Tensor:
        return lowest + (highest - lowest) * torch.rand(len(high), 1, 1, 1, generator=generator)

    draw(1, 1), draw(0, 0)  # gain and offset stay as they are; drawn, so that images stay those of before
    is_blurred = torch.rand(len(high), 1, 1, 1, generator=generator) >= 0.4
    blur = draw(0.0, 0.7) * is_blurred
    low = downsample_bicubic(gaussian_blur(high, blur * scale), scale)
    draw(0, 1)  # all are noisy
    photons = draw(log(30.0), log(3000.0)).exp()
    low = torch.poisson(low.clamp(min=0) * photons, generator=generator) / photons
    low = low + torch.randn(low.shape, generator=generator) * draw(0.0, 0.04)
    return low, blur[:, 0, 0, 0]


def downscaled(image: NDArray[Any], scale: int) -> NDArray[np.float32]:
    """Make an image small by antialiased bicubic interpolation.

    Parameters
    ----------
    image : array
        (..., Y, X), sizes divisible by `scale`.
    scale : int
        The factor.

    Returns
    -------
    array
        (..., Y / scale, X / scale), float32.

    Raises
    ------
    VaesrError
        When the sizes are not divisible by `scale`.
    """
    image = np.asarray(image)
    if image.ndim < 2 or scale < 1 or scale != int(scale):
        raise VaesrError(f"An image of shape {image.shape} can't be made {scale} times smaller.")
    scale = int(scale)
    height, width = image.shape[-2:]
    if height % scale or width % scale:
        raise VaesrError(f"A {height} x {width} image can't be made {scale} times smaller, crop it first.")
    planes = torch.from_numpy(np.array(image, np.float32)).reshape(-1, 1, height, width)
    small = downsample_bicubic(planes, scale).numpy()
    return small.reshape(*image.shape[:-2], height // scale, width // scale)

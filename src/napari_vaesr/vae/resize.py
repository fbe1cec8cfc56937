"""Bicubic resizing with pixel centres aligned, as fixed convolutions of bounded reach.

The kernel is that of Keys (1981), "Cubic convolution interpolation for digital image processing", with
a = -0.5, which MATLAB's ``imresize`` and Pillow use; downsampling stretches it by the factor (antialiasing).
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_vaesr.centres import to_larger, to_source
from napari_vaesr.vae.config import Factor
from napari_vaesr.vae.factor import as_factor, shuffle

REACH = 2
"""Low-res pixels that an upsampled pixel looks at on either side."""


def keys_cubic(distance: Tensor) -> Tensor:
    """Evaluate Keys' cubic kernel (a = -0.5) at the given distances, in pixels."""
    x = distance.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


# Made outside of inference mode, for what is kept may serve a training later.
@cache
@torch.inference_mode(False)
def _upsampling_taps(factor: Factor) -> Tensor:
    """Weights (rows * columns, 1, 5, 5): a kernel for each of the high-res pixels within a low-res one."""
    rows, columns = (_axis_taps(each) for each in factor)
    return torch.einsum("ai,bj->abij", rows, columns).reshape(-1, 1, 5, 5).float()


def _axis_taps(factor: int) -> Tensor:
    """Weights (factor, 5) of one axis, in float64."""
    phase = to_source(torch.arange(factor, dtype=torch.float64), factor)
    offset = torch.arange(-REACH, REACH + 1, dtype=torch.float64)
    return keys_cubic(phase[:, None] - offset[None, :])


def upsample_bicubic(images: Tensor, scale: int | Factor) -> Tensor:
    """Enlarge images by bicubic interpolation.

    Parameters
    ----------
    images : Tensor
        Shape (batch, channels, height, width), any floating dtype.
    scale : int or (int, int)
        How many times larger; of rows and columns.

    Returns
    -------
    Tensor
        Shape (batch, channels, scale * height, scale * width), float32. Beyond the border the image counts as
        repeating its edge pixel.
    """
    batch, channels, height, width = images.shape
    rows, columns = factor = as_factor(scale)
    planes = F.pad(images.float().reshape(-1, 1, height, width), (REACH,) * 4, mode="replicate")
    with torch.autocast(images.device.type, enabled=False):
        phases = F.conv2d(planes, _upsampling_taps(factor).to(images.device))
    return shuffle(phases, factor).reshape(batch, channels, rows * height, columns * width)


@cache
@torch.inference_mode(False)
def _downsampling_taps(scale: int) -> Tensor:
    """Weights (1, scale**2, 5, 5): the transpose of upsampling, which sums to one."""
    return (_upsampling_taps((scale, scale)).flip(-2, -1) / scale**2).transpose(0, 1).contiguous()


@cache
@torch.inference_mode(False)
def _sharpening_taps(scale: int) -> Tensor:
    """Weights (1, 1, 9, 9) of twice the identity minus upsampling and downsampling in turn."""
    impulse = torch.zeros(1, 1, 9, 9, dtype=torch.float32)
    impulse[..., 4, 4] = 1
    # The first to ask may be a training in mixed precision, which would round what all others use.
    with torch.autocast("cpu", enabled=False):
        returned = F.conv2d(F.pad(impulse, (REACH,) * 4), _upsampling_taps((scale, scale)))
        return 2 * impulse - F.conv2d(returned, _downsampling_taps(scale), padding=REACH)


def upsample_consistent(images: Tensor, scale: int) -> Tensor:
    """Enlarge images so that shrinking brings them back more closely than bicubic interpolation alone.

    One step of iterative back-projection (Irani and Peleg, 1991): what is lost on the way up and down again
    is enlarged, too.

    Parameters
    ----------
    images, scale
        As for `upsample_bicubic`; images of one channel.

    Returns
    -------
    Tensor
        Shape (batch, 1, scale * height, scale * width), float32.
    """
    taps = _sharpening_taps(scale).to(images.device)
    reach = taps.shape[-1] // 2
    with torch.autocast(images.device.type, enabled=False):
        sharp = F.conv2d(F.pad(images.float(), (reach,) * 4, mode="replicate"), taps)
    return upsample_bicubic(sharp, scale)


def unseen(pixels: Tensor, scale: int, steps: Literal[1, 2] = 1) -> Tensor:
    """Take away from a correction what downsampling would see of it, by one or two steps of back-projection.

    Parameters
    ----------
    pixels : Tensor
        (batch, scale**2, height, width): the high-res pixels within each low-res one, in the order of
        `torch.nn.functional.pixel_shuffle`. Beyond the border they count as 0.
    scale : int
        The factor.
    steps : {1, 2}
        How often what is seen is taken away. The reach is that of ``steps`` times up and down.

    Returns
    -------
    Tensor
        Of the same shape and dtype.
    """
    down, up = _downsampling_taps(scale).to(pixels), _upsampling_taps((scale, scale)).to(pixels)
    seen = F.conv2d(pixels, down, padding=REACH)
    if steps == 2:  # (1 - UD)(1 - UD) = 1 - U(2 - DU)D, the middle of which has one channel and costs little
        sharpen = _sharpening_taps(scale).to(pixels)
        seen = F.conv2d(seen, sharpen, padding=sharpen.shape[-1] // 2)
    return pixels - F.conv2d(seen, up, padding=REACH)


def downsample_bicubic(images: Tensor, scale: int) -> Tensor:
    """Shrink images by antialiased bicubic interpolation, the degradation of the super-resolution benchmarks.

    Parameters
    ----------
    images : Tensor
        Shape (batch, channels, height, width), sizes divisible by `scale`.
    scale : int
        How many times smaller.

    Returns
    -------
    Tensor
        Shape (batch, channels, height / scale, width / scale), float32. Equals MATLAB's ``imresize``
        (which mirrors the image at its border) before rounding.

    Raises
    ------
    ValueError
        When a size is not a multiple of `scale`.
    """
    height, width = images.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(
            f"A {height} x {width} image cannot be reduced {scale} times: crop it to a multiple first."
        )
    rows = _downsampling_matrix(height, scale).to(images.device)
    columns = _downsampling_matrix(width, scale).to(images.device)
    with torch.autocast(images.device.type, enabled=False):
        return rows @ images.float() @ columns.T


# Large, and another for every size of image: only those of the last few are kept.
@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _downsampling_matrix(size: int, scale: int) -> Tensor:
    """Weights (size / scale, size) of one axis, mirrored at the border as MATLAB does."""
    centre = to_larger(torch.arange(size // scale, dtype=torch.float64), scale)
    reach = 2 * scale
    first = torch.floor(centre).long() - reach
    position = first[:, None] + torch.arange(2 * reach + 2)
    weight = keys_cubic((position - centre[:, None]) / scale)
    weight = weight / weight.sum(dim=1, keepdim=True)
    mirrored = position.remainder(2 * size)
    mirrored = torch.where(mirrored < size, mirrored, 2 * size - 1 - mirrored)
    matrix = torch.zeros(size // scale, size, dtype=torch.float64)
    return matrix.scatter_add_(1, mirrored, weight).float()

"""A convolution together with what follows it, in one pass over memory.

On a CPU a rectifier or a sum after a convolution takes about as long as the convolution itself, for it
reads and writes the whole image again. oneDNN can do both at once; PyTorch has these operators for its
compiler, and here they are called directly. Where they are missing, on other devices and while gradients are
recorded, the same is computed step by step; the results differ by rounding alone.

A processor that has AVX2 and nothing wider is bound by its arithmetic instead. There wide layers take a
detour with a quarter of the products (`winograd`), and what follows is done strip by strip with it.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_vaesr.vae import winograd

SLOPE = 0.1
"""Of the leaky rectifier for negative values."""

WIDE_ENOUGH, LARGE_ENOUGH = 48, 16
"""Channels, of what enters and of what is made, and pixels along a side from which on the detour pays."""


def rectify(x: Tensor) -> Tensor:
    """Leaky ReLU with slope 0.1: unlike SiLU it is not a straight line at the small contrasts of an image."""
    return F.leaky_relu(x, SLOPE)


def rectify_(x: Tensor) -> Tensor:
    """Rectify in place; allowed on a convolution's output, which its gradient does not need."""
    return F.leaky_relu_(x, SLOPE)


def convolve(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Return ``layer(x)``."""
    return _with_fewer_products(layer, x) if _can_save(layer, x) else cast(Tensor, layer(x))


def convolve_rectify(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """Return ``rectify(layer(x))``."""
    if _can_save(layer, x):
        return _with_fewer_products(layer, x, lambda made, *_: rectify_(made))
    if not _can_fuse(layer, x):
        return rectify_(layer(x))
    return cast(Tensor, _operator()(x, *_setting(layer), "leaky_relu", [SLOPE], ""))


def convolve_add(layer: nn.Conv2d, x: Tensor, other: Tensor, reuse: bool = False) -> Tensor:
    """Return ``layer(x) + other``.

    Writing over what was just read is faster where images are larger than the caches.

    Parameters
    ----------
    layer : nn.Conv2d
        The convolution.
    x : Tensor of shape (batch, channels, height, width)
        What it takes.
    other : Tensor
        Of the shape of ``layer(x)``.
    reuse : bool
        Allow to write the result over `other`.
    """
    if _can_save(layer, x):
        return _with_fewer_products(layer, x, lambda made, image, rows: made.add_(_rows(other, image, rows)))
    if not _can_fuse(layer, x, other):
        return cast(Tensor, layer(x).add_(other))
    if reuse:
        into = torch.ops.mkldnn._convolution_pointwise_
        return cast(Tensor, into.binary(other, x, *_setting(layer), "add", 1.0, None, [], ""))
    return cast(Tensor, _operator().binary(x, other, *_setting(layer), "add", 1.0, None, [], ""))


def convolve_add_relu(layer: nn.Conv2d, x: Tensor, other: Tensor) -> Tensor:
    """Return ``relu(layer(x) + other)``.

    Parameters
    ----------
    layer : nn.Conv2d
        The convolution.
    x : Tensor of shape (batch, channels, height, width)
        What it takes.
    other : Tensor
        Of the shape of ``layer(x)``, or repeated along the batch to be so.
    """
    if _can_save(layer, x):
        return _with_fewer_products(
            layer, x, lambda made, image, rows: F.relu_(made.add_(_rows(other, image, rows)))
        )
    if not _can_fuse(layer, x, other):
        return F.relu_(layer(x).add_(other))
    return cast(Tensor, _operator().binary(x, other, *_setting(layer), "add", 1.0, "relu", [], ""))


def _rows(planes: Tensor, image: int, rows: slice) -> Tensor:
    """Return (rows, width, channels) of an image of (batch, channels, height, width); one may be for all."""
    return planes[image if len(planes) > 1 else 0, :, rows].permute(1, 2, 0)


def _operator() -> Any:
    return torch.ops.mkldnn._convolution_pointwise


def _setting(layer: nn.Conv2d) -> tuple[Any, ...]:
    return layer.weight, layer.bias, layer.padding, layer.stride, layer.dilation, layer.groups


def _can_fuse(layer: nn.Conv2d, x: Tensor, other: Tensor | None = None) -> bool:
    """Tell whether the operators are there and take these: on the CPU, channels last, of one dtype."""
    tensors = [x] if other is None else [x, other]
    return (
        not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and (
            layer.weight.dtype == torch.float32 or (layer.weight.dtype == torch.bfloat16 and _has_bfloat16())
        )
        and all(
            tensor.device.type == "cpu"
            and tensor.dtype == layer.weight.dtype
            and len(tensor) == len(x)
            and tensor.is_contiguous(memory_format=torch.channels_last)
            for tensor in tensors
        )
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    )


def _has_bfloat16() -> bool:
    """Tell whether oneDNN computes in bfloat16 here; if not, PyTorch still does, step by step."""
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


def _can_save(layer: nn.Conv2d, x: Tensor) -> bool:
    """Tell whether the detour takes this and is faster: in float32, on a CPU with AVX2 and nothing wider."""
    return (
        x.device.type == "cpu"
        and x.dim() == 4
        and x.dtype == layer.weight.dtype == torch.float32
        and layer.kernel_size == (3, 3)
        and (layer.stride, layer.padding, layer.dilation, layer.groups) == ((1, 1), (1, 1), (1, 1), 1)
        and layer.padding_mode == "zeros"
        and min(layer.weight.shape[:2]) >= WIDE_ENOUGH
        and min(x.shape[-2:]) >= LARGE_ENOUGH
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.cpu.get_cpu_capability() == "AVX2"
    )


def _with_fewer_products(layer: nn.Conv2d, x: Tensor, finish: winograd.Finish | None = None) -> Tensor:
    """Return ``layer(x)``, finished."""
    return winograd.convolve(x, layer.weight, layer.bias, finish)

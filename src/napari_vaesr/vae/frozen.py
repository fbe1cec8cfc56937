"""A network of other makers, as it is: never trained, never saved, one copy for each device and precision."""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_vaesr.vae.config import BaseNetwork


class Frozen:
    """Runs another network on images of any size, within the bounds of what it takes.

    It is no module, so that a network over it neither learns its weights nor saves them.

    Parameters
    ----------
    module : Module
        From (batch, channels, height, width) in [0, 1] to as many times more rows and columns.
    told : BaseNetwork
        What it needs.
    """

    def __init__(self, module: nn.Module, told: BaseNetwork) -> None:
        self.told = told
        self.module = module.eval().requires_grad_(False)
        self._copies: dict[tuple[torch.device, torch.dtype], nn.Module] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Frozen:
        return self  # for nothing changes it

    @property
    def channels(self) -> int:
        """Channels of what it sees."""
        return 1 if self.told.colours == "grey" else 3

    @torch.no_grad()
    def __call__(self, images: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
        """Enlarge images.

        Parameters
        ----------
        images : Tensor
            (batch, `channels`, height, width), about [0, 1].
        precision : dtype
            In which to compute; where the network does not bear it, float32.

        Returns
        -------
        Tensor
            (batch, `channels`, factor * height, factor * width), float32.
        """
        height, width = images.shape[-2:]
        borne = {torch.float32, *(getattr(torch, name) for name in self.told.precisions)}
        dtype = precision if precision in borne else torch.float32
        module = self._copy(images.device, dtype)
        with torch.autocast(images.device.type, enabled=False):
            enlarged = module(padded(images.to(dtype), self.told))
        factor = self.told.factor
        return cast(Tensor, enlarged[..., : factor * height, : factor * width].float())

    def _copy(self, device: torch.device, dtype: torch.dtype) -> nn.Module:
        if (device, dtype) not in self._copies:
            own = device.type == "cpu" and dtype == torch.float32  # as it was loaded
            module = self.module if own else copy.deepcopy(self.module).to(device=device, dtype=dtype)
            self._copies[device, dtype] = module
        return self._copies[device, dtype]


def padded(images: Tensor, told: BaseNetwork) -> Tensor:
    """Reflect images beyond their lower and right ends, to a size that a network takes.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, height, width)
        Of any size.
    told : BaseNetwork
        Says which sizes those are.
    """
    unit = told.multiple
    sides = [max(-(-side // unit), -(-told.smallest // unit)) * unit for side in images.shape[-2:]]
    if told.square:
        sides = [max(sides)] * 2
    while tuple(images.shape[-2:]) != tuple(sides):
        height, width = images.shape[-2:]
        # A reflection is at most as long as the image; one pixel has none.
        more = [min(side - size, max(size - 1, 0)) for side, size in zip(sides, (height, width), strict=True)]
        if min(height, width) == 1:
            return F.pad(images, (0, sides[1] - width, 0, sides[0] - height), mode="replicate")
        images = F.pad(images, (0, more[1], 0, more[0]), mode="reflect")
    return images

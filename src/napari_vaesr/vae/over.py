"""A ladder over another network: the base is that network, and the ladder learns what it leaves.

    b = the other network's y                          the base, which stays as it is
    F = trunk(y, unshuffle(b - bicubic(y)))            a small trunk, which sees the input and the base
    z_l ~ N(0, prior_l(F))                             coarse to fine
    x = b + (r(F, z) - r(F, -z)) / 2                   one sample, as in `napari_vaesr.vae.ladder`

So any network that enlarges images gets samples and an uncertainty. Its own answer is the mean of all.
"""

from __future__ import annotations

from dataclasses import replace
from math import lcm
from typing import ClassVar

import torch
from torch import Tensor

from napari_vaesr.luma import BLUE, GREEN, RED
from napari_vaesr.vae.base import Encoded, Inputs, SuperResolutionVAE
from napari_vaesr.vae.config import Factor, OverConfig
from napari_vaesr.vae.factor import as_factor, unshuffle
from napari_vaesr.vae.frozen import Frozen
from napari_vaesr.vae.ladder import RESIDUAL_UNIT, LadderVAE
from napari_vaesr.vae.resize import upsample_bicubic


class OverVAE(LadderVAE):
    """A ladder over a network of other makers.

    Parameters
    ----------
    config : OverConfig
        `blocks` and `width` size its own small trunk, `base` says what it stands on.

    Attributes
    ----------
    base : Frozen or None
        What it stands on; has to be given before anything is encoded.
    """

    config: OverConfig
    base_parts: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: OverConfig) -> None:
        super().__init__(config)
        del self.base_head  # the base is made already
        self.base: Frozen | None = None

    def begin_with(self, start: SuperResolutionVAE) -> None:
        """Take over the weights of a network over the same one."""
        SuperResolutionVAE.begin_with(self, start)

    @property
    def alignment(self) -> int:
        """Tile origins and sizes are multiples of this, for the latents and for the base's windows."""
        return lcm(super().alignment, self.config.base.multiple)

    @property
    def receptive_radius(self) -> int:
        """How far a pixel of the result looks; for the base, as far as tiles agree to its tolerance."""
        return self.config.base.halo + super().receptive_radius

    @property
    def sees_colours(self) -> bool:
        """Whether `encode_colours` does more than `encode` of the luma."""
        return self.config.base.colours == "rgb"

    def encode_colours(self, colours: Tensor) -> Encoded:
        """Compute what all samples share from images with colours.

        Parameters
        ----------
        colours : Tensor
            (batch, 3, height, width), red, green and blue.

        Returns
        -------
        Encoded
            Of the luma, with the chroma that the base gives it.
        """
        enlarged = self._enlarged(colours)
        luma, others = _luma(enlarged), enlarged[:, [2, 0]]
        weights = enlarged.new_tensor([BLUE, RED])[:, None, None]
        factor = as_factor(self.config.base.factor)
        encoded = self._climb(self._features(_luma(colours), luma, factor), luma, factor, None)
        return replace(encoded, chroma=(others - luma) / (2 * (1 - weights)))

    def _base(self, inputs: Inputs, factor: Factor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the small trunk's features and what the other network makes."""
        planes = inputs.plane
        grey = self.config.base.colours == "grey"
        enlarged = self._enlarged(planes if grey else planes.expand(-1, 3, -1, -1))
        base = enlarged if grey else _luma(enlarged)
        return self._features(planes, base, factor), base, None

    def _enlarged(self, images: Tensor) -> Tensor:
        if self.base is None:
            raise RuntimeError("The network that this one stands on has not been given.")
        return self.base(images, self.dtype)

    def _features(self, planes: Tensor, base: Tensor, factor: Factor) -> Tensor:
        added = unshuffle((base - upsample_bicubic(planes, factor)) / (2 * RESIDUAL_UNIT), factor)
        seen = torch.cat([4 * (planes - 0.5), added.to(planes.dtype)], dim=1)
        features: Tensor = self.trunk(seen.to(self.dtype).contiguous(memory_format=torch.channels_last))
        return features


def _luma(colours: Tensor) -> Tensor:
    """From (batch, 3, height, width) to (batch, 1, height, width)."""
    weights = colours.new_tensor([RED, GREEN, BLUE])[:, None, None]
    return (colours * weights).sum(dim=1, keepdim=True)

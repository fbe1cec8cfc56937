"""Leaving out what nothing looks at: near the edge of a tile's halo, the deeper in a network the more.

The first layer has to see all of the halo, the last one next to nothing of it. Where a tile is small or
thin, as planes along ``Z`` around a single plane are, most of the work would be on what is thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from napari_vaesr.imaging.tiling import Tile
from napari_vaesr.vae.base import Encoded, SuperResolutionVAE
from napari_vaesr.vae.config import Factor
from napari_vaesr.vae.fused import convolve, convolve_add, rectify_
from napari_vaesr.vae.trunk import Trunk


class Margins(NamedTuple):
    """Low-res pixels at each side of a tile."""

    top: int
    bottom: int
    left: int
    right: int

    def less(self, pixels: int) -> Margins:
        """Return narrower ones, down to 0."""
        return Margins(*(max(0, side - pixels) for side in self))


NONE = Margins(0, 0, 0, 0)

_spare: ContextVar[Margins] = ContextVar("spare", default=NONE)


class TrimmedTrunk(nn.Module):
    """A trunk that makes 0 of what nothing looks at (`sparing`), and works on the less the deeper it is.

    Parameters
    ----------
    trunk : Trunk
        Does the work.
    """

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk, self.reach = trunk, trunk.reach

    def forward(self, inputs: Tensor) -> Tensor:
        """From (batch, inputs, height, width) to (batch, width, height, width), as the trunk does."""
        trunk, spare = self.trunk, _spare.get()
        if spare == NONE:
            return cast(Tensor, trunk(inputs))
        ahead = 2 + 2 * len(trunk.blocks)  # how far the layers from here on look
        first = left_out = spare.less(ahead)
        entry = features = convolve(trunk.entry, _without(inputs, first))
        for block in trunk.blocks:
            ahead -= 2
            before, left_out = left_out, spare.less(ahead + 1)
            features = _without(features, left_out, before)
            features = block(features, reuse=features is not entry)
        features, entry = _without(features, spare.less(1), left_out), _without(entry, spare.less(1), first)
        made = rectify_(convolve_add(trunk.exit, features, entry))
        whole = made.new_zeros((*made.shape[:2], *inputs.shape[2:]))
        whole = whole.contiguous(memory_format=torch.channels_last)
        _inner(whole, spare.less(1)).copy_(made)
        return whole


def trimmed(network: SuperResolutionVAE) -> SuperResolutionVAE:
    """Give a network such a trunk, where it has one that sees planes as they lie; returns it."""
    trunk = getattr(network, "trunk", None)
    if isinstance(trunk, Trunk) and network.config.orientations == 1:
        network.trunk = TrimmedTrunk(trunk)
    return network


@contextmanager
def sparing(network: SuperResolutionVAE, factor: Factor, tile: Tile) -> Iterator[None]:
    """Within it, leave out of what is encoded what the core of a tile does not depend on.

    Parameters
    ----------
    network : SuperResolutionVAE
        With a trimmed trunk, or without one: then it does nothing.
    factor : (int, int)
        What it makes.
    tile : Tile
        What is encoded, halo included.
    """
    reach = network.trunk_reach(factor)
    if reach is None:
        yield
        return
    token = _spare.set(_halo(tile).less(reach))
    try:
        yield
    finally:
        _spare.reset(token)


def without_halo(
    network: SuperResolutionVAE, factor: Factor, encoded: Encoded, tile: Tile
) -> tuple[Encoded, Tile]:
    """Leave out of an encoded tile what no sample of its core depends on; returns what is left, and where.

    Parameters
    ----------
    network, factor
        As for `sparing`.
    encoded : Encoded
        Of the whole tile.
    tile : Tile
        Where it is.
    """
    reach = network.sample_reach(factor)
    if reach is None:
        return encoded, tile
    spare = _halo(tile).less(reach)
    spare = Margins(*(side // network.alignment * network.alignment for side in spare))
    if spare == NONE:
        return encoded, tile
    height, width = tile.padded_shape
    rows = tile.padded_rows[spare.top : height - spare.bottom]
    columns = tile.padded_columns[spare.left : width - spare.right]

    def part(image: Tensor) -> Tensor:
        """Return the same part of an image on any grid."""
        sides = image.shape[-2] / height, image.shape[-1] / width
        top, left = round(spare.top * sides[0]), round(spare.left * sides[1])
        kept = image[
            ...,
            top : top + round(len(rows) * sides[0]),
            left : left + round(len(columns) * sides[1]),
        ]
        return kept.contiguous(memory_format=torch.channels_last)

    left_over = replace(
        encoded,
        base=part(encoded.base),
        features=tuple(part(each) for each in encoded.features),
        chroma=None if encoded.chroma is None else part(encoded.chroma),
    )
    return left_over, replace(tile, padded_rows=rows, padded_columns=columns)


def _halo(tile: Tile) -> Margins:
    """Return the halo of a tile."""
    rows, columns = tile.core_slices()
    height, width = tile.padded_shape
    return Margins(rows.start, height - rows.stop, columns.start, width - columns.stop)


def _without(image: Tensor, spare: Margins, left_out: Margins = NONE) -> Tensor:
    """Return (batch, channels, height, width) without margins, some of which it lacks already."""
    if spare == left_out:
        return image
    more = Margins(*(side - gone for side, gone in zip(spare, left_out, strict=True)))
    # A copy always, for what comes next may be written over it.
    return _inner(image, more).clone(memory_format=torch.channels_last)


def _inner(image: Tensor, margins: Margins) -> Tensor:
    height, width = image.shape[-2:]
    return image[..., margins.top : height - margins.bottom, margins.left : width - margins.right]

"""Latent noise by position: a hash of where the noise is, not a stream.

The same (seed, plane, sample, level, channel, row, column) always gives the same number, so tiles need no
stitching and any crop can be computed alone. The hash is the 32-bit finaliser of MurmurHash3 (Appleby,
2011) over a counter, in the spirit of Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3";
Box and Muller (1958) make it normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import torch
from torch import Tensor

_ROW, _COLUMN, _CHANNEL = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D


def latent_noise(
    seed: int,
    plane: int,
    samples: Sequence[int],
    level: int,
    channels: int,
    rows: range,
    columns: range,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return standard normal noise for a region of one latent level.

    Samples ``2 j`` and ``2 j + 1`` are an antithetic pair: one is the other's exact negative.

    Parameters
    ----------
    seed : int
        Any integer; its low 64 bits count.
    plane : int
        Which plane of the stack, counted over its looped axes in C order.
    samples : sequence of int
        Which samples, from 0.
    level : int
        Which latent level, 0 being the coarsest.
    channels : int
        Latent channels of the level.
    rows, columns : range
        Latent coordinates in the whole plane, with step 1; negative ones lie in the border's padding.
    device : torch.device or str
        Where the noise is made.

    Returns
    -------
    Tensor
        (samples, channels, rows, columns), float32, values within 4.86 of zero.
    """
    grid = (torch.arange(each.start, each.stop, device=device) for each in (rows, columns))
    return noise_on_grid(seed, plane, samples, level, channels, *grid)


def noise_on_grid(
    seed: int,
    plane: int,
    samples: Sequence[int],
    level: int,
    channels: int,
    rows: Tensor,
    columns: Tensor,
) -> Tensor:
    """Do as `latent_noise` does, for rows and columns of a number that a trace leaves open.

    Parameters
    ----------
    seed, plane, samples, level, channels
        As for `latent_noise`.
    rows, columns : int64 Tensor of shape (n,)
        Latent coordinates, on the device where the noise is made.
    """
    device = rows.device
    pairs = sorted({sample // 2 for sample in samples})
    base = _mix_integers(seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF, plane, level)
    keys = torch.tensor(
        [_signed(_mix_integers(base, pair)) for pair in pairs], dtype=torch.int32, device=device
    )
    # Two channels share one hash: its halves are the radius and the angle of Box and Muller.
    couples = _counter(torch.arange((channels + 1) // 2, device=device), _CHANNEL)
    across = _counter(rows, _ROW)[:, None] + _counter(columns, _COLUMN)
    # The counters of a row and a column are scrambled apart before they meet, lest neighbours be alike.
    bits = _scramble(_scramble(across) + _scramble(couples)[:, None, None] + keys[:, None, None, None])
    angle = (bits & 0xFFFF).float().mul_(2 * pi / 65536)
    radius = (bits.bitwise_right_shift_(16).bitwise_and_(0xFFFF)).float().add_(0.5).div_(65536)
    radius = radius.log_().mul_(-2).sqrt_()
    normal = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=2).flatten(1, 2)[:, :channels]
    if len(samples) == 2 * len(pairs) and list(samples) == list(range(samples[0], samples[0] + len(samples))):
        return torch.stack([normal, -normal], dim=1).flatten(0, 1)
    place = {pair: index for index, pair in enumerate(pairs)}
    return torch.stack([normal[place[s // 2]] * (1 - 2 * (s % 2)) for s in samples])


def _counter(positions: Tensor, step: int) -> Tensor:
    """Return ``position * step`` modulo 2**32 as int32."""
    return (positions * step).remainder(2**32).sub(2**31).to(torch.int32).bitwise_xor(-(2**31))


def _scramble(x: Tensor) -> Tensor:
    """MurmurHash3's finaliser on int32 tensors; multiplication wraps."""
    x = x ^ (x.bitwise_right_shift(16) & 0xFFFF)
    x.mul_(_signed(0x85EBCA6B))
    x.bitwise_xor_(x.bitwise_right_shift(13).bitwise_and_(0x7FFFF))
    x.mul_(_signed(0xC2B2AE35))
    return x.bitwise_xor_(x.bitwise_right_shift(16).bitwise_and_(0xFFFF))


def _mix_integers(*values: int) -> int:
    """Hash a few integers to 32 bits."""
    x = 0x2545F491
    for value in values:
        x = (x ^ (value & 0xFFFFFFFF)) * 0x9E3779B1 & 0xFFFFFFFF
        x ^= x >> 16
        x = x * 0x85EBCA6B & 0xFFFFFFFF
        x ^= x >> 13
        x = x * 0xC2B2AE35 & 0xFFFFFFFF
        x ^= x >> 16
    return x


def _signed(value: int) -> int:
    """Reinterpret 32 unsigned bits as a signed number, which is what int32 tensors hold."""
    return value - 2**32 if value >= 2**31 else value

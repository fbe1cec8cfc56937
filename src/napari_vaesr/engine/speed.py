"""How fast a network is here, timed on a small tile, and not again for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from weakref import WeakKeyDictionary

import torch

from napari_vaesr.vae.config import Factor

KEPT_SECONDS = 60
"""How long a measured speed holds: many images that are looked at in a row do not each wait for another."""


@dataclass(frozen=True)
class Speed:
    """Seconds that a network takes for a pixel of its input.

    Attributes
    ----------
    encoding : float
        Once.
    decoding : float
        For each sample.
    """

    encoding: float
    decoding: float

    def seconds(self, samples: int) -> float:
        """Return what a pixel takes with so many samples."""
        return self.encoding + self.decoding * samples


_known: WeakKeyDictionary[torch.nn.Module, dict[Factor, tuple[float, Speed]]] = WeakKeyDictionary()


def speed_of(network: torch.nn.Module, factor: Factor, measure: Callable[[], Speed]) -> Speed:
    """Return the speed of a network that is on its device, measured within the last minute or now."""
    known = _known.setdefault(network, {})
    now = monotonic()
    when, speed = known.get(factor, (0.0, None))
    if speed is None or now - when > KEPT_SECONDS:
        speed = measure()
        known[factor] = monotonic(), speed
    return speed

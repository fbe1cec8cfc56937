"""What a training that started from a model tells while it runs. No torch here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from napari_vaesr.engine.progress import Progress

PATIENCE = 5
"""After so many checks without a new best, it has stopped helping."""


class Validation(BaseModel):
    """What a check on the held-out images found.

    Attributes
    ----------
    step : int
        Steps of training before it; 0 is the model that it started from.
    scores : dict of str to float
        By factor, as `factor_name` writes it, the PSNR in dB of the mean of a few samples.
    """

    model_config = ConfigDict(frozen=True)

    step: int
    scores: dict[str, float]

    @property
    def score(self) -> float:
        """The mean over all factors, in dB."""
        return fmean(self.scores.values())


@dataclass(frozen=True)
class Verdict:
    """What the checks of a run say so far.

    Attributes
    ----------
    checks : tuple of Validation
        In their order, at least one; the first is of the model that it started from.
    """

    checks: tuple[Validation, ...]

    @property
    def start(self) -> Validation:
        """The check of the model that it started from."""
        return self.checks[0]

    @property
    def best(self) -> Validation:
        """The best check since then; the start's own before any other."""
        return max(self.checks[1:], key=lambda check: check.score, default=self.start)

    @property
    def latest(self) -> Validation:
        """The last check."""
        return self.checks[-1]

    @property
    def gain(self) -> float:
        """How much better the best is than the start, in dB; negative when nothing helped."""
        return self.best.score - self.start.score

    @property
    def is_worse(self) -> bool:
        """Whether the latest check is below the start."""
        return self.latest.score < self.start.score

    @property
    def has_stalled(self) -> bool:
        """Whether the last `PATIENCE` checks brought no new best."""
        return len(self.checks) - 1 - self.checks.index(self.best) >= PATIENCE


@dataclass(frozen=True)
class Losses:
    """What a step lost.

    Attributes
    ----------
    step : int
        Steps done.
    loss : float
        In nats per high-res pixel.
    kl : tuple of float
        Of every latent level, coarsest first, in nats per latent position.
    """

    step: int
    loss: float
    kl: tuple[float, ...]


@dataclass(frozen=True)
class Pictures:
    """One held-out tile, in unit intensity, all of one size.

    Attributes
    ----------
    low, before, now, truth : array
        (Y, X), float32: the low-res tile enlarged by bicubic interpolation, the start's mean, the present
        mean, and the truth.
    scale : int
        The factor.
    """

    low: NDArray[np.float32]
    before: NDArray[np.float32]
    now: NDArray[np.float32]
    truth: NDArray[np.float32]
    scale: int


Event = Progress | Losses | Verdict | Pictures
Listen = Callable[[Event], None]

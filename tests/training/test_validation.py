"""Pairs to validate on are the same every time, and of every kind of image."""

from __future__ import annotations

from pathlib import Path

import torch

from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.validation import ValidationPairs


def test_they_are_the_same_every_time_and_of_every_factor(small_config: TrainingConfig, images: Path) -> None:
    noisy = small_config.model_copy(update={"degradation": Degradation(photons=(50.0, 100.0), clean=0.0)})
    one, other = ValidationPairs([images], noisy), ValidationPairs([images], noisy)
    assert len(one) == 3 * len(noisy.network.factors) == len(one.domains)
    for pair, again in zip(one.pairs, other.pairs, strict=True):
        assert torch.equal(pair.low, again.low) and torch.equal(pair.high, again.high)
        rows, columns = pair.factor
        assert pair.high.shape[-2:] == (pair.low.shape[-2] * rows, pair.low.shape[-1] * columns)
    assert {pair.factor for pair in one.pairs} == set(noisy.network.factors)
    seeded = ValidationPairs([images], noisy.model_copy(update={"seed": 1}))
    assert not torch.equal(seeded[0].low, one[0].low) and torch.equal(seeded[0].high, one[0].high)


def test_kinds_of_image_share_the_places_alike(small_config: TrainingConfig, images: Path) -> None:
    (images / "more").mkdir()
    (images / "more" / "one.png").write_bytes((images / "blobs" / "0.png").read_bytes())
    chosen = ValidationPairs([images], small_config, images=2, side=24)
    assert chosen.domains == ["blobs"] * 2 + ["more"] * 2
    assert max(pair.high.shape[-1] for pair in chosen.pairs) <= 24

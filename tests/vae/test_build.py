"""The networks that are built have the sizes that their presets promise."""

from __future__ import annotations

import pytest

from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import PRESETS


@pytest.mark.parametrize(
    ("name", "smallest", "largest"), [("tiny", 40_000, 120_000), ("base", 400_000, 1_000_000)]
)
def test_sizes(name: str, smallest: int, largest: int) -> None:
    weights = sum(weight.numel() for weight in build(PRESETS[name]).parameters())
    assert smallest < weights < largest

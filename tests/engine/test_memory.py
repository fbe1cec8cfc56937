"""Tiles and samples fit the memory."""

from __future__ import annotations

from napari_vaesr.engine import memory
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.engine.upscaler import Upscaler


def test_an_automatic_tile_fits_the_memory(model, monkeypatch):
    settings = make_settings(samples=4, device="cpu", precision="float32")
    roomy = Upscaler(model, settings)
    assert roomy.tile == memory.LARGEST_CPU_TILE
    monkeypatch.setattr(memory, "CPU_BUDGET", 2**22)
    tight = Upscaler(model, settings)
    assert tight.network.alignment <= tight.tile < 300
    assert tight.memory(tight.plan(range(900), range(900), (900, 900))[0]) <= 1.1 * 2**22

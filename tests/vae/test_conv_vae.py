"""The plain VAE."""

from __future__ import annotations

import pytest

from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import Level, NetworkConfig

LADDER = NetworkConfig(
    width=8, blocks=1, decoder_width=8, levels=(Level(stride=4, channels=4), Level(stride=1, channels=6))
)


def test_conv_vae_has_one_level() -> None:
    with pytest.raises(ValueError, match="one latent level"):
        build(LADDER.model_copy(update={"architecture": "conv_vae"}))

"""From a :class:`~napari_vaesr.vae.config.NetworkConfig` to a network."""

from __future__ import annotations

from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.config import NetworkConfig
from napari_vaesr.vae.conv_vae import ConvVAE
from napari_vaesr.vae.ladder import LadderVAE

ARCHITECTURES: dict[str, type[SuperResolutionVAE]] = {"ladder_vae": LadderVAE, "conv_vae": ConvVAE}


def build(config: NetworkConfig) -> SuperResolutionVAE:
    """Build a network with fresh weights.

    Parameters
    ----------
    config : NetworkConfig
        The architecture and its sizes.

    Returns
    -------
    SuperResolutionVAE
        In training mode, float32, on the CPU.
    """
    return ARCHITECTURES[config.architecture](config)

"""From a :class:`~napari_vaesr.vae.config.NetworkConfig` to a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.config import NetworkConfig
from napari_vaesr.vae.conv_vae import ConvVAE
from napari_vaesr.vae.ladder import LadderVAE
from napari_vaesr.vae.over import OverVAE

ARCHITECTURES: dict[str, Callable[[Any], SuperResolutionVAE]] = {
    "ladder_vae": LadderVAE,
    "conv_vae": ConvVAE,
    "over": OverVAE,
}


def build(config: NetworkConfig) -> SuperResolutionVAE:
    """Build a network with fresh weights.

    Parameters
    ----------
    config : NetworkConfig
        The architecture and its sizes.

    Returns
    -------
    SuperResolutionVAE
        In training mode, float32, on the CPU; one over another network has yet to be given that.
    """
    return ARCHITECTURES[config.architecture](config)


def outline(config: NetworkConfig) -> SuperResolutionVAE:
    """Build a network whose tensors have shapes but no memory, however large they are; see `build`."""
    with torch.device("meta"), _NoWeights():
        return build(config)


class _NoWeights(TorchFunctionMode):
    """Draws no weights; where there is no memory, PyTorch would only take a second to prepare for it."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function.__name__ == "normal_":  # of tensors, and of torch.nn.init
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)

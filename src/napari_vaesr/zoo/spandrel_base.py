"""Networks that spandrel knows, loaded from safetensors as the base of a model."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from napari_vaesr.errors import VaesrError, needing


@dataclass(frozen=True)
class Loaded:
    """A network of other makers and what it says of itself.

    Attributes
    ----------
    module : Module
        From (batch, channels, height, width) in [0, 1] to as many times more rows and columns.
    facts : dict
        Fields of `napari_vaesr.vae.config.BaseNetwork`.
    """

    module: nn.Module
    facts: dict[str, Any]


def load_spandrel(tensors: dict[str, Tensor], name: str) -> Loaded:
    """Build the network that weights belong to.

    Parameters
    ----------
    tensors : dict of Tensor
        The weights, by name.
    name : str
        Of their file, for messages.

    Raises
    ------
    VaesrError
        When spandrel is not installed, does not know the network, or it does not enlarge images.
    """
    spandrel = _spandrel()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what its networks use of PyTorch is theirs
            state = spandrel.canonicalize_state_dict(tensors)
            found = spandrel.ModelLoader().load_from_state_dict(state)
    except spandrel.UnsupportedModelError:
        raise VaesrError(
            f"spandrel does not know the network of {name}: give a file of a network for super-resolution."
        ) from None
    except (RuntimeError, KeyError, ValueError, AssertionError, TypeError) as error:
        raise VaesrError(f"The weights of {name} do not fill their network: get the file again.") from error
    channels = found.input_channels, found.output_channels
    if found.purpose != "SR" or found.scale < 2 or channels not in ((1, 1), (3, 3)):
        raise VaesrError(
            f"{name} is a network ({found.architecture.name}) of {channels[0]} channels to {channels[1]}, "
            f"{found.scale} times as large: give one that enlarges grey or colour images 2 times or more."
        )
    size = found.size_requirements
    formats = {"bfloat16": found.supports_bfloat16, "float16": found.supports_half}
    facts = {
        "form": "spandrel",
        "network": found.architecture.name,
        "factor": found.scale,
        "colours": "grey" if channels == (1, 1) else "rgb",
        "multiple": size.multiple_of,
        "smallest": max(size.minimum, 1),
        "square": size.square,
        "precisions": tuple(each for each, is_borne in formats.items() if is_borne),
    }
    return Loaded(_unbounded(found), facts)


def _unbounded(found: Any) -> nn.Module:
    """Return the network itself, which does not cut off what leaves [0, 1], where it is called as such."""
    module: nn.Module = found.model.eval()
    side = max(found.size_requirements.minimum, 32 * found.size_requirements.multiple_of, 32)
    probe = 0.4 + 0.2 * torch.rand(1, found.input_channels, side, side, generator=torch.manual_seed(0))
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted, own = found(probe), module(probe)
    if isinstance(own, Tensor) and own.shape == wanted.shape and torch.equal(own.clamp(0, 1), wanted):
        return module
    return _Called(found)


class _Called(nn.Module):
    """A network that is to be called by way of its descriptor."""

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.model, self.found = found.model, found

    def forward(self, images: Tensor) -> Tensor:
        """Enlarge, and cut off what leaves [0, 1]."""
        enlarged: Tensor = self.found(images)
        return enlarged.clone()  # it computes in inference mode, and a training may read this


def _spandrel() -> Any:
    with needing("over", "Networks of other makers need"), _without_torchvision():
        import spandrel
    return spandrel


NEEDED = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")


@contextmanager
def _without_torchvision() -> Iterator[None]:
    """Let spandrel be imported where torchvision is missing, or was built for another PyTorch.

    It takes three names from there, for networks that fill holes and mend faces; the others do without.
    """
    if "spandrel" in sys.modules or _is_sound():
        yield
        return
    before = {name: sys.modules.get(name) for name in NEEDED}
    stand_in = ModuleType(NEEDED[-1])
    for name in ("InterpolationMode", "rotate", "normalize"):
        setattr(stand_in, name, None)
    sys.modules.update({NEEDED[0]: ModuleType(NEEDED[0]), NEEDED[1]: ModuleType(NEEDED[1])})
    sys.modules[NEEDED[2]] = stand_in
    try:
        yield
    finally:
        for name, module in before.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module


def _is_sound() -> bool:
    try:
        import torchvision.transforms.functional  # noqa: F401
    except (ImportError, RuntimeError):
        return False
    return True

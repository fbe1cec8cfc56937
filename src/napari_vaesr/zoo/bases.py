"""Networks of other makers that models stand on: kept by their hash beside the user's models."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vaesr.errors import VaesrError
from napari_vaesr.vae.config import BaseNetwork, OverConfig
from napari_vaesr.zoo.card import LARGEST_WEIGHTS, ModelCard, read_regular
from napari_vaesr.zoo.folders import user_models

if TYPE_CHECKING:
    from napari_vaesr.vae.base import SuperResolutionVAE
    from napari_vaesr.vae.frozen import Frozen
    from napari_vaesr.zoo.spandrel_base import Loaded

SUFFIXES = {"spandrel": ".safetensors", "torchscript": ".pt"}


def base_path(told: BaseNetwork) -> Path:
    """Return where the file of a base is kept."""
    return user_models() / "bases" / f"{told.sha256}{SUFFIXES[told.form]}"


def keep_base(data: bytes, told: BaseNetwork) -> Path:
    """Write the content of a base's file to where models find it.

    Parameters
    ----------
    data : bytes
        The content.
    told : BaseNetwork
        What a card says of it.

    Raises
    ------
    VaesrError
        When it is another network or can't be written.
    """
    from napari_vaesr.files.atomic import atomic_path

    if sha256(data).hexdigest() != told.sha256:
        raise VaesrError(f"This is not the network {told.name} that the model means: its SHA-256 is another.")
    place = base_path(told)
    try:
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(place) as temporary:
                temporary.write_bytes(data)
    except OSError as error:
        raise VaesrError(f"{place} can't be written ({error.strerror or error}).") from error
    return place


def unshared_base(card: ModelCard) -> BaseNetwork | None:
    """Return the base that an exported model goes without, for its licence is not known or it brings code."""
    if not isinstance(card.network, OverConfig):
        return None
    base = card.network.base
    return None if base.may_be_shared and base.form == "spandrel" else base


def why_unshared(base: BaseNetwork) -> str:
    """Say why a base does not go along with an exported model."""
    return "it brings code of its own" if base.form == "torchscript" else "its licence is not known"


def missing_base(card: ModelCard) -> BaseNetwork | None:
    """Return the base that a model needs and that is not here."""
    if not isinstance(card.network, OverConfig) or base_path(card.network.base).exists():
        return None
    return card.network.base


def in_words(base: BaseNetwork) -> str:
    """Name a base, its makers and where it is found, for messages."""
    whose = f" by {base.authors}" if base.authors else ""
    return f"{base.name}{whose}" + (f", from {base.source}" if base.source else "")


def base_from_bytes(data: bytes, base: BaseNetwork) -> None:
    """Keep a base that came with a model, after checking it.

    Parameters
    ----------
    data : bytes
        Content of its file.
    base : BaseNetwork
        What the card says of it.

    Raises
    ------
    VaesrError
        When it is not the network that the card means, brings code, or can't be loaded or written.
    """
    if base.form != "spandrel":
        raise VaesrError(f"The network {base.name} brings code, and code is not taken in with a model.")
    _of_weights(data, base.name)
    keep_base(data, base)


def with_base(network: SuperResolutionVAE) -> SuperResolutionVAE:
    """Give a network over another one its base; any other comes back as it is.

    Raises
    ------
    VaesrError
        When the base is not here or can't be loaded.
    """
    from napari_vaesr.vae.over import OverVAE

    if isinstance(network, OverVAE):
        network.base = load_base(network.config.base)
    return network


def load_base(told: BaseNetwork) -> Frozen:
    """Load the base of a model.

    Raises
    ------
    VaesrError
        When it is not here, not the file that the card means, or can't be loaded.
    """
    path = base_path(told)
    if not path.exists():
        raise VaesrError(
            f"The model stands on the network {in_words(told)}, which is not here: get it and give "
            f"napari-vaesr models base {told.name}. Its SHA-256 is {told.sha256}."
        )
    return _loaded(told, path)


@lru_cache(maxsize=4)
def _loaded(told: BaseNetwork, path: Path) -> Frozen:
    from napari_vaesr.vae.frozen import Frozen

    data = _read(path)
    if sha256(data).hexdigest() != told.sha256:
        raise VaesrError(f"{path} is damaged, its SHA-256 is not that of its name: remove it.")
    if told.form == "torchscript":  # it is here for the user has said that it may run
        from napari_vaesr.zoo.script_base import load_torchscript

        loaded = load_torchscript(data, told.name)
    else:
        loaded = _of_weights(data, told.name)
    channels = "grey" if told.colours == "grey" else "rgb"
    if (loaded.facts["factor"], loaded.facts["colours"]) != (told.factor, channels):
        raise VaesrError(
            f"The card says another factor or other colours of its base {told.name} than its file; get the "
            "model again."
        )
    return Frozen(loaded.module, told)


def _of_weights(data: bytes, name: str) -> Loaded:
    from safetensors import SafetensorError
    from safetensors.torch import load

    from napari_vaesr.zoo.spandrel_base import load_spandrel

    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise VaesrError(
            f"{name} is damaged or no safetensors file: give one, or make one of a .pth file with "
            "napari-vaesr models convert."
        ) from error
    loaded = load_spandrel(tensors, name)
    return replace(loaded, facts={**loaded.facts, **_said(data)})


def _said(data: bytes) -> dict[str, str]:
    """Return what a safetensors file says of its makers, if it does."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    notes = header.get("__metadata__", {})
    names = {"licence": "license", "authors": "author"}
    said = {field: notes.get(name) or notes.get(f"modelspec.{name}") for field, name in names.items()}
    return {field: str(text)[:200] for field, text in said.items() if text}


@dataclass(frozen=True)
class Read:
    """A network read from a file, the content to keep of it, and the SHA-256 of that."""

    loaded: Loaded
    data: bytes
    sha256: str


def read_base(file: Path, *, runs_code: bool = False) -> Read:
    """Load a network from a file.

    Parameters
    ----------
    file : Path
        Safetensors that spandrel knows the network of; a TorchScript graph, or a BioImage.IO package with
        one.
    runs_code : bool
        Whether a graph may be loaded, which runs the code that it brings.

    Raises
    ------
    VaesrError
        When it can't be read, is no network that enlarges images, or brings code and is not trusted.
    """
    from napari_vaesr.zoo.script_base import graph_of_package, is_package, is_torchscript, load_torchscript

    data = _read(file)
    said: dict[str, str] = {}
    packed = is_package(data)
    if not packed and not is_torchscript(data):
        return Read(_of_weights(data, file.name), data, sha256(data).hexdigest())
    if not runs_code:
        raise VaesrError(
            f"{file.name} is TorchScript, which brings code of its own that is run whenever the model is "
            "used: add --runs-code if you trust whoever made it."
        )
    if packed:
        data, said = graph_of_package(file)
    loaded = load_torchscript(data, file.name)
    return Read(replace(loaded, facts={**loaded.facts, **said}), data, sha256(data).hexdigest())


def _read(file: Path) -> bytes:
    try:
        return read_regular(file, LARGEST_WEIGHTS)
    except OSError as error:
        raise VaesrError(f"The network {file} can't be read ({error.strerror or error}).") from error

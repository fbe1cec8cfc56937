"""Networks of other makers that models stand on: kept by their hash beside the user's models."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vaesr.errors import VaesrError
from napari_vaesr.vae.config import BaseNetwork, OverConfig
from napari_vaesr.zoo.card import LARGEST_WEIGHTS, ModelCard, read_regular
from napari_vaesr.zoo.registry import models, user_models

if TYPE_CHECKING:
    from napari_vaesr.vae.base import SuperResolutionVAE
    from napari_vaesr.vae.frozen import Frozen
    from napari_vaesr.zoo.spandrel_base import Loaded

SUFFIXES = {"spandrel": ".safetensors", "torchscript": ".pt"}


def base_path(told: BaseNetwork) -> Path:
    """Return where the file of a base is kept."""
    return user_models() / "bases" / f"{told.sha256}{SUFFIXES[told.form]}"


def keep_base(file: Path, told: BaseNetwork) -> Path:
    """Copy the file of a base to where models find it.

    Raises
    ------
    VaesrError
        When it is another file or can't be copied.
    """
    from napari_vaesr.files.atomic import atomic_path

    place = base_path(told)
    try:
        if hash_of(file) != told.sha256:
            raise VaesrError(f"{file} is not the network {told.name}: its SHA-256 is another.")
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(place) as temporary:
                shutil.copyfile(file, temporary)
    except OSError as error:
        raise VaesrError(f"{file} can't be copied to {place.parent} ({error.strerror or error}).") from error
    return place


def add_base(file: Path) -> list[str]:
    """Keep a network for the models that stand on it, and return their names.

    Raises
    ------
    VaesrError
        When none of the user's models stands on it, or it can't be loaded or kept.
    """
    digest = hash_of(file)
    over = {card.name: card.network for card in models().values() if isinstance(card.network, OverConfig)}
    found = {name: network.base for name, network in over.items() if network.base.sha256 == digest}
    if not found:
        raise VaesrError(
            f"No model here stands on {file.name}: take in the model first, or train one --over it."
        )
    for base in found.values():
        keep_base(file, base)
        load_base(base)
    return list(found)


def unshared_base(card: ModelCard) -> BaseNetwork | None:
    """Return the base that an exported model goes without, for its licence is not known or it brings code."""
    if not isinstance(card.network, OverConfig):
        return None
    base = card.network.base
    return None if base.may_be_shared and base.form == "spandrel" else base


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

    Raises
    ------
    VaesrError
        When it is not the network that the card means, or can't be loaded or written.
    """
    from napari_vaesr.files.atomic import atomic_path

    if base.form != "spandrel" or sha256(data).hexdigest() != base.sha256:
        raise VaesrError(f"The network {base.name} that came with the model is not the one its card means.")
    _of_bytes(data, base.name)
    place = base_path(base)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(place) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise VaesrError(f"{place} can't be written ({error.strerror or error}).") from error


def hash_of(file: Path) -> str:
    """Return the SHA-256 of a file of weights."""
    return sha256(_read(file)).hexdigest()


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
    loaded = _of_bytes(data, told.name)
    for name in ("factor", "form", "network"):
        if loaded.facts[name] != getattr(told, name):
            raise VaesrError(
                f"The card says another {name} of its base {told.name} than its file; get the model again."
            )
    return Frozen(loaded.module, told)


def _of_bytes(data: bytes, name: str) -> Loaded:
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


def read_base(file: Path) -> tuple[Loaded, str]:
    """Load a network from a file, and return its SHA-256 too.

    Raises
    ------
    VaesrError
        When it can't be read, is no safetensors file, or no network that enlarges images.
    """
    data = _read(file)
    return _of_bytes(data, file.name), sha256(data).hexdigest()


def _read(file: Path) -> bytes:
    try:
        return read_regular(file, LARGEST_WEIGHTS)
    except OSError as error:
        raise VaesrError(f"The network {file} can't be read ({error.strerror or error}).") from error

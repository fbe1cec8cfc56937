"""Which models there are, and how to get one: by name, by path or by URL."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from napari_vaesr.errors import VaesrError
from napari_vaesr.zoo import folders
from napari_vaesr.zoo.bases import with_base
from napari_vaesr.zoo.card import ModelCard, read_card
from napari_vaesr.zoo.download import MODEL_SUFFIXES, Report, download_model, is_url, split_hash
from napari_vaesr.zoo.folders import download_cache, user_models

if TYPE_CHECKING:
    from napari_vaesr.vae.base import SuperResolutionVAE


@dataclass(frozen=True)
class Model:
    """A network that is ready to use.

    Attributes
    ----------
    card : ModelCard
        What is known about it.
    network : SuperResolutionVAE
        In evaluation mode, float32, on the CPU. Shared by all who load the model: copy it before changing it.
    """

    card: ModelCard
    network: SuperResolutionVAE


def models() -> dict[str, ModelCard]:
    """Return the cards of the bundled models and of those in the user's folder, by name.

    A model of the user takes the place of a bundled one of the same name, and a file called like its model
    that of another with this name in its card. A card in the user's folder that can't be read is left out
    with a warning.
    """
    return {card.name: card for card, _ in _listed()}


def get_card(reference: str | Path | Model) -> ModelCard:
    """Return a model's card, without its weights where that can be done.

    Parameters
    ----------
    reference : str, Path or Model
        As for `load_model`.

    Raises
    ------
    VaesrError
        As for `load_model`.
    """
    if isinstance(reference, Model):
        return reference.card
    return read_card(card_path(reference))


def load_model(reference: str | Path | Model, *, progress: Report | None = None) -> Model:
    """Load a model, or return it from memory when its files have not changed.

    Parameters
    ----------
    reference : str, Path or Model
        The name of a model in `models`; the path or ``file://`` URL of its ``.json`` or ``.safetensors``;
        or an ``https://`` URL of either, downloaded once. A URL may end with ``#sha256=...``, the hash of the
        file it names. A `Model` is returned as it is.
    progress : callable, optional
        Called with bytes done and bytes in all while a download runs; without it a progress bar is shown.

    Returns
    -------
    Model
        The card and the network, in evaluation mode, float32, on the CPU.

    Raises
    ------
    VaesrError
        When there is no such model, or its files are missing, damaged or not those that belong together.
    """
    if isinstance(reference, Model):
        return reference
    path = card_path(reference, progress).absolute()
    return _load(path, _stamp(path), _stamp(path.with_suffix(".safetensors")))


@lru_cache(maxsize=8)
def _load(path: Path, card_stamp: tuple[int, int], weights_stamp: tuple[int, int]) -> Model:
    """Read a model; the stamps make it read again when a file has changed."""
    from napari_vaesr.zoo.weights import load_network

    card = read_card(path)
    return Model(card, with_base(load_network(card, path.with_suffix(".safetensors"))))


def _stamp(path: Path) -> tuple[int, int]:
    """Return what changes when a file does: time of writing and size; zeros when it is missing."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def _listed() -> Iterator[tuple[ModelCard, Path]]:
    """Yield cards and their paths, the user's after the bundled; of one name, that of the file comes last."""
    for path in sorted(folders.BUNDLED_MODELS.glob("*.json")):
        yield read_card(path), path
    found = []
    for path in sorted(user_models().glob("*.json")):
        try:
            found.append((read_card(path), path))
        except VaesrError as error:
            warnings.warn(str(error), stacklevel=3)
    # A copy that somebody has put aside has the name of the model in its card.
    yield from sorted(found, key=lambda each: each[0].name == each[1].stem)


def card_path(reference: str | Path, progress: Report | None = None) -> Path:
    """Find, and where needed fetch, the card that a reference means; the weights are beside it.

    Parameters
    ----------
    reference : str or Path
        A name, a path to the card or the weights, or a URL.
    progress : callable, optional
        As for `load_model`.

    Raises
    ------
    VaesrError
        When there is no such model, or it can't be downloaded.
    """
    if isinstance(reference, str):
        if is_url(reference):
            if urlsplit(reference).scheme != "file":
                return download_model(reference, download_cache(), progress)
            reference = _local_path(reference)
        elif Path(reference).suffix not in MODEL_SUFFIXES:
            return _path_of_name(reference)
    path = Path(reference).expanduser()
    if path.suffix not in MODEL_SUFFIXES:
        raise VaesrError(f"{path} is no model; give its .json card or its .safetensors weights.")
    if not path.exists():
        raise VaesrError(f"There is no model file {path}; check the path.")
    return path.with_suffix(".json")


def _local_path(url: str) -> Path:
    """Return the path that a file:// URL means, after checking the hash at its end."""
    address, expected = split_hash(url)
    path = Path(url2pathname(urlsplit(address).path))
    if expected and path.exists() and sha256(path.read_bytes()).hexdigest() != expected:
        raise VaesrError(f"The SHA-256 of {path} is not the one in the address; get the file again.")
    return path


def _path_of_name(name: str) -> Path:
    """Find the card of a model by its name."""
    paths = {card.name: path for card, path in _listed()}
    if name not in paths:
        known = ", ".join(paths) or "none"
        raise VaesrError(
            f"There is no model named {name!r}; choose from {known}, or give a path or an https:// address."
        )
    return paths[name]

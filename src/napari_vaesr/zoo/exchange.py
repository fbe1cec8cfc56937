"""A model in one file, to give away: a zip archive of its card and its weights."""

from __future__ import annotations

import zipfile
import zlib
from hashlib import sha256
from pathlib import Path, PurePosixPath

from napari_vaesr.errors import VaesrError
from napari_vaesr.vae.config import OverConfig
from napari_vaesr.zoo import folders
from napari_vaesr.zoo.bases import base_from_bytes, base_path, keep_base, read_base, unshared_base
from napari_vaesr.zoo.card import LARGEST_CARD, LARGEST_WEIGHTS, ModelCard, checked_name, parse_card
from napari_vaesr.zoo.download import MODEL_SUFFIXES
from napari_vaesr.zoo.folders import user_models
from napari_vaesr.zoo.registry import Model, card_path, models

KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How members may be packed: in ways that unpack no more than they say."""

BASE = ".base"
"""Ending of the network that a model stands on, where that goes along."""


DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
"""What a damaged archive can raise."""


class NameTaken(VaesrError):
    """There is another model of that name already."""


def export_model(model: str | Path | Model, file: str | Path) -> Path:
    """Write a model into one file, to be taken in by `import_model`.

    A base that is another network goes along where its licence is known; else the card names it, see
    `napari_vaesr.zoo.bases.unshared_base`.

    Parameters
    ----------
    model : str, Path or Model
        As for `napari_vaesr.load_model`.
    file : str or Path
        A ``.zip`` file, which is replaced, or a folder, for ``<name>.zip``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    VaesrError
        When there is no such model, its files are damaged, or the file can't be written.
    """
    from napari_vaesr.files.atomic import atomic_path
    from napari_vaesr.zoo.weights import network_from_bytes, weights_bytes

    if isinstance(model, Model):
        data, card = weights_bytes(model.network, model.card)
    else:
        path = card_path(model)
        card = parse_card(_read(path), path)
        weights = path.with_suffix(".safetensors")
        data = _read(weights)
        network_from_bytes(card, data, weights)  # nobody should get a damaged model
    file = Path(file)
    if file.is_dir():
        file = file / f"{card.name}.zip"
    if file.suffix.lower() != ".zip":
        raise VaesrError(f"A model is exported to a .zip file, and {file.name} is none: change its ending.")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(file) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(f"{card.name}.json", card.to_json())
            archive.writestr(f"{card.name}.safetensors", data)
            if isinstance(card.network, OverConfig) and unshared_base(card) is None:
                archive.writestr(f"{card.name}{BASE}", _read(base_path(card.network.base)))
    except OSError as error:
        raise VaesrError(
            f"{file} can't be written ({error.strerror or error}); choose another place."
        ) from error
    return file


def import_model(file: str | Path, name: str | None = None, *, replace: bool = False) -> ModelCard:
    """Take a model out of the file that `export_model` wrote, into the folder of the user's models.

    Everything is checked in memory before anything is written: the archive, the card, the SHA-256 of the
    weights, and that they fill the network. What the archive calls its members decides no path.

    Parameters
    ----------
    file : str or Path
        The ``.zip`` file.
    name : str, optional
        What to call the model here; left out, what its card says.
    replace : bool
        Take the place of a model of one's own of that name. A bundled model is never replaced.

    Returns
    -------
    ModelCard
        The card under which the model is now found.

    Raises
    ------
    VaesrError
        When the file is missing, damaged or no model, the name is taken (`NameTaken`) or not possible, or the
        models' folder can't be written.
    """
    from napari_vaesr.zoo.weights import network_from_bytes, write_model

    file = Path(file)
    card, data, base = _members(file)
    network_from_bytes(card, data, Path(f"in {file}"))
    if name is not None:
        card = card.model_copy(update={"name": checked_name(name)})
    known = models().get(card.name)
    own = user_models() / f"{card.name}.json"
    is_bundled = known is not None and card_path(card.name).parent == folders.BUNDLED_MODELS
    if known != card:
        if is_bundled:
            raise NameTaken(f"A bundled model is called {card.name!r} already: give this one another name.")
        if (known is not None or own.exists()) and not replace:
            raise NameTaken(
                f"You have another model called {card.name!r} already: give this one another name, or "
                "replace it."
            )
    if base is not None and isinstance(card.network, OverConfig):
        base_from_bytes(base, card.network.base)
    if known != card or not (is_bundled or _has_weights(card)):  # they may be gone
        write_model(own.with_suffix(".safetensors"), data, card)
    return card


def _has_weights(card: ModelCard) -> bool:
    """Tell whether the weights of a model are there, as its card says."""
    try:
        data = card_path(card.name).with_suffix(".safetensors").read_bytes()
    except OSError:
        return False
    return sha256(data).hexdigest() == card.sha256


def _members(file: Path) -> tuple[ModelCard, bytes, bytes | None]:
    """Read card, weights and perhaps a base out of an archive; the card tells how large weights may be."""
    from napari_vaesr.zoo.weights import largest_weights

    try:
        if file.exists() and not file.is_file():
            raise VaesrError(f"{file} is no file; choose the .zip file of a model.")
        with zipfile.ZipFile(file) as archive:
            found: dict[str, bytes] = {}
            largest, card = LARGEST_CARD, None
            for suffix in MODEL_SUFFIXES:
                inner = [each for each in archive.infolist() if PurePosixPath(each.filename).suffix == suffix]
                if len(inner) != 1:
                    raise VaesrError(
                        f"{file} is no exported model, it holds {len(inner)} {suffix} files instead of one; "
                        "export the model again."
                    )
                if inner[0].file_size > largest:
                    raise VaesrError(f"{file} holds a {suffix} file that is too large to be a model's.")
                if inner[0].compress_type not in KINDS:
                    raise VaesrError(f"{file} is packed in an unusual way; export the model again.")
                found[suffix] = archive.read(inner[0])
                if card is None:
                    card = parse_card(found[suffix], f"in {file}")
                    largest = largest_weights(card)
            assert card is not None
            bases = [each for each in archive.infolist() if PurePosixPath(each.filename).suffix == BASE]
            whole = len(bases) == 1 and bases[0].file_size <= LARGEST_WEIGHTS
            base = archive.read(bases[0]) if whole and bases[0].compress_type in KINDS else None
            return card, found[".safetensors"], base
    except FileNotFoundError:
        raise VaesrError(f"There is no file {file}; check the path.") from None
    except DAMAGE as error:
        if isinstance(error, VaesrError):
            raise
        raise VaesrError(f"{file} is damaged or no exported model; get the file again.") from error
    except OSError as error:
        raise VaesrError(f"{file} can't be read ({error.strerror or error}); check the file.") from error


def _read(path: Path) -> bytes:
    """Read one of the two files of a model."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise VaesrError(f"{path} can't be read ({error.strerror}); get the model again.") from error


def add_base(file: Path, *, runs_code: bool = False) -> list[str]:
    """Keep a network for the models that stand on it, and return their names.

    Parameters
    ----------
    file : Path
        The network.
    runs_code : bool
        Whether a TorchScript graph is trusted; see `read_base`.

    Raises
    ------
    VaesrError
        When none of the user's models stands on it, or it can't be loaded or kept.
    """
    read = read_base(file, runs_code=runs_code)
    over = {card.name: card.network for card in models().values() if isinstance(card.network, OverConfig)}
    found = {name: network.base for name, network in over.items() if network.base.sha256 == read.sha256}
    if not found:
        raise VaesrError(
            f"No model here stands on {file.name}: take in the model first, or train one --over it."
        )
    for base in found.values():
        keep_base(read.data, base)
    return list(found)

"""Weights on disk: safetensors beside a JSON card, checked by SHA-256 and never unpickled."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_vaesr.errors import VaesrError
from napari_vaesr.zoo.card import LARGEST_WEIGHTS, ModelCard, read_regular

if TYPE_CHECKING:
    from torch import Tensor

    from napari_vaesr.vae.base import SuperResolutionVAE


def save_model(
    destination: str | Path,
    network: SuperResolutionVAE,
    card: ModelCard,
    *,
    precision: Literal["float32", "bfloat16", "float16"] = "float32",
) -> Path:
    """Write a network's weights and its card side by side; nothing half-written ever has their names.

    Parameters
    ----------
    destination : str or Path
        A folder, for files named after the card, or the path of the ``.safetensors`` file.
    network : SuperResolutionVAE
        The network; it is not changed.
    card : ModelCard
        What to say about it. The network's architecture and receptive radius and the weights' SHA-256 are
        filled in.
    precision : {"float32", "bfloat16", "float16"}
        How floating-point weights are stored. They are always loaded as float32.

    Returns
    -------
    Path
        The ``.safetensors`` file; the card has the same name with ``.json``.

    Raises
    ------
    VaesrError
        When a weight is not finite or the files can't be written.
    """
    destination = Path(destination)
    path = destination if destination.suffix == ".safetensors" else destination / f"{card.name}.safetensors"
    data, card = weights_bytes(network, card, precision=precision)
    return write_model(path, data, card)


def weights_bytes(
    network: SuperResolutionVAE,
    card: ModelCard,
    *,
    precision: Literal["float32", "bfloat16", "float16"] = "float32",
) -> tuple[bytes, ModelCard]:
    """Return what `save_model` writes: the content of the weights file, and the card filled in.

    Parameters
    ----------
    network : SuperResolutionVAE
        Its weights.
    card : ModelCard
        What is known of it; network, receptive radius and SHA-256 are filled in.
    precision : {"float32", "bfloat16", "float16"}
        Of the numbers in the file.

    Raises
    ------
    VaesrError
        When a weight is not finite in that precision.
    """
    import torch

    tensors = {}
    for name, tensor in network.state_dict().items():
        stored = tensor.detach().cpu()
        if stored.is_floating_point():
            stored = stored.to(getattr(torch, precision))
            if not torch.isfinite(stored).all():
                raise VaesrError(
                    f"The weights {name!r} are not finite in {precision}; train again, more gently."
                )
        tensors[name] = stored.contiguous().clone()
    data = tensor_bytes(tensors, {"format": "pt", "model": card.name})
    return data, card.model_copy(
        update={
            "network": network.config,
            "receptive_radius": network.receptive_radius,
            "sha256": sha256(data).hexdigest(),
        }
    )


def tensor_bytes(tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """Return the content of a safetensors file, the same for the same tensors and metadata.

    Parameters
    ----------
    tensors : dict of str to Tensor
        Contiguous, none sharing memory with another.
    metadata : dict of str to str
        What the header tells besides.
    """
    from safetensors.torch import save

    data = save(tensors, metadata=metadata)
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(metadata.items()))  # the library's order is another each time
    told = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    told += b" " * (-len(told) % 8)
    return len(told).to_bytes(8, "little") + told + data[end:]


def write_model(path: Path, data: bytes, card: ModelCard) -> Path:
    """Write weights to ``path`` and their card beside them, both or neither; return the path.

    Parameters
    ----------
    path : Path
        Of the weights; the card has the same name with the ending ``.json``.
    data : bytes
        Content of the weights file.
    card : ModelCard
        Filled in, as from `weights_bytes`.

    Raises
    ------
    VaesrError
        When the files can't be written.
    """
    from napari_vaesr.files.atomic import atomic_path

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The inner file is moved into place first: a card never speaks of weights that are not there.
        with atomic_path(path.with_suffix(".json")) as card_file, atomic_path(path) as weights_file:
            weights_file.write_bytes(data)
            card_file.write_text(card.to_json(), encoding="utf-8")
    except OSError as error:
        raise VaesrError(
            f"The model can't be written to {path.parent} ({error.strerror or error}); choose another folder."
        ) from error
    return path


def load_network(card: ModelCard, weights: str | Path) -> SuperResolutionVAE:
    """Build the network of a card and fill it with its weights.

    Parameters
    ----------
    card : ModelCard
        The card that belongs to the weights.
    weights : str or Path
        The ``.safetensors`` file.

    Returns
    -------
    SuperResolutionVAE
        In evaluation mode, float32, on the CPU.

    Raises
    ------
    VaesrError
        When the file is missing, damaged, not the one its card describes, or does not fit the architecture.
    """
    path = Path(weights)
    try:
        data = read_regular(path, largest_weights(card))
    except FileNotFoundError:
        raise VaesrError(
            f"There are no weights {path}; keep the .safetensors file beside the .json file."
        ) from None
    except OSError as error:
        raise VaesrError(
            f"The weights {path} can't be read ({error.strerror or error}); check the file."
        ) from error
    return network_from_bytes(card, data, path)


def largest_weights(card: ModelCard) -> int:
    """Return how many bytes the weights of a card's network take at most, with their names.

    Raises
    ------
    VaesrError
        When the card describes a network that can't be built.
    """
    from napari_vaesr.vae.build import outline

    try:
        tensors = outline(card.network).state_dict().values()
    except (ValueError, RuntimeError, MemoryError) as error:
        raise VaesrError(
            f"The card of {card.name} describes a network that can't be built; get the model again."
        ) from error
    count = sum(8 * int(tensor.numel()) + 1024 for tensor in tensors)
    return min(count + 2**20, LARGEST_WEIGHTS)


def network_from_bytes(card: ModelCard, data: bytes, path: Path) -> SuperResolutionVAE:
    """Do as `load_network` does with the content of a weights file.

    Parameters
    ----------
    card : ModelCard
        What the weights have to fit.
    data : bytes
        Content of the safetensors file.
    path : Path
        For messages only.

    Raises
    ------
    VaesrError
        When the weights are damaged or not those of the card, or a network as the card says can't be built.
    """
    import torch

    from napari_vaesr.vae.build import outline

    tensors = _checked_tensors(card, data, path)
    try:
        # A card may ask for any amount of memory: first without any, to see whether the weights fit.
        network = outline(card.network)
    except (ValueError, RuntimeError, MemoryError) as error:
        raise VaesrError(
            f"The card of {path} describes a network that can't be built; get the card and the weights again."
        ) from error
    _check_fit(path, tensors, network.state_dict())
    # Weights take the place of those without memory, so none are drawn from the caller's random numbers.
    filled = {
        name: tensor.to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True)
        for name, tensor in tensors.items()
    }
    network.load_state_dict(filled, assign=True)
    if network.receptive_radius != card.receptive_radius:
        raise VaesrError(
            f"The card of {path} says that the network sees {card.receptive_radius} pixels but it sees "
            f"{network.receptive_radius}; get the card and the weights again."
        )
    return network.eval()


def _checked_tensors(card: ModelCard, data: bytes, path: Path) -> dict[str, Tensor]:
    """Parse and check a safetensors file that was read once, so that what was checked is what is used."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    if not card.sha256:
        raise VaesrError(f"The card of {path} has no SHA-256 to check the weights by; get the card again.")
    try:
        tensors = load(data)
    # What can go wrong in a header: its length, its JSON, a dtype of tomorrow, offsets that leave the file.
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise VaesrError(
            f"The weights {path} are damaged or no safetensors file; get the file again."
        ) from error
    if sha256(data).hexdigest() != card.sha256:
        raise VaesrError(
            f"The weights {path} are not the ones their card describes (the SHA-256 differs); "
            "get the card and the weights again."
        )
    return tensors


def _check_fit(path: Path, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """Refuse weights that are not exactly those of the architecture."""
    advice = "get the card and the weights again"
    for name in sorted(found.keys() ^ wanted.keys()):
        what = "lack" if name in wanted else "have an unexpected tensor"
        raise VaesrError(f"The weights {path} don't fit their card, they {what} {name!r}; {advice}.")
    for name, tensor in wanted.items():
        if found[name].shape != tensor.shape or found[name].is_floating_point() != tensor.is_floating_point():
            raise VaesrError(
                f"The weights {path} don't fit their card, {name!r} is {found[name].dtype} of shape "
                f"{tuple(found[name].shape)} and not {tensor.dtype} of shape {tuple(tensor.shape)}; {advice}."
            )

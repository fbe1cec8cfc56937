"""Training over another network: its description, the settings, and a memory of its answers."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.atomic import atomic_path
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.config import PRESETS, SIZES, BaseNetwork, OverConfig, Size
from napari_vaesr.vae.frozen import Frozen
from napari_vaesr.vae.over import OverVAE

OWN_SIZES = {"width": 48, "blocks": 3, "decoder_width": 32}
"""Of the small trunk and the ladder: a fraction of what the base costs."""

OVER_SETTINGS: dict[str, Any] = {
    "base_weight": 0.0,  # the base stays as it is
    "base_share": 0.0,
    "scale_weights": None,
    "pool": 400,  # so that the base, which costs most, answers each patch once
    "muon_rate": 3e-3,
    "anneal": 500,
}
"""Settings of a training over another network that differ from those of a recipe."""


def described_base(
    file: Path,
    *,
    licence: str = "",
    authors: str = "",
    source: str = "",
    colours: Literal["rgb", "luma"] = "rgb",
    runs_code: bool = False,
    run: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> BaseNetwork:
    """Load a network of other makers, measure it, and keep it where models find it.

    Parameters
    ----------
    file : Path
        Safetensors of a network that spandrel knows, a TorchScript graph or a BioImage.IO package.
    licence, authors, source : str
        For the card; left out, what the file says of itself, if it does.
    colours : {"rgb", "luma"}
        What a network with three channels sees of an image with colours: these, or the luma three times.
    runs_code : bool
        Whether a TorchScript graph is trusted; see `napari_vaesr.zoo.bases.read_base`.
    run : Path, optional
        Folder of a training that may have begun; what it measured is not measured again.
    say : callable
        Told what is done.

    Returns
    -------
    BaseNetwork
        All that a model over it has to know.

    Raises
    ------
    VaesrError
        When it can't be loaded, does not enlarge images, can't be kept, or what is said of it is too long.
    """
    from napari_vaesr.zoo.bases import keep_base, read_base
    from napari_vaesr.zoo.probe import measured

    read = read_base(file, runs_code=runs_code)
    facts = dict(read.loaded.facts)
    if facts["colours"] == "rgb":
        facts["colours"] = colours
    given = {"licence": licence, "authors": authors, "source": source}
    facts |= {name: value for name, value in given.items() if value}
    try:
        told = BaseNetwork(name=file.name, sha256=read.sha256, **facts)
    except ValidationError as error:
        problem = error.errors()[0]
        raise VaesrError(
            f"The {problem['loc'][0]} of {file.name} can't be noted on a card: {problem['msg']}."
        ) from None
    before = _of_run(run)
    if before is not None and all(getattr(before, name) == getattr(told, name) for name in SAID):
        told = before
    else:
        say(f"Measuring how far {file.name} ({told.network}, ×{told.factor}) looks.")
        told = measured(read.loaded.module, told)
    keep_base(read.data, told)
    return told


SAID = ("name", "sha256", "licence", "authors", "source", "colours")
"""What is not measured."""


def _of_run(run: Path | None) -> BaseNetwork | None:
    """Return the base of a training that has begun."""
    try:
        network = TrainingConfig.model_validate_json(((run or Path()) / "config.json").read_bytes()).network
    except (OSError, ValueError):
        return None
    return network.base if isinstance(network, OverConfig) else None


def over_network(base: BaseNetwork, size: Size | None = None) -> OverConfig:
    """Return the configuration of a ladder over a network.

    Parameters
    ----------
    base : BaseNetwork
        What it stands on.
    size : {"tiny", "base"}, optional
        Sizes of its own trunk and ladder; left out, between the two.
    """
    own: dict[str, Any] = OWN_SIZES
    if size is not None:
        own = PRESETS[size].model_dump(include=SIZES)
    return OverConfig(base=base, scales=(base.factor,), **own)


class RememberedBase(Frozen):
    """A base that keeps its answers in a folder, for a training asks the same again and again.

    Parameters
    ----------
    base : Frozen
        The base.
    folder : Path
        For its answers, in float16; those of an earlier part of the training are used, too.
    """

    def __init__(self, base: Frozen, folder: Path) -> None:
        super().__init__(base.module, base.told)
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, images: Tensor, precision: torch.dtype = torch.float32) -> Tensor:
        """Enlarge images, or remember what they became; see `Frozen`."""
        asked = images.detach().float().cpu().contiguous()
        content = f"{self.told.sha256}{tuple(asked.shape)}".encode() + asked.numpy().tobytes()
        file = self._folder / f"{sha256(content).hexdigest()[:32]}.npy"
        try:
            known = np.load(file)
        except (OSError, ValueError, EOFError):
            enlarged = super().__call__(images, precision)
            with atomic_path(file) as temporary, temporary.open("wb") as stream:
                np.save(stream, enlarged.half().cpu().numpy())
            return enlarged
        return torch.from_numpy(known).to(images.device).float()


def remember_base(folder: Path, *networks: SuperResolutionVAE) -> None:
    """Let networks over another one share what that answers."""
    for network in networks:
        if isinstance(network, OverVAE) and network.base is not None:
            network.base = RememberedBase(network.base, folder)

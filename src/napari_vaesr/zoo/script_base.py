"""TorchScript graphs as the base of a model: alone, or in a BioImage.IO package.

A graph brings code of its own, which is run. So it is loaded only where the user has said that he trusts it,
and never comes along with a model.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from napari_vaesr.errors import VaesrError, needing
from napari_vaesr.zoo.spandrel_base import Loaded

PROBE = 64
"""Side in pixels of what a graph is tried with."""

MULTIPLES = (1, 2, 4, 8, 16, 32, 64)


class FirstOutput(nn.Module):
    """A graph, of whose outputs the first counts."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.graph = graph

    def forward(self, images: Tensor) -> Tensor:
        """Enlarge images."""
        found = self.graph(images)
        return cast(Tensor, found[0] if isinstance(found, (tuple, list)) else found)


def load_torchscript(data: bytes, name: str) -> Loaded:
    """Load a graph, and find by running it what it makes of images.

    Parameters
    ----------
    data : bytes
        The file. What is in it is run.
    name : str
        For messages.

    Raises
    ------
    VaesrError
        When it is no graph, or does not enlarge grey or colour images by a whole number.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is called old, and still what packages hold
            graph = torch.jit.load(io.BytesIO(data), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise VaesrError(f"{name} is no TorchScript that this PyTorch can load: get another form.") from error
    module = FirstOutput(graph).eval()
    for channels in (1, 3):
        factor = _factor(module, channels, PROBE)
        if factor is not None:
            break
    else:
        raise VaesrError(
            f"{name} makes no larger image of the same channels from a grey or colour image: give one that "
            "enlarges 2 times or more, without other inputs."
        )
    multiple = next((each for each in MULTIPLES if _factor(module, channels, PROBE + each) == factor), None)
    if multiple is None:
        raise VaesrError(
            f"{name} takes images of {PROBE} × {PROBE} pixels, and none a little larger: give one for images "
            "of any size."
        )
    if _factor(module, channels, PROBE, count=2) != factor:
        raise VaesrError(f"{name} takes one image at a time: give one that takes several.")
    small = 4 * multiple
    smallest = small if _factor(module, channels, small) == factor else PROBE
    facts: dict[str, Any] = {
        "form": "torchscript",
        "network": "TorchScript",
        "factor": factor,
        "colours": "grey" if channels == 1 else "rgb",
        "multiple": multiple,
        "smallest": smallest,
        "square": _factor(module, channels, PROBE, PROBE + multiple) != factor,
    }
    return Loaded(module, facts)


def _factor(
    module: nn.Module, channels: int, height: int, width: int | None = None, *, count: int = 1
) -> int | None:
    """Return how many times larger a graph makes images of so many channels, None where it does not."""
    width = width or height
    image = torch.full((count, channels, height, width), 0.5)
    try:
        with torch.no_grad():
            made = module(image)
    except Exception:  # whatever the graph raises for images of other channels and sizes
        return None
    if not isinstance(made, Tensor) or made.ndim != 4 or made.shape[:2] != (count, channels):
        return None
    factor = made.shape[2] // height
    return factor if factor > 1 and made.shape[2:] == (factor * height, factor * width) else None


def is_torchscript(data: bytes) -> bool:
    """Tell a graph by its parts, without loading it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return False
    return any("/code/" in name for name in names)


def is_package(data: bytes) -> bool:
    """Tell whether a file is a BioImage.IO package."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(name.endswith(("bioimageio.yaml", "rdf.yaml")) for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


ALLOWED = {"scale_range", "scale_linear", "ensure_dtype", "clip"}
"""Preprocessing that the way of this package to unit intensity stands for, or that changes nothing there."""


def graph_of_package(file: Path) -> tuple[bytes, dict[str, str]]:
    """Take the TorchScript graph out of a BioImage.IO package, and what is said of its makers.

    Raises
    ------
    VaesrError
        When bioimageio is not installed, or the package has no graph whose input and output fit.
    """
    with needing("bioimageio", "BioImage.IO packages need"):
        from bioimageio.spec import InvalidDescr, load_description
        from bioimageio.spec.model import ModelDescr
    found = load_description(file)
    if isinstance(found, InvalidDescr) or not isinstance(found, ModelDescr):
        raise VaesrError(f"{file.name} is no BioImage.IO model that is valid and of version 0.5.")
    if found.weights.torchscript is None:
        raise VaesrError(f"{file.name} has no TorchScript weights: take a package that has.")
    if len(found.inputs) != 1:
        raise VaesrError(
            f"{file.name} has {len(found.inputs)} inputs: a network over it has one image to give."
        )
    steps = [str(step.id) for step in found.inputs[0].preprocessing]
    unfit = [step for step in steps if step not in ALLOWED]
    after = [str(step.id) for step in found.outputs[0].postprocessing]
    unfit += [step for step in after if step not in ("ensure_dtype", "clip")]
    if unfit:
        raise VaesrError(
            f"{file.name} changes intensities by {unfit[0]}, which depends on more than a tile: take a model "
            "whose images are scaled to 0 to 1, and whose answers are left as they are."
        )
    for step in found.inputs[0].preprocessing:
        if step.id == "scale_linear" and _leaves_unit(step.kwargs.gain, step.kwargs.offset):
            raise VaesrError(
                f"{file.name} takes images that are not scaled to 0 to 1, but multiplied by "
                f"{step.kwargs.gain} and moved by {step.kwargs.offset}: take a model for images from 0 to 1."
            )
    said = {
        "authors": ", ".join(each.name for each in found.authors),
        "licence": str(found.license or ""),
        "source": str(found.id or ""),
        "network": f"BioImage.IO {found.name}"[:200],
    }
    graph: bytes = found.weights.torchscript.get_reader().read()
    return graph, said


def _leaves_unit(gain: Any, offset: Any) -> bool:
    """Whether a linear scaling makes anything but 0 to 1 of images of whole numbers, or of 0 to 1."""
    return bool(np.any(np.asarray(gain) > 1) or np.any(np.asarray(offset) != 0))

"""A model as a BioImage.IO package: one scale as a TorchScript graph that runs without this library.

The graph takes low-res planes in unit intensity and returns the mean and the standard deviation of samples.
Their latent noise is computed inside, by place, as `napari_vaesr.upscale` does it for the first plane and
seed 0, so that the same plane always gives the same result.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from napari_vaesr.engine.moments import BROAD, NEIGHBOURS, PairedMoments, smoothed, with_areas
from napari_vaesr.errors import VaesrError, needing
from napari_vaesr.files.image import read_image
from napari_vaesr.imaging.intensity import PERCENTILES
from napari_vaesr.imaging.tiling import round_up
from napari_vaesr.sample_images import sample_path
from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.config import OverConfig
from napari_vaesr.vae.latent_noise import noise_on_grid
from napari_vaesr.zoo.calibration import AS_DRAWN, Calibration
from napari_vaesr.zoo.card import ModelCard
from napari_vaesr.zoo.registry import Model, load_model

TEST_SIDE = 64
"""Side of the test image, in low-res pixels, unless the network sees farther."""


class Graph(nn.Module):
    """From planes to the mean and the standard deviation of samples, in one call that can be traced.

    Parameters
    ----------
    network : SuperResolutionVAE
        In evaluation mode.
    scale, samples : int
        Fixed in the graph.
    calibration : Calibration
        Of the standard deviation.
    """

    def __init__(
        self, network: SuperResolutionVAE, scale: int, samples: int, calibration: Calibration
    ) -> None:
        super().__init__()
        self.network, self.scale, self.samples, self.calibration = network, scale, samples, calibration
        self.halo = round_up(network.receptive_radius + NEIGHBOURS + BROAD, network.alignment)
        self.smallest = round_up(2 * self.halo + 1, network.alignment)

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        """From (batch, 1, Y, X) in unit intensity to two times (batch, 1, scale * Y, scale * X)."""
        encoded = self.network.encode(planes, self.scale, self._told(planes))
        noise = []
        for index, level in enumerate(self.network.levels):
            rows, columns = (
                torch.arange(planes.shape[axis] // level.stride, device=planes.device) for axis in (2, 3)
            )
            drawn = noise_on_grid(0, 0, range(self.samples), index, level.channels, rows, columns)
            noise.append(drawn[:, None])
        moments = PairedMoments()
        moments.add(self._with_areas(self.network.decode(encoded, noise), encoded.base))
        assert moments.variance is not None
        std = self.calibration.slope * smoothed(moments.variance).sqrt() + self.calibration.offset
        return moments.mean, std.clamp(min=self.calibration.floor)

    def _with_areas(self, samples: Tensor, base: Tensor) -> Tensor:
        """Change samples (samples, batch, 1, Y, X) as `napari_vaesr.engine.moments.with_areas` does."""
        if not self.network.is_odd or self.calibration.factors == AS_DRAWN:
            return samples
        apart = samples - base
        cells = F.pixel_unshuffle(apart.flatten(0, 1), self.scale)
        changed = F.pixel_shuffle(with_areas(cells, self.calibration.factors), self.scale)
        return base + changed.reshape(apart.shape)

    def _told(self, planes: Tensor) -> Tensor | None:
        """Return what a conditioned network is told: the noise, as estimated, and nothing else."""
        if not self.network.config.conditioned:
            return None
        diagonal = (
            planes[..., ::2, ::2] - planes[..., ::2, 1::2] - planes[..., 1::2, ::2] + planes[..., 1::2, 1::2]
        )
        noise = (diagonal / 2).abs().flatten(1).median(dim=1).values / 0.6745
        nothing = torch.zeros_like(noise)
        return torch.stack([nothing, noise.square(), nothing, nothing], dim=1)


def export_bioimageio(
    model: str | Path | Model, file: str | Path, *, scale: int = 2, samples: int = 16
) -> Path:
    """Write a model as a BioImage.IO package (model description 0.5).

    Parameters
    ----------
    model : str, Path or Model
        As for `napari_vaesr.load_model`.
    file : str or Path
        A ``.zip`` file, which is replaced.
    scale : int
        One of the model's scales: a package holds one.
    samples : int
        Samples per plane, an even number.

    Returns
    -------
    Path
        The file, which `bioimageio.spec` has accepted.

    Raises
    ------
    VaesrError
        When `bioimageio.core` is not installed, the model lacks the scale, or the file can't be written.
    """
    model, file = load_model(model), Path(file)
    if isinstance(model.card.network, OverConfig):
        raise VaesrError(
            f"{model.card.name!r} stands on a network of other makers, which can't be put into a BioImage.IO "
            "package: export it with --format model."
        )
    if scale not in model.card.scales:
        scales = ", ".join(map(str, model.card.scales))
        raise VaesrError(f"{model.card.name!r} has no scale {scale}: choose one of {scales}.")
    if samples < 2 or samples % 2:
        raise VaesrError(f"A package draws an even number of samples from 2, not {samples}.")
    if file.suffix.lower() != ".zip":
        raise VaesrError(f"A package is a .zip file, and {file.name} is none: change its ending.")
    with needing("bioimageio", "This needs"):
        from bioimageio.spec import InvalidDescr, save_bioimageio_package
    from napari_vaesr.files.atomic import atomic_path

    known = model.card.calibration.get(str(scale), ())
    graph = Graph(model.network, scale, samples, known[0] if known else Calibration()).eval()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        description = _description(graph, model.card, folder)
        if isinstance(description, InvalidDescr):
            problem = description.validation_summary.errors[0]
            field = ".".join(map(str, problem.loc))
            raise VaesrError(f"bioimageio.spec refuses the package at {field!r}: {problem.msg}.")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(file) as temporary:
                save_bioimageio_package(description, output_path=temporary)
        except OSError as error:
            raise VaesrError(
                f"{file} can't be written ({error.strerror or error}); choose another place."
            ) from error
    return file


def _traced(graph: Graph, example: Tensor) -> Any:
    """Record the graph for planes of any size."""
    # Where gradients are recorded, operators are plain ones, which a graph can hold: see `vae.fused`.
    with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
        # Tracing is called deprecated, but it is the form that every BioImage.IO consumer reads; the tracer
        # also warns about constants, which are meant to be some.
        warnings.simplefilter("ignore")
        return torch.jit.trace(graph, example, check_trace=False)  # type: ignore[no-untyped-call]


def _description(graph: Graph, card: ModelCard, folder: Path) -> Any:
    """Write weights, test tensors and documentation into a folder, and describe them."""
    from bioimageio.spec.model import v0_5

    image = _test_image(max(TEST_SIDE, graph.smallest))
    scaling, kwargs = _scaling(card)
    unit = _unit(image, card)
    traced = _traced(graph, torch.from_numpy(unit))
    traced.save(str(folder / "weights.pt"))
    with torch.no_grad():
        mean, std = (each.numpy() for each in graph(torch.from_numpy(unit)))
    for name, array in (("input", image), ("mean", mean), ("std", std)):
        np.save(folder / f"test_{name}.npy", array)
    (folder / "README.md").write_text(_documentation(graph, card), encoding="utf-8")

    def space(axis: str) -> dict[str, Any]:
        return {
            "type": "space",
            "id": axis,
            "size": {"min": graph.smallest, "step": graph.network.alignment},
            "scale": 1.0,
        }

    def output(name: str, about: str) -> dict[str, Any]:
        def large(axis: str) -> dict[str, Any]:
            size = {"tensor_id": "low_res", "axis_id": axis, "offset": 0}
            halo = graph.halo * graph.scale
            return {"type": "space", "id": axis, "size": size, "scale": 1 / graph.scale, "halo": halo}

        return {
            "id": name,
            "description": about,
            "axes": [BATCH, CHANNEL, large("y"), large("x")],
            "data": {"type": "float32"},
            "test_tensor": {"source": folder / f"test_{name}.npy"},
        }

    fields: dict[str, Any] = {
        "type": "model",
        "format_version": v0_5.ModelDescr.implemented_format_version,
        "name": f"{card.name.replace('.', '-')} x{graph.scale} upscaling with uncertainty",
        "description": f"{card.title}: computational upsampling {graph.scale} times, with its uncertainty.",
        "authors": [{"name": "napari-vaesr developers"}],
        "license": card.licence,
        # A version of any other form stands in the card, under `config`.
        **({"version": card.version} if re.fullmatch(r"\d+(\.\d+)*", card.version) else {}),
        "tags": ["super-resolution", "uncertainty", "variational-autoencoder", "2d", "pytorch"],
        "cite": [{"text": text, "doi": doi} for text, doi in PAPERS],
        "documentation": {"source": folder / "README.md"},
        "timestamp": datetime.now(UTC).isoformat(),
        "inputs": [
            {
                "id": "low_res",
                "description": "Planes in the intensities of the microscope.",
                "axes": [BATCH, CHANNEL, space("y"), space("x")],
                "data": {"type": "float32"},
                "test_tensor": {"source": folder / "test_input.npy"},
                "preprocessing": [{"id": scaling, "kwargs": kwargs}],
            }
        ],
        "outputs": [
            output("mean", f"Mean of {graph.samples} samples, in unit intensity."),
            output("std", "Calibrated standard deviation of a pixel, in unit intensity."),
        ],
        "weights": {
            "torchscript": {
                "source": folder / "weights.pt",
                "pytorch_version": torch.__version__.partition("+")[0],
                "comment": f"Traced from the napari-vaesr model of SHA-256 {card.sha256}.",
            }
        },
        "config": {
            "bioimageio": {
                "reproducibility_tolerance": [{"relative_tolerance": 1e-3, "absolute_tolerance": 1e-5}]
            },
            "napari_vaesr": card.model_dump(mode="json"),
        },
    }
    return v0_5.ModelDescr.load(fields)


BATCH = {"type": "batch"}
CHANNEL = {"type": "channel", "channel_names": ["intensity"]}

PAPERS = (
    ("Kingma and Welling (2014), Auto-encoding variational Bayes", "10.48550/arXiv.1312.6114"),
    ("Sønderby et al. (2016), Ladder variational autoencoders", "10.48550/arXiv.1602.02282"),
)


def _test_image(side: int) -> NDArray[np.float32]:
    """Return a part of the sample of nuclei, (1, 1, side, side), of up to 256 pixels."""
    plane = np.asarray(read_image(sample_path("nuclei")).data[14])
    start = max(0, min(96, len(plane) - side))
    part = plane[start : start + side, start : start + side].astype(np.float32)
    return np.ascontiguousarray(part[None, None])


def _scaling(card: ModelCard) -> tuple[str, dict[str, Any]]:
    """Return the BioImage.IO preprocessing that is nearest to the model's intensity scaling."""
    if card.intensity == "dtype":
        return "scale_linear", {"gain": 1 / 255, "offset": 0.0}
    low, high = PERCENTILES if card.intensity == "percentile" else (0.0, 100.0)
    axes = ["channel", "y", "x"]
    return "scale_range", {"axes": axes, "min_percentile": low, "max_percentile": high}


def _unit(image: NDArray[np.float32], card: ModelCard) -> NDArray[np.float32]:
    """Do to the test image what the preprocessing does."""
    name, kwargs = _scaling(card)
    if name == "scale_linear":
        return np.asarray(image * kwargs["gain"], np.float32)
    low, high = np.percentile(image, (kwargs["min_percentile"], kwargs["max_percentile"]))
    return np.asarray((image - low) / (high - low + 1e-6), np.float32)


def _documentation(graph: Graph, card: ModelCard) -> str:
    """Say what the package holds and what it does not."""
    eight_bit = " The images have to be of 8 bits." if card.intensity == "dtype" else ""
    scores = "\n".join(f"- {name}: {value:g}" for name, value in card.metrics.items()) or "- none"
    sources = "\n".join(f"- {each.name}: {each.origin} ({each.licence})" for each in card.training_data)
    return f"""# {card.title}

{card.description}

This package is one part of the napari-vaesr model `{card.name}`: upsampling {graph.scale} times along y and
x, with {graph.samples} samples of a conditional ladder variational autoencoder. It is a TorchScript graph
that needs PyTorch alone.

## Input and outputs

- `low_res`: grey planes, one channel; sizes are multiples of {graph.network.alignment}. The preprocessing
  scales them to unit intensity, plane by plane.{eight_bit}
- `mean`: the mean of the samples, in unit intensity, {graph.scale} times as many pixels.
- `std`: their standard deviation, in unit intensity: how large an error to expect. It is calibrated for
  images with little noise; in napari-vaesr the calibration also follows the noise of the image.

The latent noise is made inside the graph from the position of a pixel, so the same input always gives the
same output. In tiles, each tile draws the noise of an image's corner, and edges of tiles may show in `std`.

## Limits

{card.limits}

## Training

{sources}

## Validation

On validation images that were degraded as those trained on (PSNR in dB):

{scores}

To validate it on your own images, compare `mean` with a truth of more pixels after a linear fit of
intensities, and check that nine tenths of the pixels of the truth lie within 1.645 `std` of `mean`.
"""

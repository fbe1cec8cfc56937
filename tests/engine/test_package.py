"""A BioImage.IO package is valid, runs without this library, and gives what the upscaler gives."""

from __future__ import annotations

import gc
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_vaesr.engine.package import TEST_SIDE, Graph, _traced, export_bioimageio
from napari_vaesr.errors import VaesrError
from napari_vaesr.trust.upscale import upscale
from napari_vaesr.vae.config import NetworkConfig
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.registry import Model, load_model

pytest.importorskip("bioimageio.core")

# bioimageio.spec leaves files to the garbage collector, and every consumer of TorchScript loads it so.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:.*torch.jit.load.*:DeprecationWarning",
)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let the files of a test be closed before the next one, where the warnings would count."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture(scope="module")
def package(tiny_model_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_bioimageio(tiny_model_path, tmp_path_factory.mktemp("package") / "tiny.zip", samples=4)


def test_its_own_validator_and_test_pass(package: Path) -> None:
    from bioimageio.core import test_model

    summary = test_model(package)
    assert summary.status == "passed", summary.format()
    weights = [detail for detail in summary.details if "torchscript" in str(detail.loc)]
    assert weights and all(detail.status == "passed" for detail in weights)


def test_a_network_that_is_told_and_sees_far_passes_its_test(make_network, make_card, tmp_path: Path) -> None:
    """As the bundled ones: its test image is no smaller than what the package asks for."""
    from bioimageio.core import test_model

    config = NetworkConfig(
        scales=(2,), conditioned=True, consistent=True, width=4, blocks=12, decoder_width=4
    )
    network = make_network(config)
    assert 2 * network.receptive_radius > TEST_SIDE
    model = Model(make_card(network=config), network)
    summary = test_model(export_bioimageio(model, tmp_path / "far.zip", samples=2))
    assert summary.status == "passed", summary.format()


@pytest.mark.parametrize("shape", [(48, 60), (64, 48)])
def test_the_graph_gives_what_the_upscaler_gives(
    package: Path, tiny_model_path: Path, tmp_path: Path, shape: tuple[int, int]
) -> None:
    """Also at the border and at sizes that were not traced."""
    with zipfile.ZipFile(package) as archive:
        archive.extract("weights.pt", tmp_path)
    graph = torch.jit.load(tmp_path / "weights.pt")
    plane = np.random.default_rng(0).random(shape).astype(np.float32)
    plane.flat[:2] = 0, 1  # so that the scaling to unit intensity changes nothing
    model = load_model(tiny_model_path)
    network_card = model.card.model_copy(update={"intensity": "minmax"})
    result = upscale(
        plane,
        axes="YX",
        model=type(model)(network_card, model.network),
        scale=2,
        samples=4,
        seed=0,
        device="cpu",
        precision="float32",
    )
    with torch.no_grad():
        mean, std = (each[0, 0].numpy() for each in graph(torch.from_numpy(plane)[None, None]))
    np.testing.assert_allclose(mean, result.mean, atol=2e-5)
    np.testing.assert_allclose(std, result.std, atol=2e-5)


def test_a_graph_that_changes_areas_takes_any_batch(make_network) -> None:
    network = make_network(NetworkConfig(scales=(4,), width=4, blocks=1, decoder_width=4))
    graph = Graph(network, 4, 4, Calibration(areas=1.5, quarters=0.6)).eval()
    traced = _traced(graph, torch.rand(1, 1, 16, 16))
    planes = torch.rand(2, 1, 12, 20)
    for own, its in zip(traced(planes), graph(planes), strict=True):
        torch.testing.assert_close(own, its)


def test_a_graph_of_a_network_that_is_told_what_planes_are_tells_it_nothing(make_network) -> None:
    config = NetworkConfig(
        row_factors=(2,), conditioned=True, sections=True, consistent=True, width=4, blocks=1, decoder_width=4
    )
    network = make_network(config)
    graph, planes = Graph(network, 2, 4, Calibration()).eval(), torch.rand(1, 1, 24, 24)
    told = graph._told(planes)
    assert told is not None and told.shape == (1, 4) and (told[:, [0, 2, 3]] == 0).all()
    for own, its in zip(_traced(graph, torch.rand(1, 1, 16, 16))(planes), graph(planes), strict=True):
        torch.testing.assert_close(own, its)


def test_it_tells_what_it_is(package: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        names, documentation = archive.namelist(), archive.read("README.md").decode()
    assert {"weights.pt", "test_input.npy", "test_mean.npy", "test_std.npy"} <= set(names)
    assert "## Validation" in documentation and "Makes noise." in documentation


def test_what_can_not_be_packed_is_said(tiny_model_path: Path, tmp_path: Path) -> None:
    for changes, words in (
        ({"scale": 5}, "has no scale 5"),
        ({"samples": 3}, "even number"),
    ):
        with pytest.raises(VaesrError, match=words):
            export_bioimageio(tiny_model_path, tmp_path / "out.zip", **changes)
    with pytest.raises(VaesrError, match=r"\.zip file"):
        export_bioimageio(tiny_model_path, tmp_path / "out.tar")
    assert not list(tmp_path.iterdir())


def test_a_version_of_ones_own_form_is_no_obstacle(tiny_model_path: Path, tmp_path: Path) -> None:
    from bioimageio.spec import load_description

    model = load_model(tiny_model_path)
    named = type(model)(model.card.model_copy(update={"version": "2-interim"}), model.network)
    description = load_description(export_bioimageio(named, tmp_path / "own.zip", samples=2))
    assert description.validation_summary.status != "failed", description.validation_summary.format()

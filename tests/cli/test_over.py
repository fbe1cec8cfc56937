"""From a network of other makers to a model over it, given away and taken in."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from napari_vaesr.cli import app
from napari_vaesr.vae.config import OverConfig
from napari_vaesr.zoo.card import read_card

SMALL = {
    "patch": 16,
    "batch": 2,
    "pool": 2,
    "validate_every": 10,
    "network": {"width": 8, "blocks": 0, "decoder_width": 8},
}


def run(*arguments: object, fails: bool = False):
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert (done.exit_code != 0) == fails, done.output
    return done


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for index in range(3):
        pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{index}.png")
    (tmp_path / "small.json").write_text(json.dumps(SMALL))
    return tmp_path / "images"


@pytest.fixture
def trained(images: Path, compact_file: Path) -> list[str]:
    """The command of a training over the network, done."""
    command = ["train", "images", "--over", "compact.safetensors", "--recipe", "photo", "--steps", "3"]
    command += ["--config", "small.json"]
    run(*command)
    return command


pytestmark = [pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")]


def test_train_over_a_network_and_upscale_colours(trained, tmp_path, compact_file):
    card = read_card(tmp_path / "models" / "compact-sure.json")
    assert isinstance(card.network, OverConfig)
    base = card.network.base
    assert (base.name, base.licence, base.authors) == ("compact.safetensors", "MIT", "A. Nyone")
    assert (base.halo, base.multiple, card.scales) == (4, 1, (2,))
    assert "2" in card.calibration
    assert "compact-sure" in run("models").output
    run("upscale", "images/0.png", "large.tif", "--model", "compact-sure", "--samples", "4", "--scale", "2")
    with tifffile.TiffFile("large.tif") as file:
        assert file.series[0].shape[-2:] == (128, 128)
    # What the base answered is not asked again; the run goes on with what was measured.
    answers = set(Path("runs/compact-sure/base").iterdir())
    done = run(*trained[:-4], "--steps", "5", *trained[-2:])
    assert "Measuring" not in done.output
    assert {path.name for path in answers} <= {each.name for each in Path("runs/compact-sure/base").iterdir()}


def test_a_base_whose_licence_is_known_goes_along(trained, tmp_path, monkeypatch):
    run("models", "export", "compact-sure", "given.zip")
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "elsewhere"))
    run("models", "import", "given.zip")
    run("upscale", "images/0.png", "large.tif", "--model", "compact-sure", "--scale", "2")


def test_a_base_of_unknown_licence_is_named_and_left_out(
    images, compact_file, compact_weights, tmp_path, monkeypatch
):
    save_file(compact_weights(), "unknown.safetensors")
    command = ["train", "images", "--over", "unknown.safetensors", "--recipe", "photo", "--steps", "2"]
    run(*command, "--over-authors", "A. Nyone", "--config", "small.json", "--name", "sure")
    note = run("models", "export", "sure", "given.zip").stderr
    assert "unknown.safetensors by A. Nyone" in note and "licence is not known" in note
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "elsewhere"))
    assert "models base unknown.safetensors" in run("models", "import", "given.zip").stderr
    upscale = ["upscale", "images/0.png", "large.tif", "--model", "sure", "--scale", "2"]
    assert "is not here" in run(*upscale, fails=True).stderr
    assert "No model here" in run("models", "base", compact_file, fails=True).stderr
    assert "Kept for sure" in run("models", "base", "unknown.safetensors").output
    run(*upscale)


def test_pth_files_are_converted_and_told_about(images, compact_file, compact_weights):
    torch.save({"params": compact_weights(), "step": 3}, "net.pth")
    done = run("models", "convert", "net.pth", "--licence", "MIT")
    assert "net.safetensors: RealESRGAN Compact, ×2, rgb" in done.stdout
    assert "weights_only=True" in done.stderr and "under 'params'; left out: step" in done.stderr


class Doubling(torch.nn.Module):
    """Two times as large, and a second output that nobody asks for."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, images):
        larger = torch.nn.functional.pixel_shuffle(self.layer(images), 2)
        return larger, images


@pytest.fixture
def graph(images: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(Doubling(), torch.rand(1, 1, 64, 64), check_trace=False)
        traced.save("graph.pt")
    return Path("graph.pt")


def test_torchscript_is_run_only_where_it_is_trusted(graph, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "models"))
    command = ["train", "images", "--over", graph, "--name", "sure", "--steps", "2", "--config", "small.json"]
    assert "--runs-code" in run(*command, fails=True).stderr
    run(*command, "--runs-code", "--over-licence", "MIT")
    network = read_card(tmp_path / "models" / "sure.json").network
    assert isinstance(network, OverConfig)
    base = network.base
    assert (base.form, base.factor, base.colours, base.halo) == ("torchscript", 2, "grey", 4)
    # However well its licence is known, code does not go along with a model.
    assert "brings code" in run("models", "export", "sure", "given.zip").stderr
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(tmp_path / "elsewhere"))
    assert "is not here" in run("models", "import", "given.zip").stderr
    assert "--runs-code" in run("models", "base", graph, fails=True).stderr
    run("models", "base", graph, "--runs-code")
    run("upscale", "images/0.png", "large.tif", "--model", "sure", "--scale", "2", "--samples", "4")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--start", "photo"], "leave --start"),
        (["--size", "conv_vae"], "stands on no other network"),
    ],
)
def test_what_does_not_go_together_is_refused(images, compact_file, options, message):
    command = ["train", "images", "--over", "compact.safetensors", "--steps", "2", *options]
    assert message in run(*command, fails=True).stderr


def test_a_bioimageio_package_of_it_is_refused(trained):
    done = run("models", "export", "compact-sure", "given.zip", "--format", "bioimageio", fails=True)
    assert "other makers" in done.stderr


@pytest.mark.parametrize("option", [("--over-licence", "MIT"), ("--runs-code",), ("--over-colours", "luma")])
def test_what_is_said_of_another_network_goes_with_one(images, option):
    done = run("train", "images", "--name", "mine", "--steps", "2", *option, fails=True)
    assert "goes with --over" in " ".join(done.output.split())

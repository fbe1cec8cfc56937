"""TorchScript graphs and BioImage.IO packages as what a model stands on."""

from __future__ import annotations

import gc
import re
import warnings
import zipfile

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from napari_vaesr.errors import VaesrError
from napari_vaesr.vae.config import BaseNetwork
from napari_vaesr.vae.frozen import Frozen
from napari_vaesr.zoo.bases import read_base
from napari_vaesr.zoo.script_base import load_torchscript

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore:.*torch.jit.*:DeprecationWarning",
)


class Larger(nn.Module):
    """Takes images of so many channels, of sides that are multiples of 8."""

    def __init__(self, channels: int = 1, factor: int = 3) -> None:
        super().__init__()
        self.channels, self.factor = channels, factor

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.shape[1] != self.channels or images.shape[2] % 8 != 0:
            raise ValueError("another image")
        return F.interpolate(images, scale_factor=float(self.factor))


class Particular(Larger):
    """Takes images of 64 × 64 pixels, square ones, or one at a time alone."""

    def __init__(self, taken: str) -> None:
        super().__init__(1, 2)
        self.taken = taken

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        count, _, height, width = images.shape
        fits = {"one": count == 1, "fixed": height * width == 64 * 64, "square": height == width}
        if not fits[self.taken]:
            raise ValueError("another image")
        return F.interpolate(images, scale_factor=2.0)


def script(module: nn.Module, path) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(module).save(str(path))
    return path.read_bytes()


@pytest.fixture(autouse=True)
def collected():
    """Let files that bioimageio leaves open be closed before the next test, where warnings would count."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.mark.parametrize(("channels", "colours"), [(1, "grey"), (3, "rgb")])
def test_what_it_makes_is_found_by_running_it(tmp_path, channels, colours):
    loaded = load_torchscript(script(Larger(channels), tmp_path / "graph.pt"), "graph.pt")
    facts = loaded.facts
    assert (facts["factor"], facts["colours"]) == (3, colours)
    assert (facts["multiple"], facts["smallest"]) == (8, 32)
    assert loaded.module(torch.rand(1, channels, 16, 16)).shape == (1, channels, 48, 48)


@pytest.mark.parametrize("module", [Larger(2), Larger(1, factor=1)])
def test_what_enlarges_no_images_is_refused(tmp_path, module):
    with pytest.raises(VaesrError, match="makes no larger image"):
        load_torchscript(script(module, tmp_path / "graph.pt"), "graph.pt")


@pytest.mark.parametrize(
    ("taken", "said"), [("fixed", "none a little larger"), ("one", "one image at a time")]
)
def test_what_takes_no_other_size_or_number_of_images_is_refused(tmp_path, taken, said):
    with pytest.raises(VaesrError, match=said):
        load_torchscript(script(Particular(taken), tmp_path / "graph.pt"), "graph.pt")


def test_what_takes_square_images_alone_gets_such(tmp_path):
    loaded = load_torchscript(script(Particular("square"), tmp_path / "graph.pt"), "graph.pt")
    told = BaseNetwork(name="graph.pt", sha256="0" * 64, **loaded.facts)
    assert Frozen(loaded.module, told)(torch.rand(1, 1, 20, 50)).shape == (1, 1, 40, 100)


def test_nothing_is_loaded_without_trust(tmp_path, monkeypatch):
    script(Larger(), tmp_path / "graph.pt")
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(VaesrError, match="brings code of its own"):
        read_base(tmp_path / "graph.pt")


def test_a_damaged_graph_is_refused(tmp_path):
    with pytest.raises(VaesrError, match="no TorchScript"):
        load_torchscript(b"nothing", "graph.pt")


def test_a_bioimageio_package_names_its_makers(tmp_path, tiny_model_path):
    pytest.importorskip("bioimageio.core")
    from napari_vaesr.engine.package import export_bioimageio

    package = export_bioimageio(tiny_model_path, tmp_path / "tiny.zip", samples=2)
    with pytest.raises(VaesrError, match="--runs-code"):
        read_base(package)
    facts = read_base(package, runs_code=True).loaded.facts
    assert (facts["form"], facts["factor"], facts["colours"]) == ("torchscript", 2, "grey")
    assert (facts["authors"], facts["licence"]) == ("napari-vaesr developers", "BSD-3-Clause")
    assert facts["multiple"] == 2


@pytest.mark.parametrize(
    ("gain", "offset", "fits"), [(1 / 255, 0.0, True), (255.0, 0.0, False), (2, -1, False)]
)
def test_a_package_for_other_intensities_is_refused(tmp_path, tiny_model_path, gain, offset, fits):
    pytest.importorskip("bioimageio.core")
    from napari_vaesr.engine.package import export_bioimageio

    package, other = export_bioimageio(tiny_model_path, tmp_path / "tiny.zip", samples=2), tmp_path / "b.zip"
    with zipfile.ZipFile(package) as archive, zipfile.ZipFile(other, "w") as written:
        for name in archive.namelist():
            content = archive.read(name)
            if name.endswith(".yaml"):
                step = (
                    f"id: scale_linear\n        kwargs:\n          gain: {gain}\n          offset: {offset}"
                )
                before = rb"id: scale_range.*?max_percentile: [\d.]+"
                content, found = re.subn(before, step.encode(), content, flags=re.DOTALL)
                assert found == 1
            written.writestr(name, content)
    if fits:
        assert read_base(other, runs_code=True).loaded.facts["factor"] == 2
        return
    with pytest.raises(VaesrError, match="not scaled to 0 to 1"):
        read_base(other, runs_code=True)

"""A .pth file becomes safetensors without being trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_vaesr.errors import VaesrError
from napari_vaesr.zoo.convert import convert


@pytest.fixture
def weights(compact_weights):
    return compact_weights()


def test_the_averaged_weights_are_taken_out(weights, tmp_path):
    other = {name: each + 1 for name, each in weights.items()}
    torch.save({"params": other, "params_ema": weights, "step": 3}, tmp_path / "net.pth")
    done = convert(tmp_path / "net.pth", tmp_path / "net.safetensors", licence="MIT", authors="A. Nyone")
    assert (done.key, done.tensors, done.left_out) == ("params_ema", len(weights), ("params", "step"))
    kept = load_file(tmp_path / "net.safetensors")
    assert kept.keys() == weights.keys()
    assert all(torch.equal(kept[name], each) for name, each in weights.items())
    with safe_open(tmp_path / "net.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt", "license": "MIT", "author": "A. Nyone"}


def test_weights_alone_are_taken_as_they_are(weights, tmp_path):
    shared = {**weights, "again": weights["body.0.bias"]}
    torch.save(shared, tmp_path / "net.pth")
    assert convert(tmp_path / "net.pth", tmp_path / "net.safetensors").key == ""
    assert torch.equal(load_file(tmp_path / "net.safetensors")["again"], weights["body.0.bias"])


class Harmful:
    """Would write a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_no_code_is_run(weights, tmp_path):
    torch.save({"params": weights, "more": Harmful(tmp_path / "made")}, tmp_path / "net.pth")
    with pytest.raises(VaesrError, match=r"it holds (posix|nt)\.mkdir beside tensors"):
        convert(tmp_path / "net.pth", tmp_path / "net.safetensors")
    assert not (tmp_path / "made").exists()
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize("content", [[1, 2], {"step": 3}])
def test_what_holds_no_weights_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(VaesrError, match="no weights"):
        convert(tmp_path / "net.pth", tmp_path / "net.safetensors")


def test_what_is_missing_or_to_be_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(VaesrError, match="no file"):
        convert(tmp_path / "none.pth", tmp_path / "net.safetensors")
    with pytest.raises(VaesrError, match="is none"):
        convert(tmp_path / "none.pth", tmp_path / "net.pt")


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "net.pth").write_bytes(b"nothing")
    with pytest.raises(VaesrError, match="damaged, or not of PyTorch"):
        convert(tmp_path / "net.pth", tmp_path / "net.safetensors")


def test_safetensors_are_not_replaced_by_themselves(weights, tmp_path):
    path = tmp_path / "net.safetensors"
    save_file(weights, path, metadata={"license": "MIT"})
    before = path.read_bytes()
    with pytest.raises(VaesrError, match="already"):
        convert(path, path)
    assert path.read_bytes() == before

"""Networks that spandrel knows, from their weights."""

from __future__ import annotations

import importlib
import sys

import pytest
import torch
from safetensors.torch import save_file

from napari_vaesr.errors import VaesrError
from napari_vaesr.zoo.bases import read_base


def test_what_enlarges_nothing_is_refused(compact_file, compact_weights, tmp_path):
    save_file(compact_weights(factor=1), tmp_path / "same.safetensors")
    with pytest.raises(VaesrError, match="1 times as large"):
        read_base(tmp_path / "same.safetensors")


def test_what_spandrel_does_not_know_is_refused(compact_file, tmp_path):
    save_file({"layer.weight": torch.zeros(3, 3)}, tmp_path / "unknown.safetensors")
    with pytest.raises(VaesrError, match="does not know the network"):
        read_base(tmp_path / "unknown.safetensors")


def test_a_pickle_is_refused_with_advice(compact_file, compact_weights, tmp_path):
    torch.save(compact_weights(), tmp_path / "net.pth")
    with pytest.raises(VaesrError, match="models convert"):
        read_base(tmp_path / "net.pth")


def test_without_torchvision_spandrel_is_imported_all_the_same(compact_file, monkeypatch):
    from napari_vaesr.zoo import spandrel_base

    for name in [each for each in sys.modules if each.partition(".")[0] in ("spandrel", "torchvision")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(spandrel_base, "_is_sound", lambda: False)
    importlib.invalidate_caches()
    assert read_base(compact_file).loaded.facts["factor"] == 2
    assert "torchvision" not in sys.modules

"""Networks of other makers: loaded, kept by their hash, found again."""

from __future__ import annotations

import pytest
import torch

from napari_vaesr.errors import VaesrError
from napari_vaesr.vae.config import BaseNetwork
from napari_vaesr.zoo.bases import base_path, keep_base, load_base, read_base


def told(path, **changes) -> BaseNetwork:
    read = read_base(path)
    return BaseNetwork(name=path.name, sha256=read.sha256, **read.loaded.facts).model_copy(update=changes)


def test_a_file_says_what_it_is_and_who_made_it(compact_file):
    found = told(compact_file)
    assert (found.form, found.network, found.factor) == ("spandrel", "RealESRGAN Compact", 2)
    assert (found.colours, found.licence, found.authors) == ("rgb", "MIT", "A. Nyone")
    assert set(found.precisions) == {"bfloat16", "float16"}


def test_it_is_found_by_its_hash(compact_file):
    base = told(compact_file)
    keep_base(compact_file.read_bytes(), base)
    compact_file.unlink()
    image = torch.rand(1, 3, 7, 9)
    enlarged = load_base(base)(image)
    assert enlarged.shape == (1, 3, 14, 18)
    assert load_base(base) is load_base(base)
    # Nothing is cut off on its way.
    bright = load_base(base)(image + 5)
    assert bright.max() > 1


def test_what_is_not_here_is_named(compact_file):
    base = told(compact_file, source="https://example.org/net")
    with pytest.raises(VaesrError, match=r"compact.safetensors by A. Nyone, from https://example.org/net"):
        load_base(base)


def test_another_file_is_not_kept_for_it(compact_file):
    base = told(compact_file, sha256="1" * 64)
    with pytest.raises(VaesrError, match="SHA-256 is another"):
        keep_base(compact_file.read_bytes(), base)
    assert not base_path(base).exists()


def test_a_damaged_one_is_refused(compact_file):
    base = told(compact_file)
    path = keep_base(compact_file.read_bytes(), base)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(VaesrError, match="damaged"):
        load_base(base)


def test_a_card_that_says_another_thing_than_the_file_is_refused(compact_file):
    base = told(compact_file, factor=3)
    keep_base(compact_file.read_bytes(), base)
    with pytest.raises(VaesrError, match="another factor"):
        load_base(base)

"""tools/cut-photographs.py: which crops it takes of a photograph, and what its table names."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

TOOL = Path(__file__).parents[1] / "tools" / "cut-photographs.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cut_photographs", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def overlap(one: tuple[slice, slice], other: tuple[slice, slice]) -> int:
    """Along the axis along which they share less, in pixels."""
    return min(min(a.stop, b.stop) - max(a.start, b.start) for a, b in zip(one, other, strict=True))


def test_the_richest_window_comes_first(tool):
    score = np.ones((600, 800))
    score[280:480, 500:700] = 9
    score[0:200, 0:200] = 5
    windows = tool.richest(score, side=200, most=2, least=0)
    assert windows == [(slice(280, 480), slice(500, 700)), (slice(0, 200), slice(0, 200))]


def test_windows_lie_inside_and_hardly_overlap(tool):
    score = np.random.default_rng(0).random((700, 900)) * np.linspace(1, 3, 900)
    windows = tool.richest(score, side=200, most=12, least=0, overlap=0.15)
    assert len(windows) == 12
    for index, window in enumerate(windows):
        assert all(at.start >= 0 and at.stop <= size for at, size in zip(window, score.shape, strict=True))
        assert score[window].shape == (200, 200)
        assert all(overlap(window, other) <= 30 for other in windows[:index])


def test_flat_parts_give_none(tool):
    score = np.zeros((400, 800))
    score[:, 500:] = 4
    windows = tool.richest(score, side=200, least=2)
    assert windows
    assert all(score[window].mean() >= 2 for window in windows)
    assert tool.richest(np.zeros((400, 800)), least=2) == []


def test_windows_of_a_small_image_are_smaller_and_of_a_tiny_one_none(tool):
    ((rows, columns),) = tool.richest(np.full((200, 300), 5.0), side=512)
    assert rows == slice(0, 200) and columns.stop - columns.start == 200
    assert tool.richest(np.full((191, 300), 5.0), side=512) == []


def test_a_photograph_becomes_grey_and_smaller(tool):
    colours = np.zeros((40, 60, 3), np.uint8)
    colours[..., 1] = 200
    file = io.BytesIO()
    Image.fromarray(colours).save(file, "PNG")
    image = tool.reduced(tool.grey(file.getvalue(), "green.png"), 2)
    assert image.shape == (20, 30) and image.dtype == np.uint8
    assert np.all(image == 117)  # 0.587 * 200


def test_a_panorama_is_exposed_alike_in_any_unit(tool):
    light = np.linspace(0.01, 5, 300, dtype=np.float32).reshape(10, 10, 3)
    image = tool.exposed(light)
    assert image.min() < 10 and image.max() > 180
    assert np.abs(image.astype(int) - tool.exposed(1000 * light)).max() <= 1


def test_the_table_names_open_licences_and_known_sources(tool):
    photographs = tool.listed()
    assert len({photograph.original for photograph in photographs}) == len(photographs) > 80
    for photograph in photographs:
        assert photograph.licence in ("CC0-1.0", "public domain", "CC-BY-3.0", "CC-BY-4.0")
        assert photograph.author and photograph.use in tool.FOLDERS
        assert (photograph.source in tool.REPOSITORIES) == bool(photograph.commit)
        assert photograph.factor >= 2 or photograph.path.endswith((".png", ".hdr"))


def test_the_attributions_are_in_the_notice(tool):
    notice = (TOOL.parents[1] / "NOTICE").read_text(encoding="utf-8")
    for photograph in tool.listed():
        if photograph.licence.startswith("CC-BY"):
            assert photograph.author in notice
        assert tool.REPOSITORIES.get(photograph.source, photograph.source) in notice

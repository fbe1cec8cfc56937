"""What a fine-tuning learns from shares no pixel with what it is checked on, and stays in pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.degradation import downscaled
from napari_vaesr.pairs.material import (
    GAP,
    Material,
    material_from_folder,
    material_from_image,
    material_from_pair,
)
from napari_vaesr.vae.config import PRESETS
from napari_vaesr.zoo.registry import Model

NETWORK = PRESETS["tiny"]
UNIT = 12 * NETWORK.levels[0].stride  # whole latents at the scales 2, 3 and 4
LEAST = 32  # the smallest patch at the scale 4


@settings(max_examples=25)
@given(height=st.integers(20, 200), width=st.integers(20, 200))
def test_the_held_out_part_shares_no_pixel(height: int, width: int) -> None:
    plane = np.arange(height * width, dtype=np.float32).reshape(height, width)
    try:
        material = material_from_image(plane, "YX", NETWORK, "minmax", name="numbers")
    except VaesrError as error:
        assert "too small" in str(error)
        assert max(height, width) < UNIT + LEAST + GAP + 12 or min(height, width) < LEAST + 12
        return
    (learn,), (check,) = material.learn, material.check
    assert not set(learn.truth.ravel().tolist()) & set(check.truth.ravel().tolist())
    assert min(check.truth.shape) >= UNIT and min(learn.truth.shape) >= LEAST
    assert all(size % 12 == 0 for size in check.truth.shape)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (np.zeros((40, 80)), np.zeros((200, 400)), "2, 3, 4 times as many pixels"),
        (np.zeros((40, 80)), np.zeros((80, 150)), "2, 3, 4 times as many pixels"),
        (np.random.default_rng(0).random((80, 80)), np.random.default_rng(1).random((160, 160)), "same"),
        (np.zeros((80, 80)), np.zeros((160, 160)), "same"),
    ],
)
def test_what_is_no_pair_is_said(low: np.ndarray, high: np.ndarray, words: str) -> None:
    with pytest.raises(VaesrError, match=words):
        material_from_pair(low, "YX", high, "YX", NETWORK, "minmax", name="no pair")


def test_pairs_have_as_many_planes() -> None:
    with pytest.raises(VaesrError, match="2 planes and the high-res one 3"):
        material_from_pair(
            np.ones((2, 80, 80)), "ZYX", np.ones((3, 160, 160)), "ZYX", NETWORK, "minmax", name="p"
        )


def test_files_are_held_out_whole(tmp_path: Path, blobs: Callable[..., np.ndarray]) -> None:
    from skimage.io import imsave

    for index in range(4):
        imsave(tmp_path / f"{index}.png", blobs((96, 96), index).astype(np.uint8), check_contrast=False)
    material = material_from_folder([tmp_path], NETWORK, "percentile")
    assert len(material.learn) == 3 and len(material.check) == 1
    assert all(view.truth.shape == (96, 96) for view in material.learn)
    alone = material_from_folder([tmp_path / "0.png"], NETWORK, "percentile")
    assert len(alone.learn) == len(alone.check) == 1 and alone.learn[0].truth.shape != (96, 96)


def test_what_is_learnt_from_holds_a_patch_at_the_largest_factor_of_rows() -> None:
    squares = NETWORK.model_copy(update={"scales": (2,)})
    plane = np.random.default_rng(0).random((24, 200))
    assert material_from_image(plane, "YX", squares, "minmax", name="flat").learn
    rows = squares.model_copy(update={"row_factors": (4,)})
    with pytest.raises(VaesrError, match="too small"):
        material_from_image(plane, "YX", rows, "minmax", name="flat")


def test_large_files_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blobs: Callable[..., np.ndarray]
) -> None:
    from skimage.io import imsave

    monkeypatch.setattr("napari_vaesr.pairs.material.LARGEST", 4 * 80 * 80)
    for index in range(3):
        imsave(tmp_path / f"{index}.png", blobs((200, 200), index).astype(np.uint8), check_contrast=False)
    material = material_from_folder([tmp_path], NETWORK, "percentile")
    assert material.learn and material.check
    assert sum(view.truth.size for view in material.learn) <= 4 * 80 * 80
    alone = material_from_folder([tmp_path / "0.png"], NETWORK, "percentile")
    assert alone.learn and alone.check


def test_many_planes_are_thinned_out_and_large_ones_cut(
    start: Model, monkeypatch: pytest.MonkeyPatch, blobs: Callable[..., np.ndarray]
) -> None:
    monkeypatch.setattr("napari_vaesr.pairs.material.LARGEST", 3 * 80 * 160)
    reads: list[tuple[int, int]] = []
    material = material_from_image(
        blobs((9, 80, 160)),
        "ZYX",
        start.card.network,
        "percentile",
        name="many",
        progress=lambda step: reads.append((step.done, step.total)),
    )
    assert len(material.learn) == 3 and "3 of the 9 planes" in material.message
    assert reads == [(1, 3), (2, 3), (3, 3)]
    large = material_from_image(blobs((400, 400)), "YX", start.card.network, "percentile", name="large")
    assert sum(view.truth.size for view in (*large.learn, *large.check)) <= 3 * 80 * 160


def test_material_survives_its_file(blobs: Callable[..., np.ndarray], tmp_path: Path) -> None:
    high = blobs((1, 96, 192)).astype(np.float32)
    material = material_from_image(blobs(), "ZYX", NETWORK, "percentile", name="blobs")
    paired = material_from_pair(downscaled(high, 3), "ZYX", high, "ZYX", NETWORK, "minmax", name="p")
    for each in (material, paired):
        each.save(tmp_path / "images.npz")
        again = Material.load(tmp_path / "images.npz")
        assert (again.scale, again.origin, again.message) == (each.scale, each.origin, each.message)
        for part in ("learn", "check"):
            for one, other in zip(getattr(again, part), getattr(each, part), strict=True):
                np.testing.assert_array_equal(one.truth, other.truth)
                assert (one.low is None) == (other.low is None)
    content = (tmp_path / "images.npz").read_bytes()
    (tmp_path / "images.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(VaesrError, match="can't be read"):
        Material.load(tmp_path / "images.npz")

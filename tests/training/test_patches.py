"""Patches that a training learns from: which, how often, and always the same at a step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.io import imsave

from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.patches import Patches


def test_batches_are_a_function_of_the_step(small_config: TrainingConfig, images: Path) -> None:
    one, other = Patches([images], small_config), Patches([images], small_config)
    for step in (0, 7):
        low, high, factor, _ = one.batch(step)
        again = other.batch(step)
        assert torch.equal(low, again[0]) and torch.equal(high, again[1]) and factor == again[2]
        assert low.shape[-1] * factor[1] == high.shape[-1] == 8 * factor[1]
    assert not torch.equal(one.batch(1)[1], one.batch(2)[1]) or one.batch(1)[2] != one.batch(2)[2]


def test_patches_have_the_range_of_their_plane_and_cost_no_more_than_themselves(
    small_config: TrainingConfig, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_vaesr.training import patches as module

    sizes = []
    real = module.to_unit
    monkeypatch.setattr(
        module, "to_unit", lambda plane, *rest: sizes.append(plane.shape) or real(plane, *rest)
    )
    patches = Patches([images / "blobs" / "1.tif"], small_config)  # the one of 16 bits
    ((plane,),) = patches.groups[0]
    whole = real(plane)
    (patch,) = patches._patch(np.random.default_rng(0), (2, 2))
    assert sizes == [(16, 16)]
    windows = np.lib.stride_tricks.sliding_window_view(whole, (16, 16)).reshape(-1, 256)
    turned = {np.rot90(each, turns).tobytes() for each in (patch, patch[::-1]) for turns in range(4)}
    assert any(window.tobytes() in turned for window in windows)


def test_small_planes_serve_the_scales_they_are_large_enough_for(
    small_config: TrainingConfig, images: Path, tmp_path: Path
) -> None:
    imsave(tmp_path / "small.png", np.arange(18 * 18, dtype=np.uint8).reshape(18, 18), check_contrast=False)
    patches = Patches([tmp_path / "small.png"], small_config)
    assert {patches.batch(step).factor for step in range(12)} == {(2, 2)}


def test_of_several_patches_the_one_with_most_detail_is_learnt_from(
    small_config: TrainingConfig, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    half_smooth = np.concatenate([np.full((64, 200), 90), rng.integers(60, 120, (64, 200))], axis=1)
    imsave(tmp_path / "half.png", half_smooth.astype(np.uint8), check_contrast=False)

    def detailed(choices: int) -> float:
        patches = Patches([tmp_path], small_config.model_copy(update={"choices": choices}))
        spread = torch.cat([patches.batch(step)[1].std(dim=(-2, -1)).flatten() for step in range(12)])
        return float((spread > 0.02).float().mean())

    assert detailed(1) < 0.7 < 0.9 < detailed(5)


def test_folders_are_drawn_as_often_as_their_weights_say(
    small_config: TrainingConfig, tmp_path: Path
) -> None:
    for name, grey in {"dark": 10, "light": 200}.items():
        (tmp_path / name).mkdir()
        imsave(tmp_path / name / "flat.png", np.full((64, 64), grey, np.uint8), check_contrast=False)

    def light(weights: dict[str, float] | None) -> float:
        patches = Patches([tmp_path], small_config.model_copy(update={"folder_weights": weights}))
        drawn = torch.cat([patches.batch(step)[1].mean(dim=(1, 2, 3)) for step in range(60)])
        return float((drawn > 0.5).float().mean())

    assert (
        light({"light": 0.0, "dark": 1.0}) == 0 < 0.35 < light(None) < 0.65 < light({"light": 9, "dark": 1})
    )
    with pytest.raises(VaesrError, match=r"names light, and .* in dark, light"):
        light({"light": 1.0})


def test_a_folder_of_small_images_is_not_drawn_for_large_scales(
    small_config: TrainingConfig, tmp_path: Path
) -> None:
    for name, side in {"small": 20, "large": 64}.items():
        (tmp_path / name).mkdir()
        grey = np.full((side, side), 200 if name == "large" else 10, np.uint8)
        imsave(tmp_path / name / "flat.png", grey, check_contrast=False)
    weighed = small_config.model_copy(update={"folder_weights": {"small": 0.5, "large": 0.5}})
    batches = [Patches([tmp_path], weighed).batch(step) for step in range(30)]
    dark = {
        scale: any(float(b.high.min()) < 0.5 for b in batches if b.factor[0] == scale) for scale in (2, 3)
    }
    assert dark == {2: True, 3: False}
    nothing = {"folder_weights": {"small": 1.0, "large": 0.0}, "scale_weights": (0.0, 1.0)}
    with pytest.raises(VaesrError, match="large enough for a scale"):
        Patches([tmp_path], small_config.model_copy(update=nothing))


def test_patches_made_smaller_first_are_finer(small_config: TrainingConfig, tmp_path: Path) -> None:
    wave = np.sin(np.arange(64) * 2 * np.pi / 16)[:, None] * np.ones(64)
    imsave(tmp_path / "wave.png", (127 + 120 * wave).astype(np.uint8), check_contrast=False)
    finer = small_config.model_copy(update={"degradation": Degradation(reduce=(2.0, 2.0))})
    patches = [Patches([tmp_path], config).batch(0)[1] for config in (small_config, finer)]
    assert patches[0].shape == patches[1].shape
    steepest = [max(float(patch.diff(dim=d).abs().amax()) for d in (-1, -2)) for patch in patches]
    assert steepest[1] == pytest.approx(2 * steepest[0], rel=0.15)

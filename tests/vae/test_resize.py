"""Resizing against Pillow, against MATLAB's own files where they are at hand, and against itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.io import imread

from napari_vaesr.vae import resize
from napari_vaesr.vae.resize import (
    REACH,
    downsample_bicubic,
    unseen,
    upsample_bicubic,
    upsample_consistent,
)

MATLAB = Path(__file__).parents[3] / "shared/data/benchmark/set5"


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_it_equals_pillow_away_from_the_border(scale: int) -> None:
    plane = np.random.default_rng(0).random((24, 36), dtype=np.float32)
    tensor = torch.from_numpy(plane)[None, None]
    larger = Image.fromarray(plane).resize((36 * scale, 24 * scale), Image.Resampling.BICUBIC)
    inside = slice(REACH * scale, -REACH * scale)
    np.testing.assert_allclose(
        upsample_bicubic(tensor, scale)[0, 0].numpy()[inside, inside],
        np.asarray(larger)[inside, inside],
        atol=1e-5,
    )
    smaller = Image.fromarray(plane).resize((36 // scale, 24 // scale), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(
        downsample_bicubic(tensor, scale)[0, 0].numpy()[2:-2, 2:-2],
        np.asarray(smaller)[2:-2, 2:-2],
        atol=1e-5,
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_ramp_stays_a_ramp_in_its_place(scale: int) -> None:
    ramp = torch.arange(24.0).expand(1, 1, 24, 24)
    place = (torch.arange(24.0 * scale) + 0.5) / scale - 0.5
    larger = upsample_bicubic(ramp, scale)[0, 0, 0]
    inside = slice(REACH * scale, -REACH * scale)
    torch.testing.assert_close(larger[inside], place[inside])
    small = downsample_bicubic(ramp, scale)[0, 0, 0]
    centre = (torch.arange(24.0 // scale) + 0.5) * scale - 0.5
    torch.testing.assert_close(small[2:-2], centre[2:-2])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_back_projection_is_down_and_up_again(scale: int) -> None:
    images = torch.rand(2, 1, 20, 24)
    lost = images - downsample_bicubic(upsample_bicubic(images, scale), scale)
    expected = upsample_bicubic(images, scale) + upsample_bicubic(lost, scale)
    inside = (..., slice(8 * scale, -8 * scale), slice(8 * scale, -8 * scale))
    torch.testing.assert_close(upsample_consistent(images, scale)[inside], expected[inside])

    packed = torch.randn(2, scale**2, 20, 24)
    pixels = torch.nn.functional.pixel_shuffle(packed, scale)
    for steps in (1, 2):
        pixels = pixels - upsample_bicubic(downsample_bicubic(pixels, scale), scale)
        found = torch.nn.functional.pixel_shuffle(unseen(packed, scale, steps), scale)
        torch.testing.assert_close(found[inside], pixels[inside], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("resize", [upsample_bicubic, upsample_consistent, downsample_bicubic])
def test_resizing_once_without_gradients_does_not_spoil_later_ones(
    resize: Callable[..., torch.Tensor],
) -> None:
    images = torch.rand(1, 1, 35, 35)
    with torch.inference_mode():
        resize(images, 5)
    images.requires_grad_()
    resize(images, 5).sum().backward()
    assert images.grad is not None


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_mixed_precision_does_not_round_the_weights_that_are_kept(scale: int) -> None:
    images = torch.rand(1, 1, 12, 12)
    expected = upsample_consistent(images, scale)
    resize._sharpening_taps.cache_clear()
    with torch.autocast("cpu", torch.bfloat16):
        first = upsample_consistent(images, scale)
    torch.testing.assert_close(first, expected, rtol=0, atol=0)


def test_images_of_many_sizes_are_not_all_remembered() -> None:
    for size in range(2, 102, 2):
        downsample_bicubic(torch.zeros(1, 1, 4, size), 2)
    assert resize._downsampling_matrix.cache_info().currsize <= 16


def test_sizes_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        downsample_bicubic(torch.zeros(1, 1, 9, 8), 2)


@pytest.mark.skipif(not MATLAB.is_dir(), reason="the benchmark images are not at hand")
@pytest.mark.parametrize("name", ["baby", "bird", "butterfly", "head", "woman"])
def test_it_agrees_with_matlab_to_one_grey_level(name: str) -> None:
    truth = imread(MATLAB / "matlab_GTmod12" / f"{name}.png").astype(np.float32)
    matlab = imread(MATLAB / "matlab_LRbicx2" / f"{name}.png").astype(np.float32)
    channels = torch.from_numpy(truth).movedim(-1, 0)[None]
    ours = downsample_bicubic(channels, 2)[0].movedim(0, -1).numpy().round().clip(0, 255)
    assert np.abs(ours - matlab).max() <= 1
    assert (ours == matlab).mean() > 0.99


def test_rows_alone_are_enlarged_about_their_centres() -> None:
    """A slope along the rows stays a slope; columns are left alone."""
    planes = (torch.arange(12.0)[:, None] + 100 * torch.arange(6.0)[None]).expand(1, 1, 12, 6)
    enlarged = upsample_bicubic(planes, (3, 1))[0, 0]
    rows = (torch.arange(36.0) + 0.5) / 3 - 0.5
    expected = rows[:, None] + 100 * torch.arange(6.0)[None]
    torch.testing.assert_close(enlarged[6:-6], expected[6:-6])

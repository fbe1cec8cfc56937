"""Degradations do what optics and cameras do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_vaesr.errors import VaesrError
from napari_vaesr.pairs.degradation import degrade, downscaled, gaussian_blur, microscope
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.vae.resize import downsample_bicubic


def test_without_ranges_it_is_plain_bicubic() -> None:
    high = torch.rand(2, 1, 24, 24)
    low, truth, *_ = degrade(high, 3, Degradation())
    assert torch.equal(truth, high)
    torch.testing.assert_close(low, downsample_bicubic(high, 3))


@pytest.mark.parametrize("scale", [0, -1, 1.5])
def test_an_image_is_made_small_by_whole_factors(scale: float) -> None:
    with pytest.raises(VaesrError, match="times smaller"):
        downscaled(np.ones((12, 12)), scale)  # type: ignore[arg-type]
    small: Any = 2.0
    listed: Any = [[1, 2], [3, 4]]
    np.testing.assert_array_equal(downscaled(listed, small), downscaled(np.array(listed), 2))


def test_quantised_patches_have_the_levels_of_an_image_file() -> None:
    high = 1.2 * torch.rand(2, 1, 24, 24) - 0.1
    exact, *_ = degrade(high, 2, Degradation())
    low, truth, *_ = degrade(high, 2, Degradation(quantised=True))
    assert torch.equal(truth, high)
    assert torch.equal(low, (255 * low).round() / 255)
    assert (low - exact.clamp(0, 1)).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("deviation", [0.6, 1.7])
def test_blur_equals_scipy(deviation: float) -> None:
    image = torch.rand(1, 1, 40, 40)
    ours = gaussian_blur(image, torch.tensor([[[[deviation]]]]))[0, 0].numpy()
    theirs = gaussian_filter(image[0, 0].numpy(), deviation, mode="mirror", radius=6)
    assert abs(ours - theirs)[8:-8, 8:-8].max() < 2e-3


def test_an_image_may_be_narrower_than_its_blur() -> None:
    for shape in ((12, 30), (1, 30)):
        blurred = gaussian_blur(torch.ones(1, 1, *shape), torch.full((1, 1, 1, 1), 6.0))
        torch.testing.assert_close(blurred, torch.ones(1, 1, *shape))


def test_each_image_has_its_own_blur() -> None:
    images = torch.rand(1, 1, 24, 24).repeat(2, 1, 1, 1)
    blurred = gaussian_blur(images, torch.tensor([0.0, 2.0]).reshape(2, 1, 1, 1))
    torch.testing.assert_close(blurred[0], images[0])
    assert blurred[1].var() < 0.5 * images[1].var()


def test_shot_noise_has_the_variance_of_its_photons() -> None:
    flat = torch.full((4, 1, 128, 128), 0.5)
    low, *_ = degrade(flat, 2, Degradation(photons=(200.0, 200.0), clean=0.0))
    assert abs(float(low.mean()) - 0.5) < 0.002
    assert float(low.var()) == pytest.approx(0.5 / 200, rel=0.1)


def test_noise_makes_dark_planes_no_brighter() -> None:
    dark = torch.full((4, 1, 128, 128), -0.03)
    low, truth, *_ = degrade(dark, 2, Degradation(photons=(50.0, 50.0), read_noise=(0.02, 0.02), clean=0.0))
    assert float((low.mean() - truth.mean()).abs()) < 1e-3


def test_clipped_noise_stays_within_the_range_of_the_patch() -> None:
    high = (torch.rand(16, 1, 64, 64) < 0.5).float()
    settings = Degradation(read_noise=(0.1, 0.1), clean=0.0, clipped=0.5, gain=(0.7, 0.7), offset=(0.1, 0.1))
    low, *_ = degrade(high, 2, settings, torch.Generator().manual_seed(0))
    is_within = (low.amin((1, 2, 3)) >= 0.1 - 1e-6) & (low.amax((1, 2, 3)) <= 0.8 + 1e-6)
    assert 2 <= int(is_within.sum()) <= 14
    assert int((low == 0.1).sum()) > 20


def test_camera_noise_has_its_deviation_and_clean_patches_have_none() -> None:
    flat = torch.full((64, 1, 32, 32), 0.5)
    low, *_ = degrade(flat, 2, Degradation(read_noise=(0.03, 0.03), clean=0.5))
    deviations = low.flatten(1).std(dim=1)
    noisy = deviations > 0.01
    assert 16 < int(noisy.sum()) < 48
    assert float(deviations[noisy].mean()) == pytest.approx(0.03, rel=0.05)


def test_gain_and_offset_change_the_truth_too() -> None:
    high = torch.rand(3, 1, 16, 16)
    low, truth, *_ = degrade(high, 2, Degradation(gain=(0.5, 0.5), offset=(0.1, 0.1)))
    torch.testing.assert_close(truth, high * 0.5 + 0.1)
    torch.testing.assert_close(low, downsample_bicubic(truth, 2))


def test_what_benchmarks_see_has_the_noise_of_its_photons() -> None:
    flat = torch.full((200, 1, 32, 32), 0.5)
    low, blur = microscope(flat, 2, torch.Generator().manual_seed(0))
    assert blur.shape == (200,) and 0 == float(blur.min()) < float(blur.max()) <= 0.7
    assert low.shape == (200, 1, 16, 16)
    spreads = low.flatten(1).std(dim=1)
    brightest = (0.5 / 30 + 0.04**2) ** 0.5
    assert float(spreads.min()) ** 2 > 0.5 / 3000 and float(spreads.max()) < 1.15 * brightest
    torch.testing.assert_close(low.mean(), torch.tensor(0.5), rtol=0, atol=0.005)
    again, _ = microscope(flat, 2, torch.Generator().manual_seed(0))
    assert torch.equal(again, low)

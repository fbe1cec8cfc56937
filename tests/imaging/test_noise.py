"""The noise of an image is found, also where it has structure."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_vaesr.imaging.noise import fit_noise


def scene(seed: int = 0, size: int = 256) -> np.ndarray:
    blobs = gaussian_filter(np.random.default_rng(seed).random((size, size)), 6)
    return (blobs - blobs.min()) / np.ptp(blobs)


@pytest.mark.parametrize(("slope", "read"), [(0.0, 0.03), (0.02, 0.0), (0.01, 0.02), (0.002, 0.005)])
def test_shot_noise_and_camera_noise_are_told_apart(slope: float, read: float) -> None:
    rng, planes = np.random.default_rng(1), []
    for seed in range(4):
        image = scene(seed)
        planes.append(rng.normal(image, np.sqrt(slope * image + read**2)))
    found = fit_noise(planes)
    for signal in (0.1, 0.5, 0.9):
        assert found[0] * signal + found[1] == pytest.approx(slope * signal + read**2, rel=0.25)


def test_a_clean_image_has_next_to_none() -> None:
    slope, intercept = fit_noise([scene()])
    assert (slope + intercept) ** 0.5 < 0.002


def test_textures_count_less_than_by_the_usual_estimate() -> None:
    from napari_vaesr.imaging.noise import estimate_noise

    image = scene()
    image[:, :128] += 0.1 * np.random.default_rng(2).random((256, 128))
    slope, intercept = fit_noise([image])
    assert (slope * 0.5 + intercept) ** 0.5 < 0.6 * estimate_noise(image)


@pytest.mark.parametrize("shape", [(4, 4), (8, 3), (0, 0)])
def test_too_small_a_plane_tells_nothing(shape: tuple[int, int]) -> None:
    assert fit_noise([np.zeros(shape)]) == (0.0, 0.0)


def test_constant_and_saturated_planes() -> None:
    assert fit_noise([np.full((64, 64), 0.3)]) == (0.0, 0.0)
    noisy = np.random.default_rng(0).normal(0.5, 0.1, (256, 256))
    noisy[:, 100:] = 1.0
    slope, intercept = fit_noise([np.minimum(noisy, 1.0)])
    assert slope * 0.5 + intercept == pytest.approx(0.01, rel=0.25)

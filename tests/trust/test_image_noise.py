"""The noise of one image, found in its own pixels."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.pairs.degradation import downscaled
from napari_vaesr.trust.image_noise import NoiseModel, noise_model, with_noise


def test_the_noise_is_found_at_every_intensity():
    generator = np.random.default_rng(0)
    ramp = np.tile(np.linspace(0.05, 1, 256), (256, 1))
    noisy = generator.poisson(ramp * 100) / 100 + generator.normal(0, 0.03, ramp.shape)
    model = noise_model(noisy)
    for level in (0.1, 0.5, 0.9):
        assert np.sqrt(float(model.variance(np.array(level)))) == pytest.approx(
            np.sqrt(level / 100 + 0.03**2), rel=0.15
        )


def test_a_small_image_gets_its_noise_back():
    noise = NoiseModel(shot=0.0, camera=0.01, black=0.0)
    large = np.random.default_rng(1).normal(0.5, 0.1, (256, 256)).astype(np.float32)
    small = with_noise(downscaled(large, 2), noise, 2, seed=0)
    assert small.std() == pytest.approx(0.1, rel=0.05)

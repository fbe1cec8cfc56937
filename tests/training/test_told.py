"""What a network is told in training is what it is told in use, nearly."""

from __future__ import annotations

import pytest
import torch

from napari_vaesr.imaging.noise import fit_noise
from napari_vaesr.training.told import estimated_noise, told


@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_noise_is_estimated_as_in_use(noise: float) -> None:
    planes = torch.linspace(0, 1, 64).expand(8, 64, 64)
    planes = planes + noise * torch.randn(planes.shape, generator=torch.Generator().manual_seed(1))
    estimates = estimated_noise(planes)
    _, intercept = fit_noise([plane.numpy() for plane in planes])
    assert float(estimates.mean()) == pytest.approx(noise, rel=0.1)
    assert float(estimates.mean()) == pytest.approx(intercept**0.5, rel=0.15)


def test_patches_smaller_than_a_cell_have_an_estimate() -> None:
    assert torch.isfinite(estimated_noise(torch.rand(2, 4, 4))).all()


def test_those_misled_are_told_an_estimate_and_no_slope() -> None:
    low = torch.rand(6, 1, 32, 32)
    conditions = torch.tensor([[0.01, 0.02, 0.3, 0.0]]).expand(6, 4)
    all_misled = told(conditions, low, misled=1.0)
    assert (all_misled[:, 0] == 0).all()
    torch.testing.assert_close(all_misled[:, 1], estimated_noise(low[:, 0]).square())
    nearly = told(conditions, low, misled=0.0, generator=torch.Generator().manual_seed(0))
    assert (nearly / conditions)[:, :3].log().abs().max() < 2
    assert told(torch.zeros(6, 4), low, misled=0.0).abs().max() == 0  # clean stays clean


def test_a_third_is_not_told_what_became_of_the_rows() -> None:
    sections = torch.tensor([[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, -1.0]]).repeat(300, 1)
    said = told(sections, torch.rand(600, 1, 8, 8), misled=0.0)[:, 3]
    assert set((said * sections[:, 3]).tolist()) == {0.0, 1.0}
    assert 0.25 < float((said == 0).float().mean()) < 0.42

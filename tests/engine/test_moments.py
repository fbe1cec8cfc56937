from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_vaesr.engine.moments import PairedMoments, with_areas
from napari_vaesr.zoo.calibration import AreaFactors


def formula(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The equations of the docstring, in float64."""
    pairs = len(samples) // 2
    plus, minus = samples[: 2 * pairs : 2], samples[1 : 2 * pairs : 2]
    half_sum, half_difference = (plus + minus) / 2, (plus - minus) / 2
    if pairs == 0:
        return samples.mean(0), None
    spread = ((half_sum - half_sum.mean(0)) ** 2).sum(0) / (pairs - 1) if pairs > 1 else 0
    return samples.mean(0), (half_difference**2).mean(0) + spread


@settings(max_examples=25)
@given(
    count=st.integers(1, 17),
    pairs_at_once=st.integers(1, 9),
    seed=st.integers(0, 99),
    offset=st.sampled_from([0.0, 100.0]),
)
def test_any_chunking_follows_the_formula(count, pairs_at_once, seed, offset):
    samples = np.random.default_rng(seed).normal(offset, 1, (count, 2, 3)).astype(np.float32)
    moments = PairedMoments()
    for start in range(0, count, 2 * pairs_at_once):
        moments.add(torch.from_numpy(samples[start : start + 2 * pairs_at_once]))
    mean, variance = formula(samples.astype(np.float64))
    assert moments.samples == count
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-5, atol=1e-5)
    if variance is None:
        assert moments.variance is None
    else:
        np.testing.assert_allclose(moments.variance, variance, rtol=1e-3, atol=1e-4)


def test_chunking_changes_no_bit():
    samples = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
    one, many = PairedMoments(), PairedMoments()
    one.add(samples)
    for chunk in samples.split(4):
        many.add(chunk)
    assert torch.equal(one.mean, many.mean)
    assert torch.equal(one.variance, many.variance)


def test_the_variance_is_free_of_bias():
    """Var(e + e^2 / 2) = 3/2: the linear part lies in half differences, the square one in half sums."""
    noise = torch.randn(8, 40_000, generator=torch.Generator().manual_seed(0))
    moments = PairedMoments()
    for half in noise:
        both = torch.stack([half, -half])
        moments.add(both + both**2 / 2)
    assert moments.variance.mean() == pytest.approx(1.5, rel=0.02)
    assert moments.mean.mean() == pytest.approx(0.5, rel=0.02)


def test_input_is_left_alone():
    samples = torch.randn(5, 7)
    before = samples.clone()
    moments = PairedMoments()
    moments.add(samples[:4])
    moments.add(samples[4:])
    assert torch.equal(samples, before)


def test_order_is_enforced():
    moments = PairedMoments()
    with pytest.raises(ValueError, match="no samples"):
        _ = moments.mean
    moments.add(torch.zeros(1, 2))
    with pytest.raises(ValueError, match="partner"):
        moments.add(torch.zeros(2, 2))


def test_areas_change_the_means_of_low_res_pixels_alone() -> None:
    drawn = torch.randn(3, 4, 5, 6)
    changed = with_areas(drawn, AreaFactors(0.3, broad=0.3))
    torch.testing.assert_close(changed.mean(dim=1), 0.3 * drawn.mean(dim=1))
    torch.testing.assert_close(changed - changed.mean(1, keepdim=True), drawn - drawn.mean(1, keepdim=True))
    assert with_areas(drawn, AreaFactors()) is drawn


def test_quarters_change_what_they_differ_by_alone() -> None:
    drawn = torch.randn(3, 16, 5, 6)
    changed = with_areas(drawn, AreaFactors(0.7, 0.3, 0.7))

    def octaves(residuals: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        pixels = torch.nn.functional.pixel_shuffle(residuals, 4)
        twos, fours = (
            torch.nn.functional.avg_pool2d(pixels, side).repeat_interleave(side, 2).repeat_interleave(side, 3)
            for side in (2, 4)
        )
        return pixels - twos, twos - fours, fours

    for before, after, factor in zip(octaves(drawn), octaves(changed), (1, 0.3, 0.7), strict=True):
        torch.testing.assert_close(after, factor * before)


def test_wide_areas_have_a_factor_of_their_own() -> None:
    """Means over 7 x 7 low-res pixels, and fewer along the border; what single pixels add has another one."""
    drawn = torch.randn(2, 4, 20, 20)
    changed = with_areas(drawn, AreaFactors(0.3, broad=2.0))
    before, after = drawn.mean(1), changed.mean(1)
    for rows, columns in ((slice(5, 12), slice(9, 16)), (slice(0, 4), slice(0, 4))):
        row, column = (8, 12) if rows.start else (0, 0)
        broad = before[:, rows, columns].mean(dim=(1, 2))
        expected = 0.3 * (before[:, row, column] - broad) + 2.0 * broad
        torch.testing.assert_close(after[:, row, column], expected)
    torch.testing.assert_close(changed - changed.mean(1, keepdim=True), drawn - drawn.mean(1, keepdim=True))

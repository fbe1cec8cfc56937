"""The joint map and the sentence say where a result is sure, whatever the offset, axes and kind of image."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.colour import BLUE, GREEN, RED
from napari_vaesr.trust.certainty import (
    SURE,
    UNSURE,
    certainty,
    certainty_of,
    colour_of,
    contrast_of,
    joint_map,
    least_sure_tenth,
    relative_uncertainty,
)


def cells(offset: float = 0.0, sign: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Two bright cells on a background, of which the lower is unsure."""
    mean = np.full((64, 96), 100.0, np.float32)
    mean[8:24, 8:24] += sign * 50
    mean[40:56, 60:76] += sign * 50
    std = np.full(mean.shape, 1.0, np.float32)
    std[40:56, 60:76] = 20
    return mean + offset, std


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_contrast_is_counted_above_the_background_bright_or_dark(sign):
    mean, std = cells(sign=sign)
    contrast = contrast_of(mean)
    assert contrast.background == pytest.approx(100, abs=1) and contrast.span == pytest.approx(50, abs=1)
    relative = relative_uncertainty(mean, std)
    assert relative[16, 16] == pytest.approx(1 / 50, rel=0.05)
    assert relative[48, 68] == pytest.approx(20 / 50, rel=0.05)
    moved, _ = cells(offset=5000, sign=sign)
    np.testing.assert_allclose(relative_uncertainty(moved, std), relative, rtol=0.02)


def test_the_sentence_names_the_share_and_the_least_sure_place():
    mean, std = cells()
    stack, stds = np.stack([mean, mean]), np.stack([np.ones_like(std), std])
    found = certainty(stack, stds, "ZYX")
    assert found.place["Z"] == 1 and 44 < found.place["Y"] < 52 and 64 < found.place["X"] < 72
    assert found.share == pytest.approx(np.mean(relative_uncertainty(stack, stds, "ZYX") <= 0.1))
    assert found.sentence.startswith(f"{100 * found.share:.0f} % of the image is sure to within 10 %")
    assert f"plane 1, row {found.place['Y']}, column {found.place['X']}" in found.sentence


@pytest.mark.parametrize("shape", [(1, 1), (2, 40), (30, 3, 20)])
def test_how_sure_the_least_sure_place_is_does_not_depend_on_the_edge(shape):
    everywhere = np.full(shape, 0.3, np.float32)
    assert certainty_of(everywhere, "ZYX"[-len(shape) :]).there == pytest.approx(0.3, rel=1e-4)


def test_axes_without_a_name_are_numbered():
    mean = np.random.default_rng(0).random((2, 3, 40, 50))
    std = np.full(mean.shape, 0.01)
    std[1, 2, 10:20, 20:30] = 1.0
    found = certainty(mean, std)
    assert list(found.place) == ["0", "1", "Y", "X"] and (found.place["0"], found.place["1"]) == (1, 2)
    assert "axis 0 at 1, axis 1 at 2, row" in found.sentence
    assert certainty(mean, std, "tzyx").place == certainty(mean, std, "TZYX").place


@pytest.mark.parametrize("answer", [certainty, joint_map])
def test_what_is_no_number_is_refused(answer):
    mean = np.random.default_rng(0).random((40, 50))
    mean[3, 4] = np.nan
    with pytest.raises(VaesrError, match="NaN"):
        answer(mean, np.ones(mean.shape))


def test_brightness_is_the_mean_and_colour_the_certainty():
    mean, std = cells()
    picture = joint_map(mean, std, top=0.4)
    assert picture.shape == (64, 96, 3) and picture.dtype == np.uint8
    np.testing.assert_allclose(picture[16, 16] / 255, colour_of(0.05), atol=0.02)
    np.testing.assert_allclose(picture[48, 68] / 255, UNSURE, atol=0.03)
    assert picture[0, 0].max() == 0
    luma = [np.dot((RED, GREEN, BLUE), colour_of(share)) for share in (0, 0.25, 0.5, 0.75, 1)]
    assert np.ptp(luma) < 0.03  # so that colour takes nothing from brightness
    assert SURE[2] > SURE[0] and UNSURE[0] > UNSURE[2]


def test_channels_and_axes_are_looked_at_on_their_own():
    mean, std = cells()
    both, stds = np.stack([mean, 1000 * mean]), np.stack([std, 1000 * std])
    relative = relative_uncertainty(both, stds, "CYX")
    np.testing.assert_allclose(relative[1], relative[0], rtol=1e-3)
    turned = relative_uncertainty(both.transpose(1, 2, 0), stds.transpose(1, 2, 0), "YXC")
    np.testing.assert_allclose(turned, relative.transpose(1, 2, 0), rtol=1e-6)
    colour = joint_map(np.stack([mean] * 3, -1), std)
    assert colour.shape == (64, 96, 3)
    assert joint_map(mean.T, std.T, "XY").shape == (96, 64, 3)


def test_colours_that_are_hidden_by_alpha_are_no_contrast():
    random = np.random.default_rng(0)
    seen = random.integers(0, 99, (20, 24, 4)).astype("uint8")
    seen[..., 3] = 255
    seen[:, :12] = 0
    hidden = seen.copy()
    hidden[:, :12, :3] = 250
    std = np.ones((20, 24), np.float32)
    np.testing.assert_array_equal(relative_uncertainty(hidden, std), relative_uncertainty(seen, std))


def test_the_least_sure_tenth_and_flat_images():
    _, std = cells()
    relative = relative_uncertainty(*cells())
    assert np.mean(relative > least_sure_tenth(relative)) == pytest.approx(0.1, abs=0.02)
    assert np.isfinite(joint_map(np.zeros_like(std), std)).all()
    with pytest.raises(VaesrError, match="of one result"):
        joint_map(std[:5], std)
    with pytest.raises(VaesrError, match="do not fit"):
        joint_map(std, std, "ZYX")

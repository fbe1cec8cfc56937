"""Images that a model should not be used on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_vaesr.training.strangers import looks, processed
from napari_vaesr.trust.features import FEATURES


def blobs(seed: int, side: int = 128) -> np.ndarray:
    generator = np.random.default_rng(seed)
    places = generator.random((side, side)) > 0.99
    return 2000 * ndimage.gaussian_filter(places.astype(float), 2) + generator.normal(100, 2, (side, side))


def test_every_way_of_processing_changes_a_plane():
    plane = blobs(0)
    made = processed(plane, np.random.default_rng(0), 6)
    assert len(made) == 6
    assert all(other.shape != plane.shape or not np.allclose(other, plane) for other in made)


@pytest.mark.parametrize("subject", ["microscopy", "photographs"])
def test_bundled_looks_are_those_known_now(subject):
    assert looks(subject).shape[1] == FEATURES and np.isfinite(looks(subject)).all()

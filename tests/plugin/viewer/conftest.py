"""What an engine would hand back, made by hand, and where layers lie in the world."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.engine.result import Result
from napari_vaesr.plugin.viewer.sources import source_array


@pytest.fixture(scope="session")
def fake_result():
    def fake_result(shape, rgb=False, uncertainty=True, dtype="uint16"):
        """What the engine hands back for an image of this (upscaled) shape."""
        spread = shape[:-1] if rgb else shape
        std = (
            np.linspace(0, 5, int(np.prod(spread)), dtype="float32").reshape(spread) if uncertainty else None
        )
        return Result(np.full(shape, 7, dtype), std, std, {"made": "by hand"}, "")

    return fake_result


@pytest.fixture(scope="session")
def corners():
    def corners(layer):
        """World positions of the outer corners of the first and last pixel."""
        shape = np.array(source_array(layer).shape[: layer.ndim], dtype=float)
        return np.array([layer.data_to_world(-0.5 * np.ones(layer.ndim)), layer.data_to_world(shape - 0.5)])

    return corners

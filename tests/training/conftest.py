"""A model to begin with, and images to learn from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_vaesr.zoo.registry import Model, load_model


@pytest.fixture(scope="session")
def blobs() -> Callable[..., np.ndarray]:
    """A function that makes a 16-bit stack of round spots."""

    def blobs(shape: tuple[int, ...] = (2, 80, 160), seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        rows, columns = np.mgrid[: shape[-2], : shape[-1]]
        planes = []
        for _ in range(int(np.prod(shape[:-2]))):
            spots = rng.random((40, 2)) * shape[-2:]
            planes.append(sum(np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8) for y, x in spots))
        return (np.reshape(planes, shape) / np.max(planes) * 4000 + 100).astype(np.uint16)

    return blobs


@pytest.fixture
def start(tiny_model_path: Path) -> Model:
    """The model to begin with."""
    return load_model(tiny_model_path)

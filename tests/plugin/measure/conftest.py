"""What is measured by the tests of the panel and of its task."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Layer

from napari_vaesr.engine.settings import make_settings
from napari_vaesr.plugin.viewer.task import UpscaleTask


@pytest.fixture
def settings():
    return make_settings(model="test-tiny", samples=3, device="cpu", precision="float32")


@pytest.fixture
def shown(viewer, settings, finished):
    """A viewer with a stack of micrometers and its result."""
    stack = np.random.default_rng(0).integers(100, 4000, (3, 20, 24)).astype(np.uint16)
    layer = viewer.add_image(
        stack,
        name="cells",
        scale=(2, 0.5, 0.5),
        translate=(0, 10, 20),
        units=("um",) * 3,
        axis_labels=("z", "y", "x"),
    )
    task = UpscaleTask(layer, "ZYX", settings)
    for each in task.layers(finished(task), ["cells"]):
        viewer.add_layer(Layer.create(*each))
    return viewer

"""The newest result is offered, the one chosen stays, and the active layer's is taken."""

from __future__ import annotations

import numpy as np
from napari.layers import Image, Layer

from napari_vaesr.plugin.viewer.layers import upscale_layer
from napari_vaesr.plugin.widgets.result_choice import ResultChoice


def mean_of(choice):
    found = choice.result
    return None if found is None else found.mean


def test_what_is_chosen(viewer, tiny_model_path):
    choice = ResultChoice(viewer)
    assert mean_of(choice) is None
    image = Image(np.random.default_rng(0).integers(0, 255, (12, 16), np.uint8), name="cells")
    means = []
    for seed in range(3):
        made = upscale_layer(image, "YX", model=tiny_model_path, samples=2, seed=seed)
        mean, _ = (viewer.add_layer(Layer.create(*each)) for each in made)
        means.append(mean)
        choice.refresh()
        assert mean_of(choice) is means[0], "what is chosen stays chosen"
    viewer.layers.selection.active = viewer.layers[-1]  # an uncertainty
    choice.take_active()
    assert mean_of(choice) is means[2]
    viewer.layers.remove(means[2])
    choice.refresh()
    assert mean_of(choice) is means[1], "the newest"

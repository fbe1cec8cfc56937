from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from napari.layers import Layer
from npe2 import PluginManifest

from napari_vaesr.plugin.viewer.sources import labelled_axes
from napari_vaesr.sample_images import SAMPLES

CONTRIBUTIONS = PluginManifest.from_distribution("napari-vaesr").contributions


@pytest.mark.parametrize("sample", CONTRIBUTIONS.sample_data, ids=lambda sample: sample.key)
def test_samples_open_as_they_are(sample):
    (python_name,) = (each.python_name for each in CONTRIBUTIONS.commands if each.id == sample.command)
    module, function = python_name.split(":")
    (made,) = getattr(import_module(module), function)()
    layer = Layer.create(*made)
    assert labelled_axes(layer) == SAMPLES[sample.key].axes
    assert layer.rgb == (sample.key == "tissue")
    assert isinstance(layer.data, np.ndarray) and layer.data.max() > layer.data.min()


def test_every_sample_is_in_the_menu():
    assert {sample.key for sample in CONTRIBUTIONS.sample_data} == set(SAMPLES)


def test_the_stack_has_its_true_size():
    from napari_vaesr.plugin.io.sample_data import nuclei

    layer = Layer.create(*nuclei()[0])
    np.testing.assert_allclose(layer.scale, (0.29, 0.26, 0.26))
    assert {str(unit) for unit in layer.units} == {"micrometer"}

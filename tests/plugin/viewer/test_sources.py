"""What is known of a layer as the source of a result: its axes, its pixels and their sizes."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from napari.layers import Image, Layer
from napari.layers._source import layer_source

from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.viewer.layers import (
    layer_tuples,
    upscale_layer,
)
from napari_vaesr.plugin.viewer.sources import (
    checked_axes,
    labelled_axes,
    layer_as_source,
    source_array,
    suggested_axes,
)


def test_multiscale_sources_use_their_finest_level(fake_result, corners):
    fine = np.zeros((16, 24), "uint8")
    layer = Image([fine, fine[::2, ::2]], multiscale=True)
    assert source_array(layer) is fine
    mean, _ = layer_tuples(fake_result((32, 48), dtype="uint8"), layer, "YX", 2)
    mean = Layer.create(*mean)
    assert not mean.multiscale
    np.testing.assert_allclose(corners(mean), corners(layer))


@pytest.mark.parametrize(
    ("shape", "labels", "rgb", "certain", "suggested"),
    [
        ((6, 8), None, False, "YX", "YX"),
        ((6, 8, 3), None, True, "YXS", "YXS"),
        ((5, 6, 8), None, False, None, "ZYX"),
        ((5, 6, 8), ("t", "y", "x"), False, "TYX", "TYX"),
        ((5, 6, 8), ("Y", "X", "C"), False, "YXC", "YXC"),
        ((5, 6, 8), ("Q", "Y", "X"), False, None, "ZYX"),
        ((5, 6, 8), ("Z", "Z", "X"), False, None, "ZYX"),
        ((5, 6, 8), ("Z", "T", "X"), False, None, "ZYX"),
        ((5, 6, 8), ("time", "y", "x"), False, None, "ZYX"),
        ((5, 6, 8, 3), ("z", "y", "x"), True, "ZYXS", "ZYXS"),
        ((2, 5, 6, 8), None, False, None, "TZYX"),
        ((2, 1, 5, 6, 8), None, False, None, "TCZYX"),
    ],
)
def test_axes_come_from_labels_and_are_otherwise_only_suggested(shape, labels, rgb, certain, suggested):
    layer = Image(np.zeros(shape, "uint8"), rgb=rgb, axis_labels=labels)
    assert labelled_axes(layer) == certain
    assert suggested_axes(layer) == suggested


def test_axes_given_by_the_user():
    stack = Image(np.zeros((5, 6, 8), "uint8"), rgb=False, name="cells")
    colour = Image(np.zeros((5, 6, 8, 3), "uint8"), rgb=True)
    assert checked_axes(stack, " zyx ") == "ZYX"
    assert checked_axes(colour, "zyx") == checked_axes(colour, "ZYXS") == "ZYXS"
    with pytest.raises(VaesrError, match="'cells' are not known"):
        checked_axes(stack, None)
    with pytest.raises(VaesrError, match="last axis"):
        checked_axes(colour, "ZSYX")
    with pytest.raises(VaesrError, match="not shown as a colour image"):
        checked_axes(stack, "YXS")


def test_a_layer_knows_the_sizes_of_its_voxels_in_one_unit(deep_model_path):
    pixels = np.random.default_rng(0).integers(0, 4000, (3, 12, 14)).astype("uint16")
    layer = Image(pixels, scale=(1.2, -0.6, 0.6), units=("um", "um", "um"), axis_labels=("z", "y", "x"))
    assert dict(layer_as_source(layer, None).pixel_size) == {"Z": 1.2, "Y": 0.6, "X": 0.6}
    mean, *_ = upscale_layer(layer, model=deep_model_path, isotropic="nearest", scale=1, samples=1)
    assert mean[0].shape == (6, 12, 14)
    layer.units = ("nm", "um", "um")
    assert dict(layer_as_source(layer, None).pixel_size) == pytest.approx({"Z": 0.0012, "Y": 0.6, "X": 0.6})
    layer.units = ("pixel", "um", "um")
    assert "Z" not in layer_as_source(layer, None).pixel_size


def test_axes_are_those_of_the_file_that_the_layer_was_opened_from(tmp_path):
    pixels = np.zeros((2, 3, 4, 12, 16), "uint16")
    tifffile.imwrite(tmp_path / "cells.tif", pixels, imagej=True, metadata={"axes": "TZCYX"})
    with layer_source(path=str(tmp_path / "cells.tif")):  # as napari's own reader does
        layer = Image(pixels)
    assert labelled_axes(layer) == suggested_axes(layer) == "TZCYX"
    layer.data = pixels[0]
    assert labelled_axes(layer) is None  # no longer the image of the file
    layer.axis_labels = ("c", "z", "y", "x")
    assert labelled_axes(layer) == "CZYX"

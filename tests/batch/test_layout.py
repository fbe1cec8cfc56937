"""What an output holds, how its channels are called, and where it lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_vaesr.batch.layout import middle_plane, output_image, written_bytes
from napari_vaesr.engine.job import UpscaleJob
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.files.image_file import ImageFile
from napari_vaesr.imaging.axes import Axes


@pytest.fixture
def image() -> ImageFile:
    pixels = np.random.default_rng(0).integers(0, 4000, (2, 3, 12, 16), dtype=np.uint16)
    return ImageFile(
        Path("cells.tif"),
        "cells",
        pixels,
        "CZYX",
        {"Z": 2.0, "Y": 0.5, "X": 0.25},
        {"Z": "micrometer", "Y": "micrometer", "X": "micrometer"},
        channel_names=("DAPI", "GFP"),
        colours=("0000FF", "00FF00"),
    )


def laid_out(image: ImageFile, model: Path, extent: dict[str, range], **changes: object):
    settings = make_settings(**{"model": str(model), "samples": 2, "device": "cpu", **changes})  # type: ignore[arg-type]
    job = UpscaleJob(image.source, settings, extent)
    return job, output_image(image, job, {})


def test_channels_are_those_of_the_source_each_with_its_uncertainty(image, tiny_model_path):
    _, output = laid_out(image, tiny_model_path, {})
    assert output.channel_names == ("DAPI mean", "DAPI std", "GFP mean", "GFP std")
    assert output.colours == ("0000FF", "0000FF", "00FF00", "00FF00")
    _, output = laid_out(image, tiny_model_path, {"C": range(1, 2)}, uncertainty="interval")
    assert output.channel_names == ("GFP mean", "GFP lower", "GFP upper")


def test_a_lone_channel_keeps_its_name(image, tiny_model_path):
    lone = replace(image, data=image.data[0], axes="ZYX", channel_names=("DAPI",), colours=())
    assert laid_out(lone, tiny_model_path, {})[1].channel_names == ("DAPI mean", "DAPI std")
    nameless = replace(lone, channel_names=())
    assert laid_out(nameless, tiny_model_path, {})[1].channel_names == ("mean", "std")


def test_a_part_lies_where_it_was(image, tiny_model_path):
    job, output = laid_out(image, tiny_model_path, {"Z": range(1, 3), "Y": range(4, 12)})
    assert output.axes.shape == (2, 2, 16, 32)
    assert output.pixel_size == pytest.approx({"Z": 2.0, "Y": 0.25, "X": 0.125})
    assert output.offset == pytest.approx({"Z": 2.0, "Y": 4 * 0.5 - 0.125, "X": -0.0625})
    assert written_bytes(job) == 2 * 2 * 2 * 16 * 32 * 4


def test_the_plane_of_a_figure_is_in_the_middle_of_the_first_channel():
    axes = Axes.parse("TCZYX", (3, 2, 5, 4, 4))
    assert axes.plane_coordinates(middle_plane(axes)) == {"T": 1, "C": 0, "Z": 2}
    assert middle_plane(Axes.parse("YX", (4, 4))) == 0

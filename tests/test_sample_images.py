"""The bundled images are there, small, readable, and named in NOTICE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import read_image
from napari_vaesr.sample_images import SAMPLES, sample_path

EXPECTED = {
    "nuclei": ((40, 256, 256), np.uint16),
    "phase": ((384, 384), np.uint8),
    "tissue": ((384, 384, 3), np.uint8),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_what_it_says(name: str):
    image = read_image(sample_path(name))
    data = np.asarray(image.data)
    assert (data.shape, data.dtype) == EXPECTED[name]
    assert image.axes == SAMPLES[name].axes
    assert np.ptp(data) > 0.5 * np.iinfo(data.dtype).max


def test_the_stack_knows_its_voxels():
    image = read_image(sample_path("nuclei"))
    assert image.pixel_size == pytest.approx({"Z": 0.29, "Y": 0.26, "X": 0.26})
    assert set(image.units.values()) == {"micrometer"}


def test_the_samples_are_small():
    assert sum(sample_path(name).stat().st_size for name in SAMPLES) < 5_000_000


def test_notice_names_every_sample():
    notice = (Path(__file__).parents[1] / "NOTICE").read_text(encoding="utf-8")
    assert all(sample.file in notice for sample in SAMPLES.values())


def test_an_unknown_sample_lists_the_known():
    with pytest.raises(VaesrError, match="nuclei, phase, tissue"):
        sample_path("neurons")

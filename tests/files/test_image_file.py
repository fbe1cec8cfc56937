"""What is known of an opened image, and how it is called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vaesr.files.image_file import ImageFile, image_name, told_apart


@pytest.mark.parametrize("unit, known", [("nanometer", {"Z": 0.6}), ("second", {}), ("", {})])
def test_a_source_has_the_sizes_of_pixels_in_one_unit(unit, known):
    units = {"Z": unit, "Y": "micrometer", "X": "micrometer"}
    image = ImageFile(Path("a.tif"), "a", np.zeros((3, 4, 5)), "ZYX", {"Z": 600.0, "Y": 0.2, "X": 0.2}, units)
    assert image.source.axes.names == "ZYX"
    assert dict(image.source.pixel_size) == pytest.approx({**known, "Y": 0.2, "X": 0.2})


@pytest.mark.parametrize(
    ("path", "series", "name"),
    [
        ("cells.OME.tif", "", "cells"),
        ("cells.ome.tif", "scene B", "cells scene B"),
        ("plate.zarr/A/1/0", "", "plate A1 0"),
        ("plate.ome.zarr", "A/1/0", "plate A1 0"),
        ("v1.2/no ending", "", "no ending"),
    ],
)
def test_names_tell_the_image_and_not_the_format(path, series, name):
    assert image_name(Path(path), series) == name


@given(st.lists(st.sampled_from(["field", "field 1", "field 1 1", "other"]), max_size=8))
def test_every_image_has_a_name_of_its_own_and_the_first_keeps_it(names):
    found = told_apart(names)
    assert len(set(found)) == len(found) == len(names)
    for number, name in enumerate(names):
        assert (found[number] == name) == (name not in names[:number])

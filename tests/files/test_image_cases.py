"""What is right for the inputs in ``tests/cases``, and for others of the same kinds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import read_image, series_names
from napari_vaesr.files.image_file import image_name

CASES = Path(__file__).parents[1] / "cases"
MICRO = "micrometer"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "unit_dm.ome.tif",
            {"Z": (1.0, MICRO), "Y": (298.98804, "nanometer"), "X": (298.98804, "nanometer")},
        ),
        ("pixelsize_mm.tif", {"Y": (0.065, MICRO), "X": (0.065, MICRO)}),
        ("pixelsize_zeiss_sem.tif", {"Y": (5.582, "nanometer"), "X": (5.582, "nanometer")}),
        ("pixelsize_fei_sem.tif", {"Y": (0.00134896, MICRO), "X": (0.00134896, MICRO)}),
        ("pixelsize_aperio.tif", {"Y": (0.499, MICRO), "X": (0.499, MICRO)}),
        ("pixelsize_shaped_sp.tif", {"Z": (0.7, MICRO), "Y": (0.2, MICRO), "X": (0.2, MICRO)}),
        ("topshort.zarr", {"Z": (1.0, MICRO), "Y": (0.1625, MICRO), "X": (0.1625, MICRO)}),
        ("dsshort.zarr", {"Z": (0.5, MICRO), "Y": (0.1625, MICRO), "X": (0.1625, MICRO)}),
        ("longnames.zarr", {"Z": (0.5, MICRO), "Y": (0.1625, MICRO), "X": (0.1625, MICRO)}),
        ("tile.zarr", {"Z": (0.5, MICRO), "Y": (0.2, MICRO), "X": (0.2, MICRO)}),
    ],
)
def test_pixel_sizes(name, expected, sizes):
    assert sizes(read_image(CASES / name)) == {
        axis: (pytest.approx(size), unit) for axis, (size, unit) in expected.items()
    }


def test_places():
    assert read_image(CASES / "tile.zarr").offset == {"Z": 3, "Y": 100, "X": -40}
    assert read_image(CASES / "ij_origin.tif").offset == pytest.approx({"Z": -3, "Y": -4, "X": -2})


@pytest.mark.parametrize("place", ["img.zarr/labels/cells", "img.zarr/labels/cells/0"])
def test_labels_are_refused(place):
    with pytest.raises(VaesrError, match=r"holds labels.*choose the image"):
        read_image(CASES / place)


def test_labels_open_where_they_are_asked_for():
    image = read_image(CASES / "img.zarr" / "labels" / "cells", labels=True)
    assert image.axes == "ZYX" and image.data.dtype == np.int32


def test_labels_of_version_0_5_are_refused(tmp_path):
    axes = [{"name": name, "type": "space"} for name in "yx"]
    ome = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}], "image-label": {}, "version": "0.5"}
    group = zarr.create_group(tmp_path / "l.zarr", attributes={"ome": ome})
    group.create_array("0", data=np.zeros((8, 9), np.uint8))
    with pytest.raises(VaesrError, match="holds labels"):
        read_image(tmp_path / "l.zarr")


def test_a_level_of_an_image_knows_its_axes():
    image = read_image(CASES / "tile.zarr" / "0")
    assert image.axes == "ZYX" and image.offset["X"] == -40


@pytest.mark.parametrize("name", ["topshort.zarr", "dsshort.zarr"])
def test_numbers_that_are_too_few_are_told(name):
    image = read_image(CASES / name)
    assert image.axes == "CZYX" and "taken as those of Z, Y, X" in image.notes[0]


def test_wells_and_fields(sizes):
    path = CASES / "plate.zarr"
    assert series_names(path) == ["A/1/0", "A/1/1", "B/1/0", "B/1/1"]
    image = read_image(path, series="B/1/1")
    assert image.name == "plate B1 1" and sizes(image)["X"] == (0.3, MICRO)
    np.testing.assert_array_equal(image.data, zarr.open_array(path / "B" / "1" / "1" / "0", mode="r")[:])
    assert series_names(path / "B" / "1") == ["0", "1"]
    assert read_image(path / "B" / "1" / "1").name == "plate B1 1"
    assert image_name(path / "B" / "1", "1") == "plate B1 1"


def test_channels_keep_their_names_colours_and_windows():
    image = read_image(CASES / "omero.zarr")
    assert image.channel_names == ("DAPI", "GFP") and image.colours == ("0000FF", "00FF00")
    assert image.windows == ((150, 900), (100, 3000))
    image = read_image(CASES / "ij_labels.tif")
    assert image.channel_names == ("DAPI", "GFP") and image.colours == ("0000FF", "0000FF")


def test_imagej_windows_and_colours(tmp_path):
    ramp = np.arange(256, dtype=np.uint8)
    tables = [np.stack([ramp * 0, ramp, ramp * 0]), np.stack([ramp, ramp, ramp])]
    metadata = {"axes": "CYX", "LUTs": tables, "Ranges": (10.0, 99.0, 5.0, 500.0), "Labels": ["a", "b"]}
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((2, 8, 9), np.uint16), imagej=True, metadata=metadata)
    image = read_image(tmp_path / "c.tif")
    assert (image.channel_names, image.colours) == (("a", "b"), ("00FF00", ""))
    assert image.windows == ((10, 99), (5, 500))


def test_black_is_no_colour_to_see_a_channel_in(tmp_path):
    about = {"axes": "CYX", "Channel": {"Name": ["a", "b"], "Color": [0x000000FF, 0x00FF00FF]}}
    tifffile.imwrite(tmp_path / "c.ome.tif", np.zeros((2, 8, 9), np.uint16), metadata=about)
    assert read_image(tmp_path / "c.ome.tif").colours == ("", "00FF00")


def test_the_distance_of_planes_of_imagej_has_no_sign(tmp_path):
    about = {"axes": "ZYX", "unit": "um", "spacing": -1.5}
    tifffile.imwrite(tmp_path / "z.tif", np.zeros((3, 8, 9), np.uint16), imagej=True, metadata=about)
    assert read_image(tmp_path / "z.tif").pixel_size["Z"] == 1.5


def test_a_lone_channel_of_imagej_keeps_its_colour(tmp_path):
    ramp = np.arange(256, dtype=np.uint8)
    metadata = {
        "LUTs": [np.stack([ramp * 0, ramp, ramp * 0])],
        "Labels": ["GFP"],
        "unit": "um",
        "yorigin": -2,
    }
    pixels = np.zeros((8, 9), np.uint16)
    tifffile.imwrite(tmp_path / "c.tif", pixels, imagej=True, metadata=metadata, resolution=(10, 10))
    image = read_image(tmp_path / "c.tif")
    assert image.colours == ("00FF00",) and image.offset == pytest.approx({"Y": 0.2})


def test_the_alpha_of_grey_is_left_out_and_told(page):
    image = read_image(CASES / "greyalpha.tif")
    assert image.axes == "YX" and "alpha" in image.notes[0]
    np.testing.assert_array_equal(image.data, page("greyalpha.tif")[..., 0])


def test_a_mirrored_image_is_turned_round_where_it_is(tmp_path):
    pixels = np.arange(6 * 8).reshape(6, 8)
    axes = [{"name": name, "type": "space", "unit": MICRO} for name in "yx"]
    transformations = [
        {"type": "scale", "scale": [-0.5, 0.5]},
        {"type": "translation", "translation": [10, 20]},
    ]
    ome = {
        "multiscales": [
            {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": transformations}]}
        ]
    }
    zarr.create_group(tmp_path / "m.zarr", attributes={"ome": ome}).create_array("0", data=pixels)
    image = read_image(tmp_path / "m.zarr")
    assert image.pixel_size == {"Y": 0.5, "X": 0.5} and image.offset == {"Y": 7.5, "X": 20}
    np.testing.assert_array_equal(image.data, pixels[::-1])
    assert "mirrored along Y" in image.notes[0]


def test_a_zipped_zarr_opens_with_and_without_a_folder(tmp_path):
    shutil.make_archive(str(tmp_path / "flat.zarr"), "zip", CASES / "tile.zarr")
    shutil.make_archive(str(tmp_path / "deep.zarr"), "zip", CASES, "tile.zarr")
    expected = read_image(CASES / "tile.zarr")
    for name in ("flat", "deep"):
        image = read_image(tmp_path / f"{name}.zarr.zip")
        assert (image.name, image.axes, image.offset) == (name, "ZYX", expected.offset)
        np.testing.assert_array_equal(image.data, expected.data)


def test_addresses_of_files(tmp_path):
    np.testing.assert_array_equal(
        read_image((CASES / "tile.zarr").as_uri()).data, read_image(CASES / "tile.zarr").data
    )
    shutil.copy(CASES / "p_Pos1.ome.tif", tmp_path / "a b.ome.tif")
    assert read_image((tmp_path / "a b.ome.tif").as_uri()).axes == "YX"

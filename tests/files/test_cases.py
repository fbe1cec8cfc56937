"""What is right for the inputs in ``tests/cases``, and for others of the same kinds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image, ImageOps

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import image_name, read_image, series_names

CASES = Path(__file__).parents[1] / "cases"
MICRO = "micrometer"


def sizes(image) -> dict[str, tuple[float, str | None]]:
    return {name: (pytest.approx(size), image.units.get(name)) for name, size in image.pixel_size.items()}


def page(name: str, number: int = 0):
    with tifffile.TiffFile(CASES / name) as tiff:
        return tiff.pages[number].asarray()


@pytest.mark.parametrize(
    ("name", "axes", "size"),
    [
        ("run_MMStack_Pos0.ome.tif", "TYX", 0.1),
        ("run_MMStack_Pos1.ome.tif", "TYX", 0.25),
        ("p_Pos0.ome.tif", "YX", None),
        ("p_Pos1.ome.tif", "YX", None),
        ("second.ome.tif", "YX", 0.4),
        ("second2.ome.tif", "YX", 0.4),
        ("renamed.ome.tif", "ZYX", None),
    ],
)
def test_an_ome_tiff_gives_its_own_pixels_and_sizes(name, axes, size):
    image = read_image(CASES / name)
    assert image.axes == axes and series_names(CASES / name) == series_names(CASES / name)[:1]
    assert sizes(image) == ({"Y": (size, MICRO), "X": (size, MICRO)} if size else {})
    first = image.data[(0,) * (len(axes) - 2)]
    np.testing.assert_array_equal(first, page(name))
    np.testing.assert_array_equal(image.data[(-1,) * (len(axes) - 2)], page(name, -1))


def test_a_renamed_file_is_found_by_its_uuid(tmp_path):
    for name in ("p_Pos0.ome.tif", "p_Pos1.ome.tif"):
        shutil.copy(CASES / name, tmp_path)
    shutil.copy(CASES / "p_Pos1.ome.tif", tmp_path / "other name.ome.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "other name.ome.tif").data, page("p_Pos1.ome.tif"))


def test_a_companion_file_tells_of_the_images(tmp_path):
    pixels = np.arange(2 * 3 * 8 * 9, dtype=np.uint16).reshape(2, 3, 8, 9)
    ids = ["urn:uuid:00000000-0000-4000-8000-00000000000" + digit for digit in "01"]
    images = ""
    for number, each in enumerate(ids):
        name = f"w{number}.ome.tif"
        planes = "".join(
            f'<TiffData IFD="{z}" FirstZ="{z}" PlaneCount="1">'
            f'<UUID FileName="{name}">{each}</UUID></TiffData>'
            for z in range(3)
        )
        images += (
            f'<Image ID="Image:{number}"><Pixels ID="Pixels:{number}" DimensionOrder="XYZCT" '
            f'Type="uint16" SizeX="9" SizeY="8" SizeZ="3" SizeC="1" SizeT="1" PhysicalSizeZ="{number + 1}">'
            f'<Channel ID="Channel:{number}:0" SamplesPerPixel="1"/>{planes}</Pixels></Image>'
        )
        only = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{each}">'
            f'<BinaryOnly MetadataFile="all.companion.ome" UUID="urn:uuid:9"/></OME>'
        )
        tifffile.imwrite(
            tmp_path / name, pixels[number], description=only, metadata=None, photometric="minisblack"
        )
    whole = f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:9">{images}</OME>'
    (tmp_path / "all.companion.ome").write_text(whole)
    for number in range(2):
        image = read_image(tmp_path / f"w{number}.ome.tif")
        assert (image.axes, image.pixel_size["Z"]) == ("ZYX", number + 1)
        np.testing.assert_array_equal(image.data, pixels[number])


def test_scenes_are_told_of_and_chosen():
    path = CASES / "scenes.ome.tif"
    assert series_names(path) == ["scene A", "scene B"]
    first = read_image(path)
    assert first.series == "scene A" and "'scene B'" in first.notes[0] and "--series" in first.notes[0]
    for choice in ("scene B", 1, "1"):
        second = read_image(path, series=choice)
        assert second.name == "scenes scene B" and second.notes == ()
        assert sizes(second)["X"] == (0.4, MICRO)
        np.testing.assert_array_equal(second.data, page(path.name, 1))
    with pytest.raises(VaesrError, match="no image 'scene C', please choose one of 'scene A', 'scene B'"):
        read_image(path, series="scene C")


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
def test_pixel_sizes(name, expected):
    assert sizes(read_image(CASES / name)) == {
        axis: (pytest.approx(size), unit) for axis, (size, unit) in expected.items()
    }


def test_an_unknown_unit_takes_its_number_along(tmp_path):
    path = tmp_path / "odd.ome.tif"
    metadata = {"axes": "ZYX", "PhysicalSizeX": 3, "PhysicalSizeXUnit": "cubit", "PhysicalSizeZ": 2}
    tifffile.imwrite(path, np.zeros((2, 8, 9), np.uint8), metadata=metadata, photometric="minisblack")
    assert read_image(path).pixel_size == {"Z": 2}


def test_places():
    assert read_image(CASES / "tile.zarr").offset == {"Z": 3, "Y": 100, "X": -40}
    assert read_image(CASES / "ij_origin.tif").offset == pytest.approx({"Z": -3, "Y": -4, "X": -2})


def test_the_place_of_an_ome_tiff_is_in_the_unit_of_its_pixels(tmp_path):
    path = tmp_path / "placed.ome.tif"
    place = {"PositionX": [0.5] * 2, "PositionXUnit": ["mm"] * 2, "PositionY": [7.0] * 2}
    metadata = {"axes": "ZYX", "PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm", "Plane": place}
    tifffile.imwrite(path, np.zeros((2, 8, 9), np.uint8), metadata=metadata, photometric="minisblack")
    assert read_image(path).offset == {"X": 500_000}  # that of Y is in the frame of an unknown stage


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_pictures_stand_upright(tmp_path, orientation, ending):
    path = tmp_path / f"photo.{ending}"
    pixels = np.zeros((24, 40, 3), np.uint8)
    pixels[:8, :8], pixels[-8:, :16, 1], pixels[8:16, -8:, 2] = 255, 200, 150
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x011A], exif[0x011B], exif[0x0128] = 100.0, 200.0, 3
    picture = Image.fromarray(pixels)
    if ending == "tif":
        tags = [(0x0112, 3, 1, orientation, True)]
        tifffile.imwrite(
            path, pixels, extratags=tags, photometric="rgb", resolution=(100, 200), resolutionunit=3
        )
    else:
        picture.save(path, exif=exif, quality=95, dpi=(100, 200))
    picture = Image.open(path)
    expected = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"), int)
    image = read_image(path)
    assert np.abs(np.asarray(image.data, int) - expected).max() <= 3
    across, down = image.dots
    assert (down / across) == pytest.approx(0.5 if orientation > 4 else 2, rel=1e-3)
    if ending == "tif":
        assert (image.pixel_size["X"] > image.pixel_size["Y"]) == (orientation <= 4)


@pytest.mark.parametrize(("number", "shape"), [(3, (24, 40)), (6, (40, 24)), (8, (40, 24))])
def test_photos_of_the_cases_stand_upright(number, shape):
    image = read_image(CASES / f"photo_o{number}.jpg")
    assert image.data.shape[:2] == shape
    corner = {3: (-4, -4), 6: (4, -4), 8: (-4, 4)}[
        number
    ]  # where the bright corner of the stored pixels goes
    assert image.data[corner][0] > 200


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


def test_wells_and_fields():
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


def test_the_alpha_of_grey_is_left_out_and_told():
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

"""What OME-XML says of the images of a TIFF."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import read_image, series_names

CASES = Path(__file__).parents[1] / "cases"
MICRO = "micrometer"


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
def test_an_ome_tiff_gives_its_own_pixels_and_sizes(name, axes, size, sizes, page):
    image = read_image(CASES / name)
    assert image.axes == axes and series_names(CASES / name) == series_names(CASES / name)[:1]
    assert sizes(image) == ({"Y": (size, MICRO), "X": (size, MICRO)} if size else {})
    first = image.data[(0,) * (len(axes) - 2)]
    np.testing.assert_array_equal(first, page(name))
    np.testing.assert_array_equal(image.data[(-1,) * (len(axes) - 2)], page(name, -1))


def test_a_renamed_file_is_found_by_its_uuid(tmp_path, page):
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


def test_scenes_are_told_of_and_chosen(sizes, page):
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


def test_an_unknown_unit_takes_its_number_along(tmp_path):
    path = tmp_path / "odd.ome.tif"
    metadata = {"axes": "ZYX", "PhysicalSizeX": 3, "PhysicalSizeXUnit": "cubit", "PhysicalSizeZ": 2}
    tifffile.imwrite(path, np.zeros((2, 8, 9), np.uint8), metadata=metadata, photometric="minisblack")
    assert read_image(path).pixel_size == {"Z": 2}


def test_the_place_of_an_ome_tiff_is_in_the_unit_of_its_pixels(tmp_path):
    path = tmp_path / "placed.ome.tif"
    place = {"PositionX": [0.5] * 2, "PositionXUnit": ["mm"] * 2, "PositionY": [7.0] * 2}
    metadata = {"axes": "ZYX", "PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm", "Plane": place}
    tifffile.imwrite(path, np.zeros((2, 8, 9), np.uint8), metadata=metadata, photometric="minisblack")
    assert read_image(path).offset == {"X": 500_000}  # that of Y is in the frame of an unknown stage

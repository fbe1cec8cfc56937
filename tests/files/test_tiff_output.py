"""OME-TIFF written in any order."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from napari_vaesr.files.image import read_image
from napari_vaesr.files.output import OutputImage
from napari_vaesr.files.tiff_output import TiffOutput
from napari_vaesr.imaging.axes import Axes


def test_names_of_channels_that_xml_has_no_words_for_can_be_read_again(tmp_path):
    names = ("DAPI\x07 mean", "DAPI\x07 std", "µ\ud800 mean", "\t& <std>")
    image = OutputImage(Axes.parse("CYX", (2, 4, 5)), names)
    TiffOutput.create(tmp_path / "a.ome.tif", image)
    told = read_image(tmp_path / "a.ome.tif").channel_names
    assert told == ("DAPI\ufffd mean", "DAPI\ufffd std", "µ\ufffd mean", "\t& <std>")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_parts_written_in_any_order_come_back_and_are_checked(tmp_path, dtype):
    axes = Axes.parse("ZCYX", (2, 2, 7, 9))
    image = OutputImage(axes, ("a mean", "a std", "b mean", "b std"), dtype=np.dtype(dtype))
    output = TiffOutput.create(tmp_path / "a.ome.tif", image)
    laid_out = output.laid_out()
    pixels = np.random.default_rng(0).integers(0, 250, (4, 2, 7, 9)).astype(dtype)
    columns = {"left": range(5), "right": range(5, 9)}
    parts = [
        (plane, rows, side) for plane in range(4) for rows in (range(3), range(3, 7)) for side in columns
    ]
    for number in np.random.default_rng(1).permutation(len(parts)):
        plane, rows, side = parts[number]
        part = pixels[plane, :, rows.start : rows.stop, columns[side].start : columns[side].stop]
        output.write(axes.region(plane, rows, columns[side]), part)
    for plane in range(4):
        np.testing.assert_array_equal(output.read(plane), pixels[plane])
    region = axes.region(1, range(3), range(5))
    checksum = output.stored(region)
    output.write(region, pixels[0, :, :3, :5])
    assert output.stored(region) != checksum and output.laid_out() == laid_out
    output.path.write_bytes(output.path.read_bytes()[: output.start])
    assert output.stored(region) is None
    assert output.laid_out() != laid_out


def test_a_part_of_a_time_lapse_says_when_it_begins(tmp_path):
    path = tmp_path / "part.ome.tif"
    image = OutputImage(
        Axes.parse("TYX", (3, 4, 5)),
        ("mean", "std"),
        pixel_size={"T": 2.5, "Y": 1.0, "X": 1.0},
        units={"T": "second"},
        offset={"T": 5.0},
    )
    TiffOutput.create(path, image)
    with tifffile.TiffFile(path) as tiff:
        pixels = ElementTree.fromstring(str(tiff.ome_metadata)).find("{*}Image/{*}Pixels")
    assert pixels is not None
    planes = pixels.findall("{*}Plane")
    assert [float(plane.get("DeltaT", "nan")) for plane in planes] == [5.0, 5.0, 7.5, 7.5, 10.0, 10.0]
    assert {plane.get("DeltaTUnit") for plane in planes} == {"s"}
    assert read_image(path).offset == {"T": 5.0}


def test_the_start_that_others_wrote_is_read(tmp_path):
    path = tmp_path / "movie.ome.tif"
    frames = np.zeros((2, 4, 5), np.uint8)
    told = {
        "TimeIncrement": 2,
        "TimeIncrementUnit": "s",
        "Plane": {"DeltaT": [4000, 6000], "DeltaTUnit": ["ms"] * 2},
    }
    tifffile.imwrite(path, frames, metadata={"axes": "TYX", **told})
    image = read_image(path)
    assert image.pixel_size == {"T": 2.0} and image.offset == {"T": 4.0}

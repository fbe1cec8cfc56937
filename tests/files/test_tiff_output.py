"""OME-TIFF written in any order."""

from __future__ import annotations

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

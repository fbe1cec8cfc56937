"""Tags of the makers of microscopes, as tifffile reads them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from napari_vaesr.files import tiff_described as makers
from napari_vaesr.files.image import read_image

MICRO, NANO = "micrometer", "nanometer"


def tags(**values):
    named = {getattr(makers, name): value for name, value in values.items()}
    return SimpleNamespace(tags=SimpleNamespace(valueof=named.get))


@pytest.mark.parametrize(
    ("maker", "file", "expected"),
    [
        ("_lsm", {"lsm_metadata": {"VoxelSizeX": 1e-7, "VoxelSizeY": 2e-7, "VoxelSizeZ": 1e-6}},
         {"X": (0.1, MICRO), "Y": (0.2, MICRO), "Z": (1, MICRO)}),
        ("_olympus", {"sis_metadata": {"pixelsizex": 3e-7, "pixelsizey": 4e-7}},
         {"X": (0.3, MICRO), "Y": (0.4, MICRO)}),
        ("_tvips", {"tvips_metadata": {"PixelSizeX": 0.5, "PixelSizeY": 0.5}},
         {"X": (0.5, NANO), "Y": (0.5, NANO)}),
        ("_fluoview", {"fluoview_metadata": {"Dimensions": [("X", 9, 0, 0.2, "um"), ("Time", 3, 0, 2.0, "s"),
                                                            ("Ch", 2, 0, 1.0, "Ch")]}},
         {"X": (0.2, MICRO), "T": (2, "second")}),
        ("_metamorph", {"stk_metadata": {"XCalibration": 0.5, "YCalibration": 0.25, "CalibrationUnits": "um",
                                         "ZDistance": np.array([2.0, 2.0])}, "metaseries_metadata": None},
         {"X": (0.5, MICRO), "Y": (0.25, MICRO), "Z": (2, MICRO)}),
        ("_metamorph", {"stk_metadata": None, "metaseries_metadata": {"PlaneInfo": {
            "spatial-calibration-x": 0.3, "spatial-calibration-y": 0.4, "spatial-calibration-units": "um"}}},
         {"X": (0.3, MICRO), "Y": (0.4, MICRO)}),
        ("_fei_sem", {"fei_metadata": {"EScan": {"PixelWidth": 2e-9, "PixelHeight": 3e-9}}},
         {"X": (0.002, MICRO), "Y": (0.003, MICRO)}),
    ],
)  # fmt: skip
def test_makers(maker, file, expected):
    found = getattr(makers, maker)(SimpleNamespace(**file), None).sizes
    assert {name: (pytest.approx(size), unit) for name, (size, unit) in found.items()} == expected


def test_zeiss_and_micro_manager():
    page = tags(ZEISS_SEM={"": (0, 0, 0, 2e-9)})
    assert makers._zeiss_sem(None, page).sizes["X"] == pytest.approx((0.002, MICRO))
    tiff = SimpleNamespace(micromanager_metadata={"Summary": {"z-step_um": 0.5, "ChNames": ["DAPI", "GFP"]}})
    told = makers._micro_manager(tiff, tags(MICRO_MANAGER={"PixelSizeUm": 0.0}))
    assert told.sizes == {"Z": (0.5, MICRO)} and told.channel_names == ("DAPI", "GFP")


@pytest.mark.parametrize(("extra", "axes"), [("unassalpha", "YXS"), ("unspecified", "YXC")])
def test_a_fourth_sample_is_alpha_only_where_it_is_told(tmp_path, extra, axes):
    pixels = np.zeros((8, 9, 4), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=[extra])
    assert read_image(tmp_path / "a.tif").axes == axes


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colours_that_are_stored_weighted_by_their_alpha(tmp_path, planar):
    """As Photoshop may; elsewhere colours are those that are seen where nothing shines through."""
    rng = np.random.default_rng(0)
    straight = rng.integers(0, 256, (8, 9, 4)).astype(np.uint8)
    straight[..., 3] = rng.choice([0, 64, 255], (8, 9))
    stored = straight.copy()
    stored[..., :3] = np.rint(straight[..., :3] * (straight[..., 3:] / 255))
    for name, pixels, extra in (("a", stored, "assocalpha"), ("b", straight, "unassalpha")):
        told = {"photometric": "rgb", "extrasamples": [extra], "planarconfig": planar}
        order = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
        tifffile.imwrite(tmp_path / f"{name}.tif", order, **told)
    first, second = (read_image(tmp_path / f"{name}.tif") for name in "ab")
    assert first.axes == second.axes and first.data.dtype == np.uint8
    found, wanted = (np.moveaxis(np.asarray(each.data), each.axes.index("S"), -1) for each in (first, second))
    seen = wanted[..., 3:] > 0
    assert np.abs(np.where(seen, found.astype(int) - wanted, 0)).max() <= 2  # of rounding in the file


def test_sizes_in_the_words_of_ome_in_a_plain_file(tmp_path):
    metadata = {"axes": "ZYX", "PhysicalSizeX": 50, "PhysicalSizeXUnit": "nm", "PhysicalSizeZ": 0.4}
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((2, 8, 9), np.uint8), metadata=metadata, photometric="minisblack"
    )
    assert read_image(tmp_path / "a.tif").pixel_size == {"Z": 0.4, "X": 50}

"""The inputs in ``tests/cases`` through the command line: right pixels, places, units and names."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image, ImageCms

from napari_vaesr.files.image import read_image

CASES = Path(__file__).parents[1] / "cases"


@pytest.fixture
def case(tmp_path):
    def copy(name: str) -> Path:
        source = CASES / name
        return Path((shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name))

    return copy


def test_files_of_one_acquisition_give_their_own_pixels(upscale, case, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("run_MMStack_Pos0.ome.tif", "run_MMStack_Pos1.ome.tif"):
        case(name).rename(tmp_path / "in" / name)
    result = upscale("in", "out")
    assert result.exit_code == 0, result.stderr
    first, second = (read_image(tmp_path / "out" / f"run_MMStack_Pos{n}_x2.ome.tif") for n in "01")
    assert (first.pixel_size["X"], second.pixel_size["X"]) == (0.05, 0.125)
    assert not np.array_equal(np.asarray(first.data), np.asarray(second.data))


def test_the_second_image_keeps_its_size(upscale, case):
    assert upscale(case("second.ome.tif"), "out.ome.tif").exit_code == 0
    assert read_image("out.ome.tif").pixel_size == {"Y": 0.2, "X": 0.2}


def test_scenes(upscale, case, tmp_path):
    path = case("scenes.ome.tif")
    result = upscale(path, "first.ome.tif")
    assert result.exit_code == 0 and "holds 2 images" in result.stderr
    assert upscale(path, "second.ome.tif", "--series", "scene B").exit_code == 0
    assert read_image("second.ome.tif").data.shape[-2:] == (96, 128)
    assert json.loads(Path("second.json").read_text())["files"]["series"] == "scene B"
    assert upscale(path, "every", "--series", "all").exit_code == 0
    assert sorted(path.name for path in Path("every").glob("*.tif")) == [
        "scenes_scene_A_x2.ome.tif",
        "scenes_scene_B_x2.ome.tif",
    ]
    result = upscale(path, "no.ome.tif", "--series", "7")
    assert result.exit_code == 2 and "'scene A', 'scene B'" in result.stderr


@pytest.mark.parametrize("inputs", [["plate.zarr"], ["plate.zarr/*/*/*"]])
def test_one_command_does_a_plate(upscale, case, inputs):
    case("plate.zarr")
    result = upscale(*inputs, "out/")
    assert result.exit_code == 0, result.stderr
    names = [f"plate_{field}_x2.ome.tif" for field in ("A1_0", "A1_1", "B1_0", "B1_1")]
    assert sorted(path.name for path in Path("out").glob("*.tif")) == names
    pixels = [np.asarray(read_image(Path("out", name)).data) for name in names]
    assert len({each.tobytes() for each in pixels}) == 4
    assert "upscaled like this before" in upscale(*inputs, "out/").stderr


def test_one_field_of_a_plate(upscale, case):
    case("plate.zarr")
    assert upscale("plate.zarr", "one.ome.tif", "--series", "B/1/0").exit_code == 0
    result = upscale("plate.zarr", "two.ome.tif")
    assert result.exit_code == 2 and "must be a folder" in result.stderr and "--series" in result.stderr


@pytest.mark.parametrize("output", ["out.ome.tif", "out.zarr"])
@pytest.mark.parametrize("extent", ["", "Z=1,Y=8:20,X=4:30"])
def test_a_result_lies_over_its_source(upscale, case, output, extent):
    options = ["--extent", extent] if extent else []
    assert upscale(case("tile.zarr"), output, *options).exit_code == 0
    image = read_image(output)
    z, y, x = (1, 8, 4) if extent else (0, 0, 0)
    expected = {"Z": 3 + z * 0.5, "Y": 100 + (y - 0.25) * 0.2, "X": -40 + (x - 0.25) * 0.2}
    assert image.offset == pytest.approx(expected)
    assert image.pixel_size == {"Z": 0.5, "Y": 0.1, "X": 0.1}  # of a single plane, too


def test_a_std_beside_a_png_lies_over_its_source(upscale, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (12, 14), dtype=np.uint8)
    metadata = {
        "PhysicalSizeX": 0.4,
        "PhysicalSizeY": 0.4,
        "Plane": {"PositionX": 7.0, "PositionXUnit": "µm"},
    }
    tifffile.imwrite("a.ome.tif", pixels, metadata=metadata)
    result = upscale("a.ome.tif", "a.png")
    assert result.exit_code == 0 and "A PNG holds no place" in result.stderr
    assert read_image("a.std.tif").offset["X"] == pytest.approx(6.9)


def test_a_photo_stands_upright(upscale, case):
    assert upscale(case("photo_o6.jpg"), "out.png").exit_code == 0
    assert read_image("out.png").data.shape == (80, 48, 3)


def test_labels_are_refused(upscale, case):
    case("img.zarr")
    result = upscale("img.zarr/labels/cells", "out.ome.tif")
    assert result.exit_code == 2 and "holds labels" in result.stderr


def test_results_are_passed_over(upscale, stack, picture, tmp_path):
    """A folder upscaled in place once more, with other settings."""
    Path("tissue.png").write_bytes(b"")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (12, 14), dtype=np.uint8)).save("tissue.png")
    assert upscale("stack.tif", "other.zarr").exit_code == 0
    assert upscale("tissue.png", "shown.png", "--figure").exit_code == 0
    assert upscale(".", ".", "--seed", 1).exit_code == 0
    before = sorted(path.name for path in tmp_path.iterdir())
    result = upscale(".", ".", "--seed", 2, "--force")
    assert result.exit_code == 0 and "results of upscalings and are passed over" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    Path("stack_x2.ome.tif").rename("renamed.ome.tif")  # far from its record
    result = upscale("renamed.ome.tif", "again.ome.tif")
    assert result.exit_code == 2 and "choose its source" in result.stderr


def test_channels_keep_their_colours_and_windows(upscale, case):
    assert upscale(case("omero.zarr"), "out.zarr").exit_code == 0
    channels = zarr.open_group("out.zarr").attrs["ome"]["omero"]["channels"]
    assert [(each["label"], each["color"]) for each in channels] == [
        ("DAPI mean", "0000FF"),
        ("DAPI std", "0000FF"),
        ("GFP mean", "00FF00"),
        ("GFP std", "00FF00"),
    ]
    assert channels[0]["window"]["end"] == 900 and channels[2]["window"]["end"] == 3000
    assert upscale("omero.zarr", "other.ome.tif").exit_code == 0
    assert read_image("other.ome.tif").colours == ("0000FF", "0000FF", "00FF00", "00FF00")


@pytest.mark.parametrize("length", [236, 242])
def test_long_names(upscale, picture, length):
    name = "n" * (length - 4) + ".tif"
    picture.rename(name)
    result = upscale(name, "out/")
    assert result.exit_code == 2 and "rename the input" in result.stderr
    result = upscale(name, "m" * 240 + ".zarr")
    assert result.exit_code == 2 and "choose another output" in result.stderr
    assert upscale(name, "short.ome.tif").exit_code == 0


def test_a_name_that_no_disk_can_have(upscale):
    result = upscale("n" * 300 + ".tif", "out.ome.tif")
    assert result.exit_code == 2 and "check its name" in result.stderr


def test_profile_and_resolution_are_kept(upscale):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = np.random.default_rng(0).integers(0, 255, (12, 14, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("a.png", icc_profile=profile, dpi=(300, 300))
    assert upscale("a.png", "b.png").exit_code == 0
    with Image.open("b.png") as result:
        result.load()
    assert result.info["icc_profile"] == profile and result.info["dpi"] == pytest.approx((600, 600), abs=0.1)
    assert upscale("a.png", "c.ome.tif").exit_code == 0
    with tifffile.TiffFile("c.ome.tif") as tiff:
        page = tiff.pages.first
        assert page.tags["InterColorProfile"].value == profile
        assert page.get_resolution("inch") == pytest.approx((600, 600), abs=0.1)
        profile_read = ImageCms.ImageCmsProfile(io.BytesIO(page.tags["InterColorProfile"].value))
        assert "sRGB" in ImageCms.getProfileDescription(profile_read)
    result = upscale("a.png", "d.zarr")
    assert result.exit_code == 0 and "no colour profile" in result.stderr


def test_the_resolution_of_a_tiff_is_the_pixel_size(upscale, stack):
    assert upscale(stack, "out.ome.tif").exit_code == 0
    with tifffile.TiffFile("out.ome.tif") as tiff:
        assert tiff.pages.first.get_resolution("micrometer") == pytest.approx((8, 8))


def test_an_image_in_several_files_is_upscaled_once(upscale, tmp_path):
    (tmp_path / "in").mkdir()
    ids = [f"urn:uuid:00000000-0000-4000-8000-00000000000{digit}" for digit in "01"]
    planes = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1">'
        f'<UUID FileName="s{z}.ome.tif">{ids[z]}</UUID></TiffData>'
        for z in range(2)
    )
    for number in range(2):
        about = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{ids[number]}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="9" '
            f'SizeY="8" SizeZ="2" SizeC="1" SizeT="1">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
        )
        pixels = np.random.default_rng(number).integers(0, 255, (8, 9), dtype=np.uint8)
        tifffile.imwrite(f"in/s{number}.ome.tif", pixels, description=about, metadata=None)
    result = upscale("in", "out")
    assert result.exit_code == 0 and "further parts" in result.stderr
    assert [path.name for path in Path("out").glob("*.tif")] == ["s0_x2.ome.tif"]
    assert read_image("out/s0_x2.ome.tif").axes == "ZCYX"
    before = Path("in/s1.ome.tif").read_bytes()
    refused = upscale("in/s0.ome.tif", "in/s1.ome.tif", "--force")
    assert refused.exit_code == 2 and "is an input as well" in " ".join(refused.stderr.split())
    assert Path("in/s1.ome.tif").read_bytes() == before


def test_what_is_written_is_valid_ome_xml(upscale, case):
    ome_types = pytest.importorskip("ome_types")
    assert upscale(case("omero.zarr"), "out.ome.tif").exit_code == 0
    pixels = ome_types.from_tiff("out.ome.tif", validate=False).images[0].pixels
    assert [channel.name for channel in pixels.channels] == ["DAPI mean", "DAPI std", "GFP mean", "GFP std"]
    assert pixels.channels[0].color.as_rgb_tuple()[:3] == (0, 0, 255)
    assert len(pixels.planes) == 8 and pixels.planes[0].position_x == pytest.approx(-0.025)
    assert pixels.planes[0].position_x_unit.value == "µm"


def test_addresses_of_files_on_this_machine(upscale, tmp_path, stack):
    (tmp_path / "a b").mkdir()
    source = stack.rename(tmp_path / "a b" / "c d.tif")
    output = tmp_path / "a b" / "e f.ome.tif"
    result = upscale(source.as_uri(), output.as_uri())
    assert result.exit_code == 0 and output.is_file(), result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a b"]


def test_an_output_that_is_a_link_to_itself(upscale, stack):
    Path("out.ome.tif").symlink_to("out.ome.tif")
    result = upscale(stack, "out.ome.tif")
    assert result.exit_code == 0 and not Path("out.ome.tif").is_symlink(), result.stderr

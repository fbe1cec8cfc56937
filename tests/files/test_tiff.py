from __future__ import annotations

import gc
import pickle

import dask.array as da
import numpy as np
import pytest
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import read_image, series_names


@pytest.fixture
def stack():
    return np.random.default_rng(0).integers(0, 60_000, (5, 2, 40, 50)).astype(np.uint16)


def test_ome(tmp_path, stack):
    path = tmp_path / "cells.ome.tif"
    metadata = {
        "axes": "ZCYX",
        **{"PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 200, "PhysicalSizeYUnit": "nm"},
        **{"PhysicalSizeZ": 0.3, "TimeIncrement": 2, "TimeIncrementUnit": "s"},
        "Channel": {"Name": ["DNA", "actin"]},
    }
    tifffile.imwrite(path, stack, metadata=metadata, photometric="minisblack")
    image = read_image(path)
    assert (image.path, image.name, image.axes) == (path, "cells", "ZCYX")
    assert image.pixel_size == {"X": 0.1, "Y": 200, "Z": 0.3}
    assert image.units == {"X": "micrometer", "Y": "nanometer", "Z": "micrometer"}
    assert image.channel_names == ("DNA", "actin")
    assert isinstance(image.data, da.Array) and image.data.chunksize == (1, 1, 40, 50)
    np.testing.assert_array_equal(image.data, stack)


def test_the_name_of_a_lone_channel(tmp_path, stack):
    path = tmp_path / "cells.ome.tif"
    tifffile.imwrite(path, stack[:, 0], metadata={"axes": "ZYX", "Channel": {"Name": ["DNA"]}})
    image = read_image(path)
    assert image.axes == "ZYX" and image.channel_names == ("DNA",) and not image.notes
    plain = tmp_path / "plain.tif"
    tifffile.imwrite(plain, stack, metadata={"axes": "ZCYX", "Channel": {"Name": ["a", "b", "c"]}})
    image = read_image(plain)
    assert image.channel_names == () and "plain.tif (a, b, c) are left out" in image.notes[0]


def test_imagej(tmp_path, stack):
    path = tmp_path / "ij.tif"
    metadata = {"axes": "TCYX", "unit": "\\u00B5m", "spacing": 0.3, "finterval": 1.5}
    tifffile.imwrite(path, stack, imagej=True, resolution=(1 / 0.1, 1 / 0.2), metadata=metadata)
    image = read_image(path)
    assert image.axes == "TCYX"
    assert image.pixel_size == pytest.approx({"X": 0.1, "Y": 0.2, "T": 1.5}, rel=1e-6)
    assert image.units == {"X": "micrometer", "Y": "micrometer", "T": "second"}
    np.testing.assert_array_equal(image.data, stack)


def test_imagej_without_a_unit_has_no_pixel_size(tmp_path, stack):
    path = tmp_path / "ij.tif"
    tifffile.imwrite(
        path, stack[:, 0], imagej=True, resolution=(72, 72), metadata={"axes": "ZYX", "spacing": 3}
    )
    image = read_image(path)
    assert image.pixel_size == {"Z": 3} and image.units == {}


def test_plain_pages_need_axes(tmp_path, stack):
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, stack[:, 0], photometric="minisblack", metadata=None, compression="zlib")
    with pytest.raises(
        VaesrError, match=r"\(5, 40, 50\).*ZYX for a z-stack, with --axes on the command line.*T time"
    ):
        read_image(path)
    image = read_image(path, "zyx")
    assert image.axes == "ZYX" and image.pixel_size == {}
    np.testing.assert_array_equal(image.data, stack[:, 0])
    with pytest.raises(VaesrError, match="name 2 axes"):
        read_image(path, "YX")


def test_a_single_page_does_not_and_centimetres_are_believed(tmp_path, stack):
    path = tmp_path / "plane.TIFF"
    for unit, expected in (("centimeter", {"X": 0.5, "Y": 0.25}), ("inch", {})):
        tifffile.imwrite(path, stack[0, 0], resolution=(20_000, 40_000), resolutionunit=unit)
        image = read_image(path)
        assert image.axes == "YX" and image.pixel_size == pytest.approx(expected)


@pytest.mark.parametrize("planar", [False, True])
def test_rgb(tmp_path, planar):
    pixels = (
        np.random.default_rng(0).integers(0, 255, (3, 20, 30) if planar else (20, 30, 3)).astype(np.uint8)
    )
    path = tmp_path / "rgb.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", planarconfig="separate" if planar else "contig")
    image = read_image(path)
    assert image.axes == ("SYX" if planar else "YXS")
    np.testing.assert_array_equal(image.data, pixels)


def test_samples_that_are_no_colours_are_channels(tmp_path):
    path = tmp_path / "samples.tif"
    tifffile.imwrite(path, np.zeros((20, 30, 5), np.uint8), photometric="minisblack", planarconfig="contig")
    assert read_image(path).axes == "YXC"


def test_colours_by_number_are_refused_but_painted_intensities_are_not(tmp_path):
    path = tmp_path / "palette.tif"
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    ramp = np.zeros((3, 256), np.uint16)
    ramp[1] = np.arange(256) * 256
    tifffile.imwrite(path, pixels, photometric="palette", colormap=ramp)
    np.testing.assert_array_equal(read_image(path).data, pixels)
    shuffled = np.random.default_rng(0).permuted(ramp, axis=1)
    tifffile.imwrite(path, pixels, photometric="palette", colormap=shuffled)
    with pytest.raises(VaesrError, match="colours by number"):
        read_image(path)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 1, 7)])
def test_tiny_images(tmp_path, shape):
    path = tmp_path / "tiny.ome.tif"
    tifffile.imwrite(
        path, np.full(shape, 7, np.uint8), metadata={"axes": "ZYX"[-len(shape) :]}, photometric="minisblack"
    )
    image = read_image(path)
    assert image.axes == "ZYX"[-len(shape) :]
    np.testing.assert_array_equal(image.data, np.full(shape, 7))


def test_a_pyramid_opens_in_full_resolution(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (256, 256)).astype(np.uint8)
    path = tmp_path / "pyramid.ome.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(pixels, subifds=1, tile=(64, 64))
        tiff.write(pixels[::2, ::2], subfiletype=1, tile=(64, 64))
    np.testing.assert_array_equal(read_image(path).data, pixels)


def test_large_planes_are_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_vaesr.files.file_array.LARGEST_CHUNK", 1000)
    monkeypatch.setattr("napari_vaesr.files.file_array.PART", 100)
    monkeypatch.setattr("napari_vaesr.files.tiff.WHOLE_PAGE", 1000)
    pixels = np.random.default_rng(0).integers(0, 255, (300, 310)).astype(np.uint8)
    for tile, expected in (((64, 64), (128, 128)), (None, (150, 100))):
        path = tmp_path / "large.tif"
        tifffile.imwrite(path, pixels, tile=tile, rowsperstrip=None if tile else 50)
        image = read_image(path)
        assert image.data.chunksize == (expected if tile else (100, 100))
        np.testing.assert_array_equal(image.data, pixels)


def test_opening_reads_no_pixels_and_files_are_let_go(tmp_path, stack, recwarn):
    path = tmp_path / "lazy.tif"
    tifffile.imwrite(
        path, stack[:, 0], metadata={"axes": "ZYX"}, photometric="minisblack", compression="zlib"
    )
    image = read_image(path)
    path.rename(tmp_path / "moved.tif")  # nothing holds it open
    with pytest.raises(VaesrError, match=r"lazy\.tif cannot be read"):
        image.data[2].compute()
    (tmp_path / "moved.tif").rename(path)
    np.testing.assert_array_equal(image.data[2], stack[2, 0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(image.data))[1], stack[1, 0])
    del image
    gc.collect()
    assert not [warning for warning in recwarn if issubclass(warning.category, ResourceWarning)]


@pytest.mark.parametrize("kind", ["ome", "imagej", "shaped", "plain", "compressed", "big"])
def test_a_file_cut_off_anywhere_is_refused_or_whole(tmp_path, stack, kind):
    whole, cut = tmp_path / "whole.tif", tmp_path / "cut.tif"
    small = stack[:, :, :9, :11]
    options = {
        "ome": {"ome": True, "metadata": {"axes": "ZCYX"}},
        "imagej": {"imagej": True, "metadata": {"axes": "ZCYX"}},
        "shaped": {"metadata": {"axes": "ZCYX"}},
        "plain": {"metadata": None},
        "compressed": {"ome": True, "metadata": {"axes": "ZCYX"}, "compression": "zlib"},
        "big": {"metadata": {"axes": "ZCYX"}, "bigtiff": True},
    }[kind]
    if kind != "imagej":
        options["photometric"] = "minisblack"
    if kind == "plain":
        small = small[:, 0]
    axes = "ZYX" if kind == "plain" else None
    tifffile.imwrite(whole, small, **options)
    content = whole.read_bytes()
    refused = 0
    for length in [*range(0, len(content), 23), len(content)]:
        cut.write_bytes(content[:length])
        try:
            image = read_image(cut, axes)
            np.testing.assert_array_equal(np.asarray(image.data), small)
        except VaesrError as error:
            assert "cut.tif" in str(error) and "\n" not in str(error)
            refused += 1
    np.testing.assert_array_equal(np.asarray(read_image(whole, axes).data), small)
    assert refused > 0.5 * len(content) / 23


def test_damaged_pixels_are_told_when_they_are_read(tmp_path, stack):
    path = tmp_path / "damaged.tif"
    tifffile.imwrite(
        path, stack[:, 0], metadata={"axes": "ZYX"}, photometric="minisblack", compression="zlib"
    )
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[3].dataoffsets[0]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 40)
    image = read_image(path)
    np.testing.assert_array_equal(image.data[2], stack[2, 0])
    with pytest.raises(VaesrError, match=r"damaged\.tif cannot be read here"):
        image.data[3].compute()


def test_what_is_no_tiff(tmp_path):
    path = tmp_path / "text.tif"
    path.write_text("not a TIFF at all")
    with pytest.raises(VaesrError, match="damaged or no TIFF") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


@settings(max_examples=60)
@given(
    st.sampled_from(["YX", "ZYX", "TYX", "CYX", "TZYX", "ZCYX", "TCYX", "TZCYX", "ZYXS"]),
    st.lists(st.sampled_from([1, 1, 2, 3, 7]), min_size=5, max_size=5),
    st.sampled_from([np.uint8, np.uint16, np.float32]),
    st.sampled_from([{}, {"truncate": True}, {"compression": "zlib"}]),
)
@example("TZYX", [3, 2, 7, 1, 1], np.uint8, {})
@example("ZYX", [7, 7, 1, 1, 1], np.uint16, {})
@example("ZYX", [3, 3, 7, 1, 1], np.uint8, {"truncate": True})
@example("ZYX", [2, 1, 1, 1, 1], np.uint8, {"compression": "zlib"})
@example("TZYX", [2, 2, 1, 1, 1], np.uint8, {"truncate": True})
def test_imagej_stacks_of_any_small_shape(tmp_path_factory, axes, lengths, dtype, options):
    """One pixel wide or high: tifffile takes the width of such a stack for the samples of its pixels."""
    path = tmp_path_factory.mktemp("imagej") / "a.tif"
    shape = [3 if name == "S" else length for name, length in zip(axes, lengths, strict=False)]
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8 if "S" in axes else dtype)
    photometric = "rgb" if "S" in axes else "minisblack"
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": axes}, photometric=photometric, **options)
    image = read_image(path)
    is_told = [length > 1 or name in "YX" for name, length in zip(axes, shape, strict=True)]
    assert image.axes == "".join(name for name, told in zip(axes, is_told, strict=True) if told)
    expected = pixels.reshape([length for length, told in zip(shape, is_told, strict=True) if told])
    if axes[-3:-2] in "TZC" and len(axes) > 2 and pixels.shape[-3:] == (1, expected.shape[-2], 1):
        # To the last byte the file of a stack one pixel high, which is what it opens as.
        expected = np.swapaxes(expected, -1, -2)
    np.testing.assert_array_equal(image.data, expected)


def test_a_negative_is_told(tmp_path):
    pixels = np.arange(30, dtype=np.uint8).reshape(5, 6)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data, pixels)
    assert len(image.notes) == 1 and "least value is white" in image.notes[0]


def test_images_of_one_name_are_told_apart(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as file:
        for number, name in enumerate(("field", "field", "other", "field 1", "field")):
            file.write(np.full((8, 9), number, np.uint8), metadata={"axes": "YX", "Name": name})
    names = series_names(path)
    assert names == ["field", "field 1 1", "other", "field 1", "field 4"]
    for number, name in enumerate(names):
        for image in (read_image(path, series=name), read_image(path, series=number)):
            assert image.series == name and np.unique(np.asarray(image.data)).tolist() == [number]

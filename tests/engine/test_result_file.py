"""Results in files: every pixel comes back, with what the file says about itself."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tracemalloc
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_vaesr.engine.record import ModelVersion, Record, RecordedInput
from napari_vaesr.engine.result_file import (
    Part,
    as_channels,
    as_planes,
    output_image,
    stored_parts,
    write_whole,
)
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import Cancelled, VaesrError
from napari_vaesr.files.image import read_image
from napari_vaesr.files.output import OutputImage
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.intensity import IntensityScaling
from napari_vaesr.imaging.region import Region


def image_of(names, lengths):
    shape = tuple(lengths[name] for name in names)
    return np.random.default_rng(0).random(shape, np.float32)


def write_ome_tiff(path, planes, axes, shape, dtype, pixel_size, units, channel_names):
    axes = Axes.parse(axes, shape).without_samples()
    image = OutputImage(axes, tuple(channel_names), np.dtype(dtype), pixel_size, units)
    write_whole(path, image, planes)


def planes_of(image, axes, together):
    """Mean, std and so on of every plane: the plane, the plane plus 1, ..."""
    for n in range(axes.plane_count):
        plane = axes.read_plane(image, n, slice(None), slice(None))
        yield np.stack([plane + extra for extra in range(together)])


@given(
    st.sets(st.sampled_from("TCZ")).flatmap(lambda extra: st.permutations(sorted(extra | {"Y", "X"}))),
    st.integers(1, 3),
)
def test_every_pixel_of_any_axes_comes_back(tmp_path_factory, names, together):
    names = "".join(names)
    axes = Axes.parse(names, [{"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}[name] for name in names])
    image = image_of(names, dict(zip(names, axes.shape, strict=True)))
    path = tmp_path_factory.mktemp("any") / "result.ome.tif"
    channels = [f"{c}{extra}" for c in range(3 if "C" in names else 1) for extra in range(together)]
    write_ome_tiff(path, planes_of(image, axes, together), names, axes.shape, np.float32, {}, {}, channels)

    def full(array, letters):
        array = np.transpose(array, [letters.index(name) for name in "TZCYX" if name in letters])
        return array[tuple(slice(None) if name in letters else None for name in "TZCYX")]

    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_ome and tiff.series[0].kind == "ome" and len(tiff.series) == 1
        read = full(tiff.series[0].asarray(), tiff.series[0].axes)
    expected = np.stack([full(image, names) + extra for extra in range(together)], axis=3)
    np.testing.assert_array_equal(read, expected.reshape(read.shape))


def test_what_the_file_says_about_itself(tmp_path):
    path = tmp_path / "result.ome.tif"
    axes = Axes.parse("CZYX", (2, 3, 4, 5))
    image = image_of("CZYX", {"C": 2, "Z": 3, "Y": 4, "X": 5})
    names = ["DNA mean", "DNA std", "β-actin mean", "β-actin std"]
    pixel_size, units = {"Z": 0.3, "Y": 0.05, "X": 0.05}, {"Z": "micrometer", "Y": "um", "X": "nm"}
    write_ome_tiff(path, planes_of(image, axes, 2), "CZYX", axes.shape, np.float32, pixel_size, units, names)
    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        assert (series.axes, series.shape, series.dtype) == ("ZCYX", (3, 4, 4, 5), np.float32)
        assert not tiff.is_bigtiff and all(page.compression == 1 for page in tiff.pages)
        tiff.ome_metadata.encode("ascii", "xmlcharrefreplace")
        # mean and std of a plane follow each other, though the source has its channels outermost
        np.testing.assert_array_equal(tiff.pages[2].asarray(), image[0, 1])
        np.testing.assert_array_equal(tiff.pages[3].asarray(), image[0, 1] + 1)
        pixels = ElementTree.fromstring(tiff.ome_metadata).find("{*}Image/{*}Pixels")
    assert pixels.get("PhysicalSizeX") == "0.05" and pixels.get("PhysicalSizeXUnit") == "nm"
    assert pixels.get("PhysicalSizeZ") == "0.3" and pixels.get("PhysicalSizeZUnit") == "µm"
    assert [channel.get("Name") for channel in pixels.findall("{*}Channel")] == names

    again = read_image(path)
    assert again.axes == "ZCYX" and again.channel_names == tuple(names)
    assert again.pixel_size == pixel_size
    assert again.units == {"Z": "micrometer", "Y": "micrometer", "X": "nanometer"}


def test_pixels_without_a_unit_and_colour(tmp_path):
    path = tmp_path / "result.ome.tif"
    planes = iter([np.zeros((4, 6, 8), np.float32)])
    names = ["red mean", "green mean", "blue mean", "std"]
    write_ome_tiff(path, planes, "YXS", (6, 8, 3), np.float32, {"Y": 2, "X": 2, "T": 1}, {}, names)
    image = read_image(path)
    assert image.axes == "CYX" and image.channel_names == tuple(names)
    assert image.pixel_size == {"Y": 2, "X": 2} and image.units == {}


@pytest.mark.parametrize(("names", "shape"), [("YX", (1, 1)), ("ZYX", (3, 1, 1)), ("ZYX", (1, 4, 5))])
def test_tiny_results(tmp_path, names, shape):
    axes, image = Axes.parse(names, shape), np.random.default_rng(0).random(shape, np.float32)
    path = tmp_path / "tiny.ome.tif"
    write_ome_tiff(path, planes_of(image, axes, 2), names, shape, np.float32, {}, {}, ["mean", "std"])
    read = read_image(path)
    np.testing.assert_array_equal(
        np.asarray(read.data).reshape(*shape[:-2], 2, *shape[-2:])[..., 0, :, :], image
    )


def test_integers_keep_their_type(tmp_path):
    path = tmp_path / "result.ome.tif"
    write_ome_tiff(path, iter([np.ones((1, 3, 4))]), "YX", (3, 4), np.uint16, {}, {}, ["mean"])
    assert read_image(path).data.dtype == np.uint16


def test_streaming_holds_one_plane(tmp_path):
    """A hundred planes of 1 MB pass through a few MB of memory."""
    count, side = 50, 512
    buffer = np.zeros((2, side, side), np.float32)

    def planes():
        for _ in range(count):
            yield buffer

    tracemalloc.start()
    try:
        write_ome_tiff(
            tmp_path / "a.ome.tif", planes(), "ZYX", (count, side, side), np.float32, {}, {}, ["mean", "std"]
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "a.ome.tif").stat().st_size > 2 * count * side * side * 4
    assert peak < 6e6


def test_large_files_get_long_offsets(tmp_path, monkeypatch):
    for limit, big in ((100, True), (10_000, False)):
        monkeypatch.setattr("napari_vaesr.files.tiff_output.CLASSIC_TIFF_LIMIT", limit)
        write_ome_tiff(
            tmp_path / "a.tif", iter([np.zeros((1, 9, 9))]), "YX", (9, 9), np.float32, {}, {}, ["mean"]
        )
        with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
            assert tiff.is_bigtiff == big


@pytest.mark.parametrize(
    "error",
    [Cancelled(), KeyboardInterrupt(), VaesrError("x"), OSError(errno.ENOSPC, "No space left on device")],
)
def test_an_error_on_the_way_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "result.ome.tif"
    path.write_text("old")

    def planes():
        yield np.zeros((2, 30, 40), np.float32)
        raise error

    expected = VaesrError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        write_ome_tiff(path, planes(), "ZYX", (3, 30, 40), np.float32, {}, {}, ["mean", "std"])
    assert path.read_text() == "old" and [child.name for child in tmp_path.iterdir()] == ["result.ome.tif"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_wrong_number_of_planes_is_no_file(tmp_path, count):
    planes = (np.zeros((1, 3, 4)) for _ in range(count))
    with pytest.raises(ValueError, match=r"not 2|of 2"):
        write_ome_tiff(tmp_path / "a.tif", planes, "ZYX", (2, 3, 4), np.float32, {}, {}, ["mean"])
    assert not list(tmp_path.iterdir())


def test_planes_and_names_have_to_fit(tmp_path):
    with pytest.raises(ValueError, match=r"not \(1, 3, 4\)"):
        write_ome_tiff(
            tmp_path / "a.tif", iter([np.zeros((2, 3, 4))]), "YX", (3, 4), np.float32, {}, {}, ["mean"]
        )
    with pytest.raises(ValueError, match="3 names"):
        write_ome_tiff(tmp_path / "a.tif", iter([]), "CYX", (2, 3, 4), np.float32, {}, {}, ["a", "b", "c"])
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no such limits")
def test_a_disk_that_fills_up_is_told_and_leaves_nothing(tmp_path):
    """In a process that may write no more than 40 kB to a file, as on a disk that is almost full."""
    code = f"""
import resource, signal
import numpy as np
from napari_vaesr.engine.result_file import write_whole
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.output import OutputImage
from napari_vaesr.imaging.axes import Axes

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
planes = iter([np.zeros((1, 64, 64), np.float32)] * 9)
path = {str(tmp_path / "a.ome.tif")!r}
try:
    write_whole(path, OutputImage(Axes.parse("ZYX", (9, 64, 64)), ("mean",)), planes)
except VaesrError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "disk is full" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [".ome.tif", ".ome.zarr"])
def test_parts_come_back_with_their_place(tmp_path, ending):
    axes = Axes.parse("CZYX", (2, 3, 4, 5))
    parts = [Part("mean", "uint8", 1, "CZYX"), Part("std", "float32", 1, "CZYX")]
    offset = {"Z": 3.0, "Y": -0.25, "X": 7.5}
    image = output_image(parts, axes, ["a ", "b "], {"axes": "CZYX"}, offset=offset, pixel_size={"Y": 0.5})
    mean = np.random.default_rng(0).integers(0, 255, axes.shape).astype("uint8")
    std = mean.astype("float32") / 7
    planes = (
        as_channels([axes.read_plane(each, n, slice(None), slice(None)) for each in (mean, std)])
        for n in range(axes.plane_count)
    )
    write_whole(tmp_path / f"result{ending}", image, planes)
    opened = read_image(tmp_path / f"result{ending}")
    assert opened.offset == offset
    found = stored_parts(opened)
    assert [part for part, _ in found] == parts
    for (_, pixels), expected in zip(found, (mean, std), strict=True):
        assert pixels.dtype == expected.dtype
        np.testing.assert_array_equal(np.asarray(pixels), expected)


@given(st.lists(st.sampled_from([1, 3, 4]), min_size=1, max_size=3), st.integers(0, 2**32))
def test_planes_become_channels_and_planes_again(channels, seed):
    rng = np.random.default_rng(seed)
    parts = [Part(str(n), "uint16", count) for n, count in enumerate(channels)]
    shapes = [(5, 6) if count == 1 else (5, 6, count) for count in channels]
    planes = [rng.integers(0, 65535, shape).astype("uint16") for shape in shapes]
    for before, after in zip(planes, as_planes(as_channels(planes), parts), strict=True):
        assert after.dtype == before.dtype
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("axes", ["CYX", "YXS"])
def test_files_of_version_0_1_are_read_by_their_channels_names(tmp_path, axes):
    shape = (2, 6, 8) if axes == "CYX" else (6, 8, 3)
    named = Axes.parse(axes, shape)
    record = Record(
        model=ModelVersion(name="tiny", version="0", sha256=""),
        settings=make_settings(uncertainty="interval"),
        axes=axes,
        input=RecordedInput(shape=shape, dtype="uint8"),
        intensity=[IntensityScaling(offset=0, gain=255)] * named.lengths.get("C", 1),
        extent=Region().of(named.lengths),
    )
    means = ["red mean", "green mean", "blue mean"] if axes == "YXS" else ["mean"]
    names = [
        f"{prefix}{name}"
        for prefix in (["a ", "b "] if "C" in axes else [""])
        for name in (*means, "lower", "upper")
    ]
    image = OutputImage(named.without_samples(), tuple(names), annotation=record.plain())
    planes = [np.full((image.together, 6, 8), n, np.float32) for n in range(image.axes.plane_count)]
    write_whole(tmp_path / "old.ome.tif", image, planes)
    found = stored_parts(read_image(tmp_path / "old.ome.tif"))
    assert [part.role for part, _ in found] == ["mean", "lower", "upper"]
    assert found[0][0].dtype == "uint8" and found[0][1].shape == shape
    assert found[1][1].shape == named.without_samples().shape


def test_other_images_are_no_results(tmp_path):
    tifffile.imwrite(tmp_path / "plain.tif", np.zeros((3, 4), np.uint8))
    assert stored_parts(read_image(tmp_path / "plain.tif")) is None

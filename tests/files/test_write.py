from __future__ import annotations

import errno
import json
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

from napari_vaesr.errors import Cancelled, VaesrError
from napari_vaesr.files.image import read_image
from napari_vaesr.files.write import write_json, write_ome_tiff
from napari_vaesr.imaging.axes import Axes


def image_of(names, lengths):
    shape = tuple(lengths[name] for name in names)
    return np.random.default_rng(0).random(shape, np.float32)


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


def test_json(tmp_path):
    path = tmp_path / "record.json"
    write_json(path, {"model": "β", "scale": 2})
    assert json.loads(path.read_text(encoding="utf-8")) == {"model": "β", "scale": 2}
    for bad in ({"a": object()}, {"a": float("nan")}):
        with pytest.raises((TypeError, ValueError)):
            write_json(path, bad)
    assert json.loads(path.read_text(encoding="utf-8"))["scale"] == 2
    assert [child.name for child in tmp_path.iterdir()] == ["record.json"]


def test_a_name_that_is_not_utf8_is_written_and_read_again(tmp_path):
    content = {"input": "cells \\ 5\udcb5m β.tif"}  # as Linux has a name with the byte B5
    write_json(tmp_path / "record.json", content)
    text = (tmp_path / "record.json").read_text(encoding="utf-8")
    assert json.loads(text) == content and "β" in text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no such limits")
def test_a_disk_that_fills_up_is_told_and_leaves_nothing(tmp_path):
    """In a process that may write no more than 40 kB to a file, as on a disk that is almost full."""
    code = f"""
import resource, signal
import numpy as np
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.write import write_ome_tiff

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
planes = iter([np.zeros((1, 64, 64), np.float32)] * 9)
path = {str(tmp_path / "a.ome.tif")!r}
try:
    write_ome_tiff(path, planes, "ZYX", (9, 64, 64), np.float32, {{}}, {{}}, ["mean"])
except VaesrError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "disk is full" in done.stdout
    assert not list(tmp_path.iterdir())

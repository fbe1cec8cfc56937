"""What asks for too much is refused before anything is unpacked, in one sentence."""

from __future__ import annotations

import time
import tracemalloc
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr

from napari_vaesr.errors import NotEnoughMemory, VaesrError
from napari_vaesr.files.file_array import FileArray
from napari_vaesr.files.image import read_image


@pytest.fixture(autouse=True)
def little_memory():
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**28


def png(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + name + content + zlib.crc32(name + content).to_bytes(4)

    header = width.to_bytes(4) + height.to_bytes(4) + bytes([8, 0, 0, 0, 0])
    pixels = zlib.compress(bytes(10**6))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    content = bytearray(imagecodecs.jpeg_encode(np.zeros((8, 8, 3), np.uint8)))
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = height.to_bytes(2) + width.to_bytes(2)
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.png", png(10**5, 10**5)), ("a.png", png(2**31 - 1, 2**31 - 1)), ("a.jpg", jpeg(65000, 65000))],
)
def test_pictures_of_gigapixels(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VaesrError, match="unpacked at once"):
        read_image(tmp_path / name)


def test_a_zarr_of_very_many_planes(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=(10**9, 8, 8), chunks=(1, 8, 8), dtype="u1")
    with pytest.raises(VaesrError, match="more planes"):
        read_image(tmp_path / "a.zarr", "ZYX")


def test_a_zarr_of_very_large_chunks(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=(10**6, 10**6), chunks=(10**6, 10**6), dtype="u1")
    with pytest.raises(VaesrError, match="pieces"):
        read_image(tmp_path / "a.zarr", "YX")


@pytest.mark.parametrize("size", [10**9, 2**63, 10**30])
def test_ome_xml_of_very_many_planes(tmp_path, size):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.zeros((2, 8, 8), np.uint8), metadata={"axes": "ZYX"})
    content = tifffile.tiffcomment(path).replace('SizeZ="2"', f'SizeZ="{size}"')
    tifffile.tiffcomment(path, content)
    with pytest.raises(VaesrError, match="planes"):
        read_image(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e308])
@pytest.mark.parametrize("kind", ["scale", "translation"])
def test_places_that_are_no_numbers_are_not_written(tmp_path, value, kind):
    from napari_vaesr.files.output import OutputImage
    from napari_vaesr.imaging.axes import Axes

    field = {"scale": "pixel_size", "translation": "offset"}[kind]
    with pytest.raises(VaesrError, match="along X"):
        OutputImage(Axes.parse("YX", (4, 4)), ("mean",), **{field: {"X": value}})


def test_memory_that_runs_out_is_told_with_the_file(tmp_path):
    def hungry():
        raise MemoryError

    array = FileArray(tmp_path / "a.tif", hungry, (4, 4), np.dtype(np.uint8))
    with pytest.raises(NotEnoughMemory, match=r"a\.tif"):
        array[:]


def test_lzma_that_is_damaged(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8), compression="lzma")
    content = bytearray(path.read_bytes())
    content[-200:-100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(VaesrError):
        np.asarray(read_image(path).data)


def test_an_imagej_stack_that_is_cut_off(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((5, 8, 9), np.uint16), imagej=True, metadata={"axes": "ZYX"})
    path.write_bytes(path.read_bytes()[:700])  # amid its pixels
    with pytest.raises(VaesrError, match="cut off"):
        read_image(path)


@pytest.mark.parametrize(
    ("shape", "says"), [((10**6,) * 3, "more than can be handled"), ((2**31, 24), ""), ((2**20, 2**20), "")]
)
def test_arrays_of_very_many_parts(tmp_path, shape, says):
    """Sparse: what is not there is 0. A narrow plane has parts that are all the longer."""
    path = tmp_path / "a.zarr"
    chunks = (1, 1024, 1024)[-len(shape) :]
    zarr.create_array(path, shape=shape, chunks=chunks, dtype="u1")
    start = time.process_time()
    if says:
        with pytest.raises(VaesrError, match=says):
            read_image(path, "ZYX")
    else:
        assert not np.asarray(read_image(path, "YX").data[:9, :9]).any()
    assert time.process_time() - start < 20


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_that_lacks_strips(tmp_path, compression):
    """It says that it has ten times the rows: those that have no strip would be 0."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((20, 24), np.uint8), rowsperstrip=20, compression=compression)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages.first.tags["ImageLength"].overwrite(200)
    with pytest.raises(VaesrError, match="cut off"):
        read_image(path)


def test_a_plate_of_very_many_wells(tmp_path):
    wells = [{"path": f"A/{number}"} for number in range(20_000)]
    zarr.create_group(tmp_path / "a.zarr", attributes={"ome": {"plate": {"wells": wells}}})
    with pytest.raises(VaesrError, match="20000 wells"):
        read_image(tmp_path / "a.zarr")

"""Chunks that are packed to burst: no more is unpacked than their shape allows."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import pickle
import resource
import shutil
import sys
import threading
import time
import tracemalloc
import zipfile
import zlib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numcodecs
import numpy as np
import pytest
import zarr

import napari_vaesr.files.ome_zarr  # noqa: F401  # what it imports is not to be measured
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import read_image

PIXELS = np.random.default_rng(0).integers(0, 60_000, (2, 24, 20), dtype=np.uint16)
LARGE = 2**26
CODECS = ["blosc", "lz4", "zstd", "gzip", "zlib", "bz2", "lzma"]

# What packs in version 3 beyond its specification is warned of.
pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs:zarr.errors.ZarrUserWarning")


def endless_zstd(size: int) -> bytes:
    """Frames that do not tell what they hold."""
    blocks = size // 2**17
    block = ((2**17 << 3) | 2).to_bytes(3, "little") + b"\0"
    last = ((2**17 << 3) | 3).to_bytes(3, "little") + b"\0"
    return bytes.fromhex("28b52ffd0050") + block * (blocks - 1) + last


def bomb(name: str) -> bytes:
    pack = {"gzip": gzip.compress, "zlib": zlib.compress, "bz2": bz2.compress, "lzma": lzma.compress}
    if name in pack:
        return pack[name](bytes(LARGE))
    if name == "endless zstd":
        return endless_zstd(LARGE)
    if name == "several gzip":
        return gzip.compress(bytes(500)) * 10**4
    codec = numcodecs.get_codec({"id": name})
    return bytes(codec.encode(bytes(LARGE)))


def chunk_of(path):
    (found,) = (
        each for each in path.rglob("*") if each.is_file() and each.suffix != ".json" and each.name[0] != "."
    )
    return found


def as_version_2(path, name):
    compressor = numcodecs.get_codec({"id": name})
    array = zarr.create_array(
        path, shape=(24, 20), chunks=(24, 20), dtype="u2", compressors=compressor, zarr_format=2
    )
    array[:] = PIXELS[0]


def as_version_3(path, name, **options):
    packer = {
        "gzip": zarr.codecs.GzipCodec(),
        "zstd": zarr.codecs.ZstdCodec(),
        "blosc": zarr.codecs.BloscCodec(),
    }
    codec = packer.get(name)
    if codec is None:
        numbered = pytest.importorskip("zarr.codecs.numcodecs")
        codec = {"lz4": numbered.LZ4, "zlib": numbered.Zlib, "bz2": numbered.BZ2, "lzma": numbered.LZMA}[
            name
        ]()
    array = zarr.create_array(path, shape=(24, 20), chunks=(24, 20), dtype="u2", compressors=codec, **options)
    array[:] = PIXELS[0]


WRITERS = {2: as_version_2, 3: as_version_3}


def refused_soon(path, match="it may") -> None:
    """Read a file, which has to be refused in little time and memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(VaesrError, match=match) as caught:
        np.asarray(read_image(path, "YX").data)
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert seconds < 5 and peak < 2**24
    if sys.platform == "linux":
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**15  # KiB


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", [*CODECS, "endless zstd", "several gzip"])
def test_a_chunk_packed_to_burst(tmp_path, version, name):
    path = tmp_path / "a.zarr"
    WRITERS[version](path, name.rpartition(" ")[2])
    np.testing.assert_array_equal(read_image(path, "YX").data, PIXELS[0])
    packed = bomb(name)
    chunk_of(path).write_bytes(packed)
    refused_soon(path)


@pytest.mark.parametrize("name", ["gzip", "zstd", "blosc"])
def test_a_chunk_in_a_shard(tmp_path, name):
    path = tmp_path / "a.zarr"
    codec = {
        "gzip": zarr.codecs.GzipCodec(),
        "zstd": zarr.codecs.ZstdCodec(),
        "blosc": zarr.codecs.BloscCodec(),
    }
    array = zarr.create_array(
        path, shape=(24, 20), chunks=(12, 20), shards=(24, 20), dtype="u2", compressors=codec[name]
    )
    array[:] = PIXELS[0]
    np.testing.assert_array_equal(read_image(path, "YX").data, PIXELS[0])
    packed = bomb(name)
    index = np.array([[0, len(packed)], [0, len(packed)]], "<u8").tobytes()
    crc32c = numcodecs.get_codec({"id": "crc32c", "location": "end"})
    chunk_of(path).write_bytes(packed + bytes(crc32c.encode(index)))
    refused_soon(path)


def test_a_zip_packed_to_burst(tmp_path):
    as_version_3(tmp_path / "a.zarr", "gzip")
    shutil.make_archive(str(tmp_path / "a.zarr"), "zip", tmp_path / "a.zarr")
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr.zip", "YX").data, PIXELS[0])
    described = (tmp_path / "a.zarr" / "zarr.json").read_text()
    contents = {"in the zip": bytes(LARGE), "in the chunk": bomb("gzip")}
    for name, content in contents.items():
        with zipfile.ZipFile(tmp_path / f"{name}.zarr.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("zarr.json", described)
            archive.writestr("c/0/0", content)
        refused_soon(tmp_path / f"{name}.zarr.zip")
    with zipfile.ZipFile(tmp_path / "described.zarr.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zarr.json", bytes(2 * LARGE))
    with pytest.raises(VaesrError, match="it may"):
        read_image(tmp_path / "described.zarr.zip", "YX")


def test_a_chunk_packed_to_burst_far_away(tmp_path):
    pytest.importorskip("aiohttp")
    as_version_2(tmp_path / "a.zarr", "gzip")
    as_version_2(tmp_path / "b.zarr", "gzip")
    chunk_of(tmp_path / "b.zarr").write_bytes(bomb("gzip"))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        np.testing.assert_array_equal(read_image(f"{address}/a.zarr", "YX").data, PIXELS[0])
        refused_soon(f"{address}/b.zarr")
        server.shutdown()


@pytest.mark.skipif(sys.platform == "win32", reason="files without content take room there")
def test_a_file_that_is_far_too_large(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=PIXELS[0], chunks=(24, 20), compressors=None)
    with chunk_of(path).open("wb") as file:
        file.truncate(2**40)
    refused_soon(path)
    with (path / "zarr.json").open("wb") as file:
        file.truncate(2**40)
    refused_soon(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_in_the_place_of_a_chunk_is_not_waited_for(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=PIXELS[0], chunks=(24, 20))
    chunk = chunk_of(path)
    chunk.unlink()
    os.mkfifo(chunk)
    refused_soon(path, "no file")


@pytest.mark.parametrize("place", ["compressor", "filters"])
def test_nothing_is_unpickled(tmp_path, place):
    path, mark = tmp_path / "a.zarr", tmp_path / "was here"

    class Harm:
        def __reduce__(self):
            return mark.touch, ()

    as_version_2(path, "zlib")
    told = json.loads((path / ".zarray").read_text())
    harm = {"id": "pickle", "protocol": 4}
    told |= {"compressor": harm} if place == "compressor" else {"filters": [{"id": "vlen-utf8"}, harm]}
    if place == "filters":
        told |= {"dtype": "|O", "fill_value": "", "compressor": None}
    (path / ".zarray").write_text(json.dumps(told))
    chunk_of(path).write_bytes(pickle.dumps(Harm()))
    with pytest.raises(VaesrError):
        np.asarray(read_image(path, "YX").data)
    assert not mark.exists()


def test_a_shard_of_too_many_chunks(tmp_path):
    path = tmp_path / "a.zarr"
    zarr.create_array(path, shape=(24, 20), chunks=(24, 20), shards=(24, 20), dtype="u2")
    told = json.loads((path / "zarr.json").read_text())
    told["chunk_grid"]["configuration"]["chunk_shape"] = [2**40, 2**40]
    told["codecs"][0]["configuration"]["chunk_shape"] = [1, 1]
    (path / "zarr.json").write_text(json.dumps(told))
    refused_soon(path, "smaller ones")


@pytest.mark.parametrize("version", [2, 3])
def test_what_changes_numbers_before_they_are_packed(tmp_path, version):
    path = tmp_path / "a.zarr"
    if version == 2:
        filters = [numcodecs.Delta("u2", astype="i8"), numcodecs.Shuffle(8)]
        compressor = numcodecs.GZip()
    else:
        numbered = pytest.importorskip("zarr.codecs.numcodecs")
        filters, compressor = [numbered.Delta(dtype="u2")], zarr.codecs.GzipCodec()
    zarr.create_array(
        path, data=PIXELS, chunks=(1, 24, 20), filters=filters, compressors=compressor, zarr_format=version
    )
    np.testing.assert_array_equal(read_image(path, "ZYX").data, PIXELS)

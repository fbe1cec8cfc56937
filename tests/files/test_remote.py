"""Zarr at an address: a server on this machine, of files in a folder."""

from __future__ import annotations

import builtins
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import can_read, read_image, series_names

pytest.importorskip("aiohttp")

CASES = Path(__file__).parents[1] / "cases"

# fsspec closes its sessions when the program ends.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


NOTHING_LISTED = b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>"


class Quiet(SimpleHTTPRequestHandler):
    def do_GET(self):
        if "list-type" not in self.path:
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(NOTHING_LISTED)))
        self.end_headers()
        self.wfile.write(NOTHING_LISTED)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(CASES))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_zarr_over_http(server):
    address = f"{server}/tile.zarr"
    assert can_read(address)
    image, expected = read_image(address), read_image(CASES / "tile.zarr")
    assert (image.name, image.axes, image.offset) == ("tile", "ZYX", expected.offset)
    assert image.pixel_size == expected.pixel_size and str(image.path) == address
    np.testing.assert_array_equal(image.data, expected.data)


def test_a_plate_over_http(server):
    address = f"{server}/plate.zarr"
    assert series_names(address) == ["A/1/0", "A/1/1", "B/1/0", "B/1/1"]
    expected = read_image(CASES / "plate.zarr", series="B/1/0")
    np.testing.assert_array_equal(read_image(address, series="B/1/0").data, expected.data)


def test_a_zarr_in_a_bucket(server, monkeypatch):
    """Buckets that all may read answer to a plain GET, as the server does; the bucket is a folder."""
    pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    expected = read_image(CASES / "plate.zarr", series="A/1/1")
    np.testing.assert_array_equal(read_image("s3://plate.zarr/A/1/1").data, expected.data)
    with pytest.raises(VaesrError, match=r"s3://no-bucket/no\.zarr") as caught:
        read_image("s3://no-bucket/no.zarr")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("{}/no.zarr", "no Zarr image at"),
        ("{}/photo_o3.jpg", "download it first"),
        ("http://127.0.0.1:9/a.zarr", "cannot be reached"),
        ("gopher://a/b.zarr", "no kind of address"),
    ],
)
def test_what_is_not_there_is_one_sentence(server, address, says):
    with pytest.raises(VaesrError, match=says) as caught:
        read_image(address.format(server))
    assert "\n" not in str(caught.value)


def test_the_extra_is_named_where_it_is_missing(server, monkeypatch):
    own = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "aiohttp":
            raise ImportError(name)
        return own(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(VaesrError, match=r"napari-vaesr\[remote\]"):
        read_image(f"{server}/tile.zarr")

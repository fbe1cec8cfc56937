"""Servers that stall, trickle, send without end, pack to burst or ignore what is asked for."""

from __future__ import annotations

import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import zarr

from napari_vaesr.errors import TryAgain, VaesrError
from napari_vaesr.files import remote
from napari_vaesr.files.image import read_image

pytest.importorskip("aiohttp")

PIXELS = np.random.default_rng(0).integers(0, 60_000, (4, 24, 20), dtype=np.uint16)
MEMORY = 2**28

# fsspec closes its sessions when the program ends.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@cache
def bomb() -> bytes:
    """Half a gigabyte of nothing, packed."""
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(512)) + packer.flush()


class Hostile(SimpleHTTPRequestHandler):
    """Sends files that end with `victim` in a `way` of its own, and others as they are."""

    victim, way = "", ""
    given_up: threading.Event

    def do_GET(self):
        # The whole of a file is sent, whatever part was asked for.
        if not (self.victim and self.path.endswith(self.victim)):
            return super().do_GET()
        if self.way == "silent":
            self.given_up.wait(60)
            return
        self.send_response(200)
        if self.way == "burst":
            content = bomb()
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.send(content)
        self.end_headers()
        while not self.given_up.is_set():
            match self.way:
                case "stall":
                    self.send(b"{")
                    self.given_up.wait(60)
                case "trickle":
                    self.send(b" ")
                    self.given_up.wait(0.2)
                case "endless":
                    self.send(b" " * 2**16)

    def send(self, content: bytes) -> None:
        try:
            self.wfile.write(content)
            self.wfile.flush()
        except OSError:  # nobody listens any more
            self.given_up.set()

    def log_message(self, *args):
        pass


@pytest.fixture
def serve(tmp_path):
    started = []

    def start(victim: str = "", way: str = "") -> str:
        given_up = threading.Event()
        handler = type("Handler", (Hostile,), {"victim": victim, "way": way, "given_up": given_up})
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(tmp_path)))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append((server, given_up))
        return f"http://127.0.0.1:{server.server_port}/a.zarr"

    yield start
    for server, given_up in started:
        given_up.set()
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module", autouse=True)
def made():
    bomb()


def refused_soon(read: Callable[[], object], error: type[VaesrError], says: str) -> None:
    tracemalloc.start()
    start = time.monotonic()
    with pytest.raises(error, match=says) as caught:
        read()
    seconds, peak = time.monotonic() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert seconds < 120 and peak < MEMORY, (seconds, peak)


@pytest.mark.parametrize("victim", ["zarr.json", "c/0/0/0"])
@pytest.mark.parametrize(
    ("way", "error", "says"),
    [
        ("silent", TryAgain, "hardly anything"),
        ("stall", TryAgain, "hardly anything"),
        ("trickle", TryAgain, "hardly anything"),
        ("endless", VaesrError, "more than the"),
        ("burst", VaesrError, "more than the"),
    ],
)
def test_what_a_server_may_do(serve, tmp_path, monkeypatch, victim, way, error, says):
    if error is TryAgain:  # the others are not to be taken for it where the machine is busy
        monkeypatch.setattr(remote, "STALLED", 1.0)
    zarr.create_array(tmp_path / "a.zarr", data=PIXELS, chunks=(1, 24, 20))
    address = serve(victim, way)

    def read():
        image = read_image(address, "ZYX")
        np.testing.assert_array_equal(image.data[1:], PIXELS[1:])
        np.asarray(image.data[0])

    refused_soon(read, error, says)


def test_slow_and_steady_is_no_fault(serve, tmp_path, monkeypatch):
    """Longer than the time without progress in all, and never without."""
    monkeypatch.setattr(remote, "LEAST", 1)
    monkeypatch.setattr(remote, "STALLED", 4.0)
    zarr.create_array(tmp_path / "a.zarr", data=PIXELS, chunks=(1, 24, 20), compressors=None)
    content = (tmp_path / "a.zarr" / "c" / "0" / "0" / "0").read_bytes()

    def do_GET(self):
        if not self.path.endswith("c/0/0/0"):
            return SimpleHTTPRequestHandler.do_GET(self)
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for start in range(0, len(content), len(content) // 10):
            self.send(content[start : start + len(content) // 10])
            time.sleep(0.45)

    monkeypatch.setattr(Hostile, "do_GET", do_GET)
    image = read_image(serve(), "ZYX")
    start = time.monotonic()
    np.testing.assert_array_equal(image.data[0], PIXELS[0])
    assert time.monotonic() - start > remote.STALLED


def test_shards_of_a_server_that_sends_all(serve, tmp_path):
    """Parts of files are asked for, and the whole comes."""
    zarr.create_array(tmp_path / "a.zarr", data=PIXELS, chunks=(1, 12, 10), shards=(2, 24, 20))
    image = read_image(serve(), "ZYX")
    np.testing.assert_array_equal(image.data[2, :12], PIXELS[2, :12])
    np.testing.assert_array_equal(image.data, PIXELS)


def test_shards_of_a_server_that_sends_parts(serve, tmp_path, monkeypatch):
    asked = []

    def do_GET(self):
        span = self.headers.get("Range")
        path = Path(self.translate_path(self.path))
        if not span or not path.is_file():
            return SimpleHTTPRequestHandler.do_GET(self)
        content = path.read_bytes()
        start, end = span.removeprefix("bytes=").split("-")
        part = content[-int(end) :] if not start else content[int(start) : int(end) + 1 if end else None]
        asked.append(span)
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.send(part)

    monkeypatch.setattr(Hostile, "do_GET", do_GET)
    zarr.create_array(tmp_path / "a.zarr", data=PIXELS, chunks=(1, 12, 10), shards=(2, 24, 20))
    array = read_image(serve(), "ZYX").data
    np.testing.assert_array_equal(array[2, :12], PIXELS[2, :12])
    assert asked
    np.testing.assert_array_equal(array, PIXELS)

"""Downloads from a server on this computer: good, wrong, missing, gone, and from the cache."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from napari_vaesr.errors import Cancelled, VaesrError
from napari_vaesr.zoo.download import download_model
from napari_vaesr.zoo.folders import download_cache
from napari_vaesr.zoo.registry import get_card, load_model
from napari_vaesr.zoo.weights import save_model


class Handler(SimpleHTTPRequestHandler):
    """Serves files and keeps count; `truncate` breaks off in the middle of a file."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[str]]
    truncate = False

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if not self.truncate:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"{" * 10)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class Server:
    """A server of a folder, which can be shut."""

    def __init__(self, folder: Path) -> None:
        class OwnHandler(Handler):
            asked: ClassVar[list[str]] = []

        self.handler = OwnHandler
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(self.handler, directory=str(folder)))
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def asked(self) -> list[str]:
        return self.handler.asked

    def shut(self) -> None:
        if self.thread.is_alive():
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()


@pytest.fixture
def server(saved: Path) -> Iterator[Server]:
    server = Server(saved.parent)
    yield server
    server.shut()


def cached() -> list[str]:
    return sorted(path.name for path in download_cache().rglob("*") if path.is_file())


BOTH = ["tiny-test.json", "tiny-test.safetensors"]


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_model_is_fetched_and_then_works_offline(server: Server, saved: Path, suffix: str, capsys):
    url = f"{server.url}/tiny-test{suffix}"
    model = load_model(url)
    assert model.card == get_card(saved)
    assert cached() == BOTH
    assert "Downloading tiny-test.safetensors" in capsys.readouterr().err
    asked = list(server.asked)
    server.shut()
    assert load_model(url) is model
    assert get_card(url) == model.card
    assert server.asked == asked == ["/tiny-test.json", "/tiny-test.safetensors"]
    assert capsys.readouterr().err == ""


def test_progress_is_reported_to_the_caller(server: Server, saved: Path, capsys):
    reports: list[tuple[int, int]] = []
    load_model(f"{server.url}/tiny-test.json", progress=lambda done, total: reports.append((done, total)))
    size = saved.stat().st_size
    assert reports[-1] == (size, size)
    assert all(0 < done <= total for done, total in reports)
    assert capsys.readouterr().err == ""


def test_a_stopped_download_leaves_nothing(server: Server):
    def stop(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        load_model(f"{server.url}/tiny-test.json", progress=stop)
    assert cached() == []


def test_the_hash_in_the_address_is_checked(server: Server, saved: Path):
    good = get_card(saved).sha256
    assert load_model(f"{server.url}/tiny-test.safetensors#sha256={good.upper()}").card.sha256 == good
    with pytest.raises(VaesrError, match="differs from the one in its card"):
        load_model(f"{server.url}/tiny-test.safetensors?again#sha256={'0' * 64}")
    with pytest.raises(VaesrError, match="is not the file expected"):
        load_model(f"{server.url}/tiny-test.json#sha256={'0' * 64}")


def test_weights_with_a_wrong_hash_are_not_kept(server: Server, saved: Path):
    content = saved.read_bytes()
    saved.write_bytes(content[:-1] + b"?")
    with pytest.raises(VaesrError, match="SHA-256 differs"):
        load_model(f"{server.url}/tiny-test.json")
    assert cached() == []
    saved.write_bytes(content)
    assert load_model(f"{server.url}/tiny-test.json").card.name == "tiny-test"


def test_a_damaged_cache_is_mended(server: Server):
    url = f"{server.url}/tiny-test.json"
    load_model(url)
    next(download_cache().rglob("*.safetensors")).write_bytes(b"damaged")
    assert load_model(url).card.name == "tiny-test"


def test_what_the_server_lacks_is_told(server: Server, saved: Path):
    with pytest.raises(VaesrError, match=r"no model at this address \(404"):
        load_model(f"{server.url}/other.json")
    saved.unlink()
    with pytest.raises(VaesrError, match=r"404.*tiny-test\.safetensors"):
        load_model(f"{server.url}/tiny-test.json")
    assert cached() == []


def test_a_server_that_is_gone_is_told(server: Server):
    server.shut()
    with pytest.raises(VaesrError, match="check the connection"):
        load_model(f"{server.url}/tiny-test.json")
    assert cached() == []


def test_a_broken_connection_leaves_nothing(server: Server):
    server.handler.truncate = True
    with pytest.raises(VaesrError, match="check the connection"):
        load_model(f"{server.url}/tiny-test.json")
    assert cached() == []


def test_what_is_no_card_is_not_kept(server: Server, saved: Path):
    saved.with_suffix(".json").write_text("<html>Please log in</html>")
    with pytest.raises(VaesrError, match="not valid JSON"):
        load_model(f"{server.url}/tiny-test.json")
    assert cached() == []


def test_a_card_without_a_hash_is_refused(server: Server, saved: Path, make_card):
    saved.with_suffix(".json").write_text(make_card().to_json())
    with pytest.raises(VaesrError, match="no SHA-256 to check"):
        load_model(f"{server.url}/tiny-test.json")
    assert cached() == []


def test_two_models_of_one_file_name_do_not_mix(server: Server, saved: Path, network, make_card):
    save_model(saved.parent / "other", network, make_card(title="Other"))
    assert get_card(f"{server.url}/tiny-test.json").title == "Random weights"
    assert get_card(f"{server.url}/other/tiny-test.json").title == "Other"


def test_a_cache_that_can_not_be_written_is_told(server: Server):
    download_cache().write_text("a file in the way")
    with pytest.raises(VaesrError, match="can't be kept"):
        load_model(f"{server.url}/tiny-test.json")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/model.json", "use https://"),
        ("ftp://example.com/model.json", "can't be fetched"),
        ("https:///model.json", "can't be fetched"),
        ("https://[broken/model.json", "not a valid address"),
        ("https://example.com/model.pt", "is no model"),
        ("https://example.com/", "is no model"),
        ("https://example.com/model.json#sha256=abc", "no hash"),
        ("https://example.com/model.json#md5=" + "0" * 64, "no hash"),
    ],
)
def test_other_addresses_are_refused_before_anything_is_asked(url: str, words: str, tmp_path: Path):
    with pytest.raises(VaesrError, match=words):
        download_model(url, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


class Endless(BaseHTTPRequestHandler):
    """Sends without end: as fast as it can, or a byte now and then; after the header or in it."""

    pause, where = 0.0, "body"

    def do_GET(self) -> None:
        with suppress(OSError):
            if self.where == "body":
                self.send_response(200)
                self.end_headers()
            else:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                self.wfile.write(b" " * (1 if self.pause else 2**16))
                self.wfile.flush()
                time.sleep(self.pause)

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize(
    ("pause", "where", "words"),
    [(0.0, "body", "sends more than"), (0.02, "body", "very slowly"), (0.02, "header", "very slowly")],
)
def test_a_download_without_end_ends(monkeypatch, pause: float, where: str, words: str):
    if pause:  # what comes fast is not to be taken for slow where the machine is busy
        monkeypatch.setattr("napari_vaesr.zoo.download.STALLED", 0.4)
    handler = type("Own", (Endless,), {"pause": pause, "where": where})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    start = time.monotonic()
    with pytest.raises(VaesrError, match=words):
        load_model(f"http://127.0.0.1:{server.server_port}/a.json")
    assert time.monotonic() - start < 60
    assert cached() == []
    server.shutdown()
    server.server_close()

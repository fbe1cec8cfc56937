"""Models from the network: fetched once, checked, and kept in the user's cache."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any
from urllib.parse import urldefrag, urlsplit, urlunsplit

from napari_vaesr.errors import VaesrError
from napari_vaesr.zoo.card import LARGEST_CARD, read_card

LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}
MODEL_SUFFIXES = (".json", ".safetensors")
"""Of a model's two files, the card and the weights."""

TIMEOUT = 30  # seconds without an answer

STALLED = 60.0
"""Seconds in which at least `LEAST` bytes have to arrive."""

LEAST = 2**14

PIECE = 2**16

Report = Callable[[int, int], None]
"""Called with the bytes that have arrived and the bytes in all (0 when the server does not say)."""


def is_url(reference: str) -> bool:
    """Say whether a reference to a model is a URL."""
    return "://" in reference


def split_hash(url: str) -> tuple[str, str | None]:
    """Split a URL into the address and the SHA-256 in its fragment, if there is one.

    Raises
    ------
    VaesrError
        When the fragment is no hash.
    """
    address, fragment = urldefrag(url)
    if not fragment:
        return address, None
    key, _, digest = fragment.lower().partition("=")
    if key != "sha256" or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise VaesrError(f"{url} ends with something that is no hash; write #sha256= and 64 hex digits.")
    return address, digest


def download_model(url: str, folder: Path, progress: Report | None = None) -> Path:
    """Fetch a model's card and weights, unless they are already there.

    Parameters
    ----------
    url : str
        ``https://`` URL of a ``.json`` card with its ``.safetensors`` beside it, or the other way round;
        ``http://`` only for this computer. A fragment ``#sha256=...`` is the hash of the file that the URL
        names.
    folder : Path
        The cache. What was fetched once is not fetched again, so that a URL stays the same model.
    progress : callable, optional
        Called as bytes arrive; without it a progress bar is shown in the terminal.

    Returns
    -------
    Path
        The card in the cache; the weights have the same name with ``.safetensors``.

    Raises
    ------
    VaesrError
        When the URL is of the wrong kind, the server can't be reached, lacks the file, or a hash is wrong.
    """
    address, expected = split_hash(url)
    _check_address(address)
    parts = urlsplit(address)
    named = PurePosixPath(parts.path).suffix
    card_url, weights_url = (
        urlunsplit(parts._replace(path=parts.path.removesuffix(named) + suffix)) for suffix in MODEL_SUFFIXES
    )
    # One folder per URL, because two models may have the same file name.
    place = folder / sha256(card_url.encode()).hexdigest()[:16]
    card_path = _fetch(card_url, place, expected if named == ".json" else None, LARGEST_CARD, progress)
    try:
        card = read_card(card_path)
        if not card.sha256:
            raise VaesrError(
                f"The card at {card_url} has no SHA-256 to check the weights by; ask its author for one."
            )
        if named == ".safetensors" and expected not in (None, card.sha256):
            raise VaesrError(
                f"The SHA-256 given for {weights_url} differs from the one in its card; "
                "check the address with its author."
            )
        from napari_vaesr.zoo.weights import largest_weights

        _fetch(weights_url, place, card.sha256, largest_weights(card), progress)
    except VaesrError:
        # A card without its weights is no model; the next try starts afresh.
        if not card_path.with_suffix(".safetensors").exists():
            card_path.unlink(missing_ok=True)
        raise
    return card_path


def _check_address(address: str) -> None:
    """Refuse addresses that are not those of a model, or that anyone on the way could answer for."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        raise VaesrError(f"{address} is not a valid address; check it.") from None
    if parts.scheme not in ("https", "http") or not host:
        raise VaesrError(f"{address} can't be fetched; give an https:// address, a file or a model's name.")
    if parts.scheme == "http" and host not in LOCAL_HOSTS:
        raise VaesrError(f"{address} is not encrypted and could be altered on the way; use https:// instead.")
    if PurePosixPath(parts.path).suffix not in MODEL_SUFFIXES:
        raise VaesrError(
            f"{address} is no model; give the address of its .json card or its .safetensors weights."
        )


def _fetch(url: str, folder: Path, expected: str | None, largest: int, progress: Report | None) -> Path:
    """Fetch one file with pooch, which checks it under a temporary name before it moves it into place."""
    import pooch
    from requests import HTTPError, RequestException

    name = PurePosixPath(urlsplit(url).path).name

    def download(url: str, output_file: Any, pup: Any) -> None:
        # pooch calls this only when the file is not in the cache: no bar flashes up when it is.
        with _progress_bar(name, progress) as report:
            _receive(url, Path(output_file), largest, report)

    try:
        with _quiet(pooch.get_logger()):
            known_hash = f"sha256:{expected}" if expected else None
            return Path(pooch.retrieve(url, known_hash, name, folder, downloader=download))
    except VaesrError:
        raise
    except HTTPError as error:
        raise VaesrError(f"The server has no model at this address ({error}); check it.") from error
    except RequestException as error:
        raise VaesrError(
            f"{url} could not be fetched; check the connection and try again, "
            "or fetch the .json and .safetensors files by other means and give their path."
        ) from error
    except OSError as error:
        raise VaesrError(
            f"{name} can't be kept in {folder} ({error.strerror or error}); make room or allow writing."
        ) from error
    except ValueError as error:  # pooch's word for a wrong hash
        raise VaesrError(
            f"What came from {url} is not the file expected (the SHA-256 differs) and was thrown away; "
            "try again, and if it stays so tell its author."
        ) from error


def _stay_encrypted(response: Any, **_: object) -> None:
    """Refuse to be sent from https:// to http://."""
    target = response.headers.get("location", "") if response.is_redirect else ""
    if response.url.startswith("https://") and target.lower().startswith("http://"):
        raise VaesrError(f"{response.url} leads to an address that is not encrypted; ask for another.")


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch's log lines out of the terminal; we have our own words."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _receive(url: str, file: Path, largest: int, report: Report) -> None:
    """Fetch an address into a file, of bounded size and with no end of waiting.

    A thread of its own listens, for a server that sends a byte now and then never lets it time out.

    Raises
    ------
    VaesrError
        When more bytes come than allowed, or too few in `STALLED` seconds.
    requests.RequestException, OSError
        When the server can't be reached, has no such file, or the file can't be written.
    """
    arrived: Queue[bytes | BaseException | int] = Queue(maxsize=64)
    given_up = Event()
    Thread(target=_listen, args=(url, arrived, given_up), name="download", daemon=True).start()
    done = total = counted = 0
    deadline = time.monotonic() + STALLED
    try:
        with file.open("wb") as out:
            while True:
                try:
                    each = arrived.get(timeout=max(deadline - time.monotonic(), 0.001))
                except Empty:
                    raise VaesrError(
                        f"{url} stopped sending, or sends very slowly; try again later, or fetch the "
                        ".json and .safetensors files by other means and give their path."
                    ) from None
                if isinstance(each, BaseException):
                    raise each
                if isinstance(each, int):
                    total = each
                elif not each:
                    return
                else:
                    out.write(each)
                    done += len(each)
                    report(done, max(total, done) if total else 0)
                if max(done, total) > largest:
                    raise VaesrError(
                        f"{url} sends more than a model of its card can have; check the address."
                    )
                if done - counted >= LEAST:
                    counted, deadline = done, time.monotonic() + STALLED
    finally:
        given_up.set()


def _listen(url: str, arrived: Queue[bytes | BaseException | int], given_up: Event) -> None:
    """Put what a server sends into a queue: the length that it tells, pieces, and nothing or an error."""
    import requests
    from urllib3.exceptions import HTTPError

    def put(each: bytes | BaseException | int) -> None:
        while not given_up.is_set():
            try:
                return arrived.put(each, timeout=0.5)
            except Full:
                continue

    try:
        # Unpacked on the way, a little could become very much.
        options: dict[str, Any] = {
            "stream": True,
            "timeout": TIMEOUT,
            "headers": {"Accept-Encoding": "identity"},
        }
        with requests.get(url, hooks={"response": _stay_encrypted}, **options) as response:
            response.raise_for_status()
            told = response.headers.get("content-length", "")
            put(int(told) if told.isdecimal() and len(told) < 19 else 0)
            while piece := response.raw.read1(PIECE, decode_content=False):
                put(piece)
                if given_up.is_set():
                    return
        put(b"")
    except HTTPError as error:  # of urllib3, when the connection breaks
        put(requests.ConnectionError(str(error)))
    except BaseException as error:
        put(error)


@contextmanager
def _progress_bar(name: str, progress: Report | None) -> Iterator[Report]:
    """Make a progress bar: the caller's own, or one in the terminal."""
    if progress is not None:
        yield progress
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    plain = "".join(letter for letter in name if letter.isprintable())
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(f"Downloading {escape(plain)}", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)

"""Files on other machines, each of bounded size and with no end of waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import FsspecStore

from napari_vaesr.errors import TryAgain
from napari_vaesr.files.limits import LARGEST_METADATA

STALLED = 30.0
"""Seconds in which at least `LEAST` bytes of a file have to arrive, or its end."""

LEAST = 2**14

WHOLE = 600.0
"""Seconds in which a file has to arrive from the kinds of server whose files come in one piece."""

PIECE = 2**16


class RemoteStore(FsspecStore):
    """A store on another machine that takes no more of a file than may be in it, and waits for none for ever.

    Attributes
    ----------
    most : int
        Bytes.
    """

    most: int = LARGEST_METADATA

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the content of a file, or a part of it; None where there is no such file.

        Raises
        ------
        TryAgain
            When hardly anything arrives.
        ValueError
            When more arrives than there may be.
        """
        path = f"{self.path.rstrip('/')}/{key}".rstrip("/")
        try:
            async with asyncio.timeout(STALLED) as clock:
                return prototype.buffer.from_bytes(await self._receive(path, byte_range, clock))
        except self.allowed_exceptions:
            return None
        except TimeoutError as error:
            raise self._silent() from error

    async def exists(self, key: str) -> bool:
        """Say whether there is such a file."""
        try:
            async with asyncio.timeout(STALLED):
                return await super().exists(key)
        except TimeoutError as error:
            raise self._silent() from error

    async def _receive(self, path: str, part: ByteRequest | None, clock: asyncio.Timeout) -> bytes:
        """Take what arrives, and give it more time for as long as it goes on."""
        now = asyncio.get_running_loop().time
        content, counted = bytearray(), 0
        if not {"http", "s3"} & self._protocols:
            clock.reschedule(now() + WHOLE)
        async with self._asked(path, part) as (pieces, is_all):
            asked = _span(part) if is_all else slice(None)
            async for piece in pieces:
                content += piece
                if len(content) > self.most:
                    raise ValueError(f"more than the {self.most} bytes arrive that {path} may hold")
                if asked.stop is not None and len(content) >= asked.stop:
                    break
                if len(content) - counted >= LEAST:
                    counted = len(content)
                    clock.reschedule(now() + STALLED)
        return bytes(content[asked])

    @asynccontextmanager
    async def _asked(
        self, path: str, part: ByteRequest | None
    ) -> AsyncIterator[tuple[AsyncIterator[bytes], bool]]:
        """Ask for a file or a part of it: give what arrives, and whether that is all instead of the part."""
        if "s3" in self._protocols:
            bucket, name, _ = self.fs.split_path(path)
            parameters = {} if part is None else {"Range": _header(part)}
            answer = await self.fs._call_s3("get_object", Bucket=bucket, Key=name, **parameters)
            async with answer["Body"]:  # whose older kinds know no other way to be closed
                yield answer["Body"].iter_chunks(PIECE), False
        elif "http" in self._protocols:
            session = await self.fs.set_session()
            headers = {} if part is None else {"Range": _header(part)}
            async with session.get(self.fs.encode_url(path), headers=headers) as response:
                self.fs._raise_not_found_for_status(response, path)
                yield response.content.iter_chunked(PIECE), part is not None and response.status == 200
        else:
            span = _span(part)
            yield _alone(await self.fs._cat_file(path, start=span.start, end=span.stop)), False

    @property
    def _protocols(self) -> set[str]:
        named = self.fs.protocol
        return {named} if isinstance(named, str) else set(named)

    def _silent(self) -> TryAgain:
        return TryAgain(
            f"{self.fs.unstrip_protocol(self.path)} does not answer, or sends hardly anything: please try "
            "again later, or download it first."
        )


async def _alone(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _span(part: ByteRequest | None) -> slice:
    """Return which bytes of a file are meant."""
    if isinstance(part, RangeByteRequest):
        return slice(part.start, part.end)
    if isinstance(part, OffsetByteRequest):
        return slice(part.offset, None)
    return slice(-part.suffix, None) if isinstance(part, SuffixByteRequest) else slice(None)


def _header(part: ByteRequest) -> str:
    """Return the same as HTTP has it."""
    span = _span(part)
    start = span.start
    return f"bytes={start}" if start < 0 else f"bytes={start}-{'' if span.stop is None else span.stop - 1}"

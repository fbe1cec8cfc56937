"""Chunks of a Zarr, of which no more is read or unpacked than their shape allows."""

from __future__ import annotations

import asyncio
import bz2
import lzma
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import imagecodecs
import numpy as np
import zarr
from zarr.abc.codec import ArrayArrayCodec, BytesBytesCodec, Codec
from zarr.abc.store import ByteRequest, RangeByteRequest, Store
from zarr.codecs import BytesCodec, ShardingCodec
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore, WrapperStore

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.limits import LARGEST_METADATA, LARGEST_PIECE
from napari_vaesr.files.remote import RemoteStore

LARGEST_MEMORY = 256 * 1024**2
"""Bytes that unpacking LZMA may take besides what it gives."""

PACKED = frozenset(("blosc", "lz4", "zstd", "gzip", "zlib", "bz2", "lzma"))
"""Codecs that may give much more than they take."""

AS_LARGE = frozenset(
    (
        *("crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"),
        *("shuffle", "delta", "fixedscaleoffset", "quantize", "bitround", "astype", "packbits"),
    )
)
"""Codecs that give as much as they take, or up to `WIDER` times that."""

WIDER = 8
"""How much larger numbers may be while they are packed, as differences are."""


class BoundedStore(WrapperStore[Store]):
    """A store that gives no more of a file than may be in it.

    Attributes
    ----------
    most : int
        Bytes.
    """

    def __init__(self, store: Store, most: int = LARGEST_METADATA) -> None:
        super().__init__(store)
        self.most = most

    def _with_store(self, store: Store) -> BoundedStore:
        return BoundedStore(store, self.most)

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the content of a file, or a part of it.

        Raises
        ------
        ValueError
            When it is larger than it may be.
        """
        if isinstance(self._store, LocalStore):
            file = self._store.root / key
            if file.exists() and not file.is_file():  # a pipe would be waited for
                raise ValueError(f"{key} is no file")
            if byte_range is None and file.exists():
                self._check(key, file.stat().st_size)
        elif byte_range is None:
            byte_range = RangeByteRequest(0, self.most + 1)
        if isinstance(byte_range, RangeByteRequest):
            self._check(key, byte_range.end - byte_range.start - 1)
        found = await self._store.get(key, prototype, byte_range)
        self._check(key, 0 if found is None else len(found))
        return found

    def _check(self, key: str, size: int) -> None:
        if size > self.most:
            raise ValueError(f"{key} holds more than the {self.most} bytes that it may")


def bounded(place: object, array: zarr.Array[Any]) -> zarr.Array[Any]:
    """Return the array, whose chunks are from now on refused where they would unpack to more than they may.

    Raises
    ------
    VaesrError
        When it is packed in a way that is not known here: some would run programs or take all memory.
    """
    inner, outer = array.chunks, array.shards or array.chunks
    item = np.dtype(array.dtype).itemsize
    count = prod(outer) // max(prod(inner), 1)
    if max(prod(outer) * item, 16 * count) > LARGEST_PIECE:
        shown = " × ".join(map(str, outer))
        raise VaesrError(f"{place} is packed in pieces of {shown} pixels, please save it in smaller ones.")
    asynchronous = array._async_array
    pipeline: Any = asynchronous.codec_pipeline
    codecs = _bounded_codecs(place, pipeline, outer, item)
    # An array has no other way to be given codecs than by its metadata, which name them alone.
    object.__setattr__(asynchronous, "codec_pipeline", type(pipeline).from_codecs(codecs))
    store = array.store
    if isinstance(store, (BoundedStore, RemoteStore)):
        # What does not get smaller by being packed gets a little larger.
        store.most = 2 * _most(prod(outer) * item, _is_plain(pipeline)) + 32 * count + 2**20
    return array


def _bounded_codecs(
    place: object, codecs: Iterable[Codec], shape: Iterable[int], item: int
) -> tuple[Codec, ...]:
    """Return the codecs of chunks of a shape, each bounded."""
    codecs, size = list(codecs), prod(shape) * item
    is_plain = _is_plain(codecs)
    found: list[Codec] = []
    for codec in codecs:
        if hasattr(codec, "compressor"):  # all of version 2 in one
            found.append(_bounded_v2(place, codec, size))
        elif isinstance(codec, ShardingCodec):
            inside = _bounded_codecs(place, codec.codecs, codec.chunk_shape, item)
            found.append(replace(codec, codecs=inside))
        elif isinstance(codec, BytesBytesCodec):
            kind = _known(place, _name(codec))
            told: Any = codec.to_dict().get("configuration")
            most = _most(size, is_plain)
            found.append(_Bounded(codec, _Unpacker(kind, told or {}, most)) if kind in PACKED else codec)
        elif isinstance(codec, (ArrayArrayCodec, BytesCodec)):
            found.append(codec)
        else:
            _known(place, _name(codec))
    return tuple(found)


def _bounded_v2(place: object, codec: Any, size: int) -> Codec:
    filters = list(codec.filters or ())
    most = _most(size, is_plain=not filters)

    def one(each: Any) -> Any:
        kind = _known(place, each.codec_id)
        return _BoundedV2(each, _Unpacker(kind, each.get_config(), most)) if kind in PACKED else each

    compressor = None if codec.compressor is None else one(codec.compressor)
    bounded: Codec = replace(codec, filters=tuple(map(one, filters)) or None, compressor=compressor)
    return bounded


def _most(size: int, is_plain: bool) -> int:
    """Return how much a chunk may unpack to: checksums, and what is packed twice, take a little more."""
    return size + size // 8 + 4096 if is_plain else WIDER * size + 4096


def _is_plain(codecs: Iterable[Codec]) -> bool:
    """Whether numbers are packed as they are, neither wider nor as their differences."""
    return not any(
        getattr(codec, "filters", None)
        or (isinstance(codec, ArrayArrayCodec) and _name(codec) != "transpose")
        or (isinstance(codec, ShardingCodec) and not _is_plain(codec.codecs))
        for codec in codecs
    )


def _name(codec: Any) -> str:
    return str(codec.to_dict().get("name", type(codec).__name__)).removeprefix("numcodecs.")


def _known(place: object, name: str) -> str:
    if name not in PACKED | AS_LARGE:
        raise VaesrError(
            f"{place} is packed with {name!r}, which is not known here: please save it anew, packed with "
            "zstd or gzip."
        )
    return name


@dataclass(frozen=True)
class _Unpacker:
    """Unpacks bytes of a kind, and refuses what would be more than `most`."""

    kind: str
    settings: Mapping[str, Any]
    most: int

    def unpack(self, content: bytes) -> bytes | None:
        """Return what was packed; None where that is left to the codec, for its header tells of no more."""
        if self.kind in ("blosc", "lz4"):
            start = 4 if self.kind == "blosc" else 0
            self._check(int.from_bytes(content[start : start + 4], "little"))
            return None
        if self.kind == "zstd":
            try:
                return bytes(imagecodecs.zstd_decode(content, out=self.most))
            except imagecodecs.ZstdError as error:
                self._check(self.most + 1 if "too small" in str(error) else 0)
                raise
        return self._streamed(content)

    def _check(self, size: int) -> None:
        if size > self.most:
            raise ValueError(f"a chunk would unpack to more than the {self.most} bytes that it may hold")

    def _streamed(self, content: bytes) -> bytes:
        parts, size = [], 0
        while content:  # several may follow one another
            stream = self._stream()
            parts.append(stream.decompress(content, self.most - size + 1))
            size += len(parts[-1])
            self._check(size)
            if not stream.eof:
                raise EOFError("a chunk is cut off")
            content = b"" if self.kind == "zlib" else stream.unused_data.lstrip(b"\0")
        return b"".join(parts)

    def _stream(self) -> Any:
        """Return a fresh decompressor of the kind."""
        makers: dict[str, Callable[[], Any]] = {
            "gzip": lambda: zlib.decompressobj(31),
            "zlib": zlib.decompressobj,
            "bz2": bz2.BZ2Decompressor,
            "lzma": self._lzma,
        }
        return makers[self.kind]()

    def _lzma(self) -> lzma.LZMADecompressor:
        format_, filters = self.settings.get("format", lzma.FORMAT_XZ), self.settings.get("filters")
        if format_ != lzma.FORMAT_RAW:
            return lzma.LZMADecompressor(format_, LARGEST_MEMORY)
        if any(int(each.get("dict_size", 0)) > LARGEST_MEMORY for each in filters or ()):
            raise ValueError("unpacking a chunk would take too much memory")
        return lzma.LZMADecompressor(format_, filters=filters)


@dataclass(frozen=True)
class _Bounded(BytesBytesCodec):
    """A codec of version 3 that gives no more than it may."""

    codec: BytesBytesCodec
    unpacker: _Unpacker

    is_fixed_size = False

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        unpacked = await asyncio.to_thread(self.unpacker.unpack, chunk_bytes.to_bytes())
        if unpacked is not None:
            return chunk_spec.prototype.buffer.from_bytes(unpacked)
        (decoded,) = await self.codec.decode([(chunk_bytes, chunk_spec)])
        assert decoded is not None
        return decoded

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return self.codec.compute_encoded_size(input_byte_length, chunk_spec)


@dataclass(frozen=True)
class _BoundedV2:
    """A codec of version 2 that gives no more than it may; it only reads."""

    codec: Any
    unpacker: _Unpacker

    def decode(self, content: Any) -> Any:
        unpacked = self.unpacker.unpack(bytes(memoryview(content).cast("B")))
        return self.codec.decode(content) if unpacked is None else unpacked

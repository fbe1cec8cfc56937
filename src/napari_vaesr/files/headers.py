"""The size of a packed picture, as its own header tells it; nothing is unpacked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import prod

Size = tuple[int, int, int]
"""Rows, columns and samples per pixel of a picture."""

NOTHING: Size = (0, 0, 0)
"""What is said of content without such a header, which is left to the decoder."""

_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
"""Markers of a JPEG behind which its size is told."""

_PNG_SAMPLES = {0: 1, 2: 3, 3: 4, 4: 2, 6: 4}

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Columns to rows, by number, that JPEG XL has a short word for."""


def png_size(content: bytes) -> Size:
    """Return the size of a PNG."""
    if not content.startswith(b"\x89PNG"):
        return NOTHING
    width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
    return height, width, _PNG_SAMPLES.get(content[25] if len(content) > 25 else 0, 4)


def jpeg_size(content: bytes) -> Size:
    """Return the size of the largest frame of a JPEG."""
    at, found = 2, NOTHING
    while at >= 0 and at + 9 < len(content):
        if content[at] != 0xFF:
            return found
        marker = content[at + 1]
        if marker in (0xFF, 0x01, *range(0xD0, 0xD9)):  # fill bytes, and markers without a length
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            height, width = (int.from_bytes(content[at + n : at + n + 2]) for n in (5, 7))
            found = max(found, (height, width, content[at + 9]), key=prod)
        if marker == 0xDA:
            return found
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return found


def jpeg_scans(content: bytes) -> int:
    """Return how many times a JPEG goes over its pixels; about ten times where it is progressive."""
    return content.count(b"\xff\xda")  # which cannot occur inside of pixels


def jpeg2000_size(content: bytes) -> Size:
    """Return the size of the largest image in a JPEG 2000 stream, with or without boxes around it."""
    found = NOTHING
    for start in re.finditer(rb"\xff\x4f\xff\x51", content):  # which cannot occur inside of pixels
        at = start.end() + 4
        right, bottom, left, top = (int.from_bytes(content[at + n : at + n + 4]) for n in (0, 4, 8, 12))
        samples = int.from_bytes(content[at + 32 : at + 34])
        found = max(found, (max(bottom - top, 0), max(right - left, 0), samples), key=prod)
    return found


def webp_size(content: bytes) -> Size:
    """Return the size of the largest frame of a WebP."""
    found, at = NOTHING, 12
    while content.startswith(b"RIFF") and at + 18 <= len(content):
        kind, body = content[at : at + 4], content[at + 8 : at + 18]
        if kind == b"VP8X":
            width, height = (1 + int.from_bytes(body[n : n + 3], "little") for n in (4, 7))
        elif kind == b"VP8L":
            bits = int.from_bytes(body[1:5], "little")
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        elif kind == b"VP8 ":
            width, height = (int.from_bytes(body[n : n + 2], "little") & 0x3FFF for n in (6, 8))
        else:
            width = height = 0
        found = max(found, (height, width, 4), key=prod)
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    return found


def jpegxr_size(content: bytes) -> Size:
    """Return the size of the largest image in a JPEG XR file."""
    found = NOTHING
    for start in re.finditer(rb"WMPHOTO\0", content):
        at = start.end() + 4
        length = 2 if content[at - 2 : at - 1] >= b"\x80" else 4  # a short header
        width, height = (1 + int.from_bytes(content[n : n + length]) for n in (at, at + length))
        found = max(found, (height, width, 1), key=prod)
    return found


def lerc_size(content: bytes) -> Size:
    """Return the size of the image in a LERC blob."""
    if content.startswith(b"CntZImage "):
        height, width = (int.from_bytes(content[at : at + 4], "little") for at in (18, 22))
        return height, width, 1
    if not content.startswith(b"Lerc2 "):
        return NOTHING
    version = int.from_bytes(content[6:10], "little")
    at = 10 if version < 3 else 14  # behind a checksum
    height, width, samples = (int.from_bytes(content[n : n + 4], "little") for n in (at, at + 4, at + 8))
    return height, width, samples if version > 3 else 1


def jpegxl_size(content: bytes) -> Size:
    """Return the size of a JPEG XL image; one that moves has as many samples as there may be frames."""
    stream = b"".join(_jpegxl_parts(content))
    if not stream.startswith(b"\xff\x0a"):
        return NOTHING
    bits = _Bits(stream[2:64])
    height, width = bits.size()
    if not bits.take(1) and bits.take(1):  # neither all as usual, nor without further fields
        bits.take(3)  # how it was held
        if bits.take(1):  # the size to show it in
            bits.size()
        if bits.take(2):  # a preview, or more than one frame
            return height, width, 2**16
    return height, width, 1


def _jpegxl_parts(content: bytes) -> Iterator[bytes]:
    """Yield the pieces of the stream itself."""
    if content.startswith(b"\xff\x0a"):
        yield content[:64]
    at = 0
    while content[4:8] == b"JXL " and at + 8 <= len(content):
        length, start = int.from_bytes(content[at : at + 4]), 8
        if length == 1:
            length, start = int.from_bytes(content[at + 8 : at + 16]), 16
        kind, end = content[at + 4 : at + 8], at + length if length else len(content)
        if kind in (b"jxlc", b"jxlp"):
            yield content[at + start + (4 if kind == b"jxlp" else 0) : end][:64]
        if end < at + start:  # no box is that small
            return
        at = end


class _Bits:
    """Numbers of any length out of bytes, the lowest bits first."""

    def __init__(self, content: bytes) -> None:
        self._left = int.from_bytes(content, "little")

    def take(self, count: int) -> int:
        taken = self._left & ((1 << count) - 1)
        self._left >>= count
        return taken

    def size(self) -> tuple[int, int]:
        """Return the rows and columns that come next in a JPEG XL header."""
        is_small = bool(self.take(1))
        height = self._length(is_small)
        ratio = self.take(3)
        if not ratio:
            return height, self._length(is_small)
        columns, rows = _RATIOS[ratio - 1]
        return height, height * columns // rows

    def _length(self, is_small: bool) -> int:
        return 8 * (1 + self.take(5)) if is_small else 1 + self.take((9, 13, 18, 30)[self.take(2)])

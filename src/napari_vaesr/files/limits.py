"""What a file may ask for: sizes are looked at before anything is unpacked."""

from __future__ import annotations

import re
from math import prod
from os import stat_result
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import MOST_PLANES

LARGEST_PICTURE = 2**30
"""Bytes of the pixels of a PNG or JPEG, which are unpacked all at once."""

LARGEST_PIECE = 2**31
"""Bytes of the pixels that a larger image is packed in together: a chunk, a strip or a tile."""

_SIZES = re.compile(r"""\bSize([ZCT])\s*=\s*["'](\d+)["']""")
_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b[^>]*>")
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
"""Markers of a JPEG behind which its size is told."""


def check_kind(path: Path, status: stat_result) -> None:
    """Refuse pipes, sockets and devices, which may let one wait for ever.

    Raises
    ------
    VaesrError
        When a path leads to neither a file nor a folder.
    """
    if not S_ISREG(status.st_mode) and not S_ISDIR(status.st_mode):
        raise VaesrError(f"{path} is no file but a pipe or a device, please save the image to a file first.")


def check_piece(path: object, shape: tuple[int, ...], itemsize: int) -> None:
    """Refuse an image whose pixels are packed in pieces too large to be unpacked.

    Raises
    ------
    VaesrError
        When a piece of this shape takes more than `LARGEST_PIECE`.
    """
    if prod(map(int, shape)) * itemsize > LARGEST_PIECE:
        shown = " × ".join(map(str, shape))
        raise VaesrError(f"{path} is packed in pieces of {shown} pixels, please save it in smaller ones.")


def check_picture(path: Path, content: bytes) -> None:
    """Refuse a PNG or JPEG whose header asks for too many pixels; what has no header is left to the decoder.

    Raises
    ------
    VaesrError
        When its pixels take more than `LARGEST_PICTURE`.
    """
    if content.startswith(b"\x89PNG"):
        width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
        samples = {0: 1, 2: 3, 3: 4, 4: 2, 6: 4}.get(content[25], 4) if len(content) > 25 else 4
        count = width * height * samples * (2 if content[24:25] == b"\x10" else 1)
    else:
        height, width, samples = _jpeg_size(content)
        count = width * height * samples
    if count > LARGEST_PICTURE:
        raise VaesrError(
            f"{path} holds {width} × {height} pixels, too many for what has to be unpacked at once: "
            "please convert it to TIFF or Zarr."
        )


def _jpeg_size(content: bytes) -> tuple[int, int, int]:
    """Return height, width and samples of the largest frame that a JPEG tells of."""
    at, found = 2, (0, 0, 0)
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


def check_described(path: Path, metadata: str) -> None:
    """Refuse OME-XML that tells of more planes than there can be, before they are looked for.

    Raises
    ------
    VaesrError
        When an image has more than `MOST_PLANES`.
    """
    for pixels in _PIXELS.findall(metadata):
        digits = [size for _, size in _SIZES.findall(pixels)]
        if any(len(size) > 18 for size in digits) or prod(map(int, digits)) > MOST_PLANES:
            raise VaesrError(
                f"{path} says that it has {' × '.join(digits)[:80]} planes, more than an image here may have."
            )

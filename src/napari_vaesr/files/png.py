"""PNG with a colour profile and a resolution, which imagecodecs has no words for."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

from napari_vaesr.files.made import SOFTWARE

AFTER_HEADER = 33
"""Bytes of the signature and the first chunk, which says how large the picture is."""

LARGEST = 2**31 - 1


def png_bytes(
    pixels: npt.NDArray[Any], icc: bytes | None = None, dots: tuple[float, float] | None = None
) -> bytes:
    """Return a PNG file.

    Parameters
    ----------
    pixels : uint8 or uint16 array of shape (Y, X), (Y, X, 3) or (Y, X, 4)
        The picture.
    icc : bytes, optional
        Its colour profile.
    dots : (float, float), optional
        Pixels per meter along X and Y.
    """
    content = bytes(imagecodecs.png_encode(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("="))))
    chunks = _chunk(b"tEXt", b"Software\0" + SOFTWARE.encode())
    if icc:
        chunks += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if dots and all(1 <= round(each) <= LARGEST for each in dots):
        chunks += _chunk(b"pHYs", struct.pack(">IIB", *(round(each) for each in dots), 1))
    return content[:AFTER_HEADER] + chunks + content[AFTER_HEADER:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

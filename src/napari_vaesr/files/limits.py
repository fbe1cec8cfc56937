"""What a file may ask for: sizes are looked at before anything is unpacked."""

from __future__ import annotations

import re
from math import prod
from os import stat_result
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.headers import jpeg_scans, jpeg_size, png_size
from napari_vaesr.imaging.axes import MOST_PLANES

LARGEST_PICTURE = 2**30
"""Bytes of the pixels of a PNG or JPEG, which are unpacked all at once."""

MOST_WORK = 12 * LARGEST_PICTURE
"""Samples that a progressive JPEG may have, each counted as often as it is gone over."""

LARGEST_PIECE = 2**31
"""Bytes of the pixels that a larger image is packed in together: a chunk, a strip or a tile."""

LARGEST_METADATA = 64 * 1024**2
"""Bytes of a file that describes a group or an array of a Zarr."""

_SIZES = re.compile(r"""\bSize([ZCT])\s*=\s*["'](\d+)["']""")
_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b[^>]*>")


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

    Parameters
    ----------
    path : object
        The file, for the message.
    shape : tuple of int
        Of one tile, strip or chunk, in pixels and samples.
    itemsize : int
        Bytes of a sample.

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
    is_png = content.startswith(b"\x89PNG")
    height, width, samples = png_size(content) if is_png else jpeg_size(content)
    count = width * height * samples * (2 if is_png and content[24:25] == b"\x10" else 1)
    if count > LARGEST_PICTURE:
        raise VaesrError(
            f"{path} holds {width} × {height} pixels, too many for what has to be unpacked at once: "
            "please convert it to TIFF or Zarr."
        )
    if not is_png:
        check_scans(path, content, count)


def check_scans(path: object, content: bytes, samples: int) -> None:
    """Refuse a JPEG that goes over its pixels so often that it takes minutes.

    Parameters
    ----------
    path : object
        The file, for the message.
    content : bytes
        The JPEG.
    samples : int
        How many numbers the picture has.

    Raises
    ------
    VaesrError
        When it unpacks more than `MOST_WORK` samples in all.
    """
    if samples * jpeg_scans(content) > MOST_WORK:
        raise VaesrError(f"{path} is packed in too many layers, please save it anew.")


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

"""Strips and tiles of a TIFF, of which none is unpacked that holds a larger picture than it is told to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tifffile

from napari_vaesr.files.headers import (
    Size,
    jpeg2000_size,
    jpeg_size,
    jpegxl_size,
    jpegxr_size,
    lerc_size,
    png_size,
    webp_size,
)
from napari_vaesr.files.limits import check_scans

JPEG = (6, 7, 33007, 34892)

SIZES: dict[int, Callable[[bytes], Size]] = {
    **dict.fromkeys(JPEG, jpeg_size),
    **dict.fromkeys((22610, 34934), jpegxr_size),
    **dict.fromkeys((33003, 33004, 33005, 34712), jpeg2000_size),
    34887: lerc_size,
    34933: png_size,
    **dict.fromkeys((34927, 50001), webp_size),
    **dict.fromkeys((50002, 52546), jpegxl_size),
}
"""How to know the size of a picture by the number of its compression; others give no more than asked for."""

SLACK = 15
"""Rows that a picture may have more than it is told to, for some are packed in blocks of 16."""


def bound(tiff: tifffile.TiffFile, pages: tifffile.TiffPageSeries) -> None:
    """Let an opened image refuse, when it is read, pictures that are larger than its strips and tiles."""
    keyframes: list[tifffile.TiffPage | None] = [pages.keyframe]
    if pages.is_multifile:
        keyframes += [page.keyframe for page in pages if page is not None]
    for page in {id(each): each for each in keyframes if each is not None}.values():
        size = SIZES.get(int(page.compression))
        if size is not None:
            # Pages that are like one another share a decoder, which is kept in two places.
            page.decode = tiff._decoders[page.hash] = _Bounded(page, page.decode, size)


@dataclass(frozen=True)
class _Bounded:
    """The decoder of a page, for segments whose header tells of the size that the page has."""

    page: tifffile.TiffPage
    decode: Callable[..., Any]
    size: Callable[[bytes], Size]

    def __call__(self, data: bytes | None, index: int, /, **options: Any) -> Any:
        if data is not None:
            # Without content, a decoder tells what it would give.
            _, _, (depth, length, width, _) = self.decode(None, index, **options | {"_fullsize": True})
            rows, columns, samples = self.size(data)
            is_narrower = columns < width and not self.page.is_tiled
            if columns and (rows > depth * length + SLACK or columns > width or is_narrower):
                raise ValueError(
                    f"a piece of {width} × {length} pixels holds a picture of {columns} × {rows}"
                )
            if samples > max(self.page.samplesperpixel, 4):
                raise ValueError(f"a piece of it holds {samples} samples per pixel")
            if int(self.page.compression) in JPEG:
                check_scans("a piece of it", data, rows * columns * samples)
        return self.decode(data, index, **options)

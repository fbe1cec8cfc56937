"""PNG, JPEG and NumPy files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import ImageFile, ask_for_axes, image_name
from napari_vaesr.files.lazy import reason
from napari_vaesr.imaging.axes import Axes, default_axes

_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"  # markers, which can't occur inside pixels


def read_picture(path: Path, axes: str | None) -> ImageFile:
    """Open a PNG or JPEG, of 8 or 16 bits, grey (the alpha of grey pictures is left out) or RGB(A).

    Raises
    ------
    VaesrError
        When the file is damaged or in CMYK, or the axes don't fit.
    """
    content = path.read_bytes()
    png = path.suffix.lower() == ".png"
    # Decoders would fill it up with grey.
    if not png and content.rfind(_JPEG_END) < content.rfind(_JPEG_SCAN):
        raise VaesrError(f"{path} is damaged: it is cut off.")
    try:
        pixels: npt.NDArray[Any] = (
            imagecodecs.png_decode(content) if png else imagecodecs.jpeg_decode(content)
        )
    except Exception as error:  # decoders raise what they like
        raise VaesrError(f"{path} is damaged or not what its name says: {reason(error)}.") from error
    if not png and pixels.ndim == 3 and pixels.shape[-1] == 4:
        raise VaesrError(f"{path} holds the colours of a printer (CMYK), please convert it to RGB.")
    if pixels.ndim == 3 and pixels.shape[-1] == 2:
        pixels = pixels[..., 0]
    return _named(path, pixels, axes, default_axes(pixels.ndim, rgb=pixels.ndim == 3))


def read_npy(path: Path, axes: str | None) -> ImageFile:
    """Open a NumPy array, mapped into memory; nothing is unpickled.

    Raises
    ------
    VaesrError
        When the file is damaged, holds objects, or its axes are not known or don't fit.
    """
    try:
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise VaesrError(f"{path} is damaged or holds no plain array: {reason(error)}.") from error
    if not isinstance(pixels, np.ndarray):  # an archive of arrays under the wrong name
        raise VaesrError(f"{path} holds several arrays, please save a single one with numpy.save.")
    return _named(path, pixels, axes, default_axes(pixels.ndim))


def _named(path: Path, pixels: npt.NDArray[Any], axes: str | None, default: str | None) -> ImageFile:
    names = axes or default
    if names is None:
        raise ask_for_axes(path, pixels.shape)
    return ImageFile(path, image_name(path), pixels, Axes.parse(names, pixels.shape).names)

"""PNG, JPEG and NumPy files."""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy.typing as npt
from PIL import Image

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.file_array import FileArray, as_dask, reason
from napari_vaesr.files.image_file import ImageFile, ask_for_axes, image_name
from napari_vaesr.files.limits import check_picture
from napari_vaesr.files.npy import NpyArray
from napari_vaesr.files.orientation import TURNED, upright
from napari_vaesr.imaging.axes import Axes, default_axes

ORIENTATION, INCH = 0x0112, 0.0254
"""The tag of EXIF that tells how a camera was held; meters of an inch."""

_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"  # markers, which can't occur inside pixels


def read_picture(path: Path, axes: str | None) -> ImageFile:
    """Open a PNG or JPEG, of 8 or 16 bits, grey (the alpha of grey pictures is left out) or RGB(A).

    Parameters
    ----------
    path : Path
        The file.
    axes : str or None
        One letter of ``TCZYXS`` per axis; None: as the file tells.

    Raises
    ------
    VaesrError
        When the file is damaged or in CMYK, or the axes don't fit.
    """
    content = path.read_bytes()
    check_picture(path, content)
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
    notes: tuple[str, ...] = ()
    if pixels.ndim == 3 and pixels.shape[-1] == 2:
        pixels, notes = pixels[..., 0], (f"The transparency (alpha) of {path.name} is left out.",)
    orientation, icc, dots = _about(content)
    pixels = upright(pixels, "YXS"[: pixels.ndim], orientation)
    image = _named(path, pixels, axes, default_axes(pixels.ndim, rgb=pixels.ndim == 3))
    return replace(image, notes=notes, icc=icc, dots=dots[::-1] if dots and orientation in TURNED else dots)


def _about(content: bytes) -> tuple[int, bytes | None, tuple[float, float] | None]:
    """Return the orientation, the colour profile and the pixels per meter that a picture tells of."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content)) as picture:
            warnings.simplefilter("ignore")  # of what is odd in there; its pixels are read elsewhere
            told = picture.getexif().get(ORIENTATION, 1)
            icc, dots = picture.info.get("icc_profile"), picture.info.get("dpi")
            per_meter = tuple(float(each) / INCH for each in dots) if dots else ()
            known = len(per_meter) == 2 and all(math.isfinite(each) and each > 0 for each in per_meter)
            orientation = told if told in range(1, 9) else 1
            return orientation, icc or None, (per_meter[0], per_meter[1]) if known else None
    except Exception:  # what is told beside the pixels may be damaged
        return 1, None, None


def read_npy(path: Path, axes: str | None) -> ImageFile:
    """Open a NumPy array, lazily; nothing is unpickled.

    Raises
    ------
    VaesrError
        When the file is damaged, holds objects, or its axes are not known or don't fit.
    """
    try:
        array = NpyArray.open(path)
    except Exception as error:  # a damaged header can raise anything
        raise VaesrError(f"{path} is damaged or holds no plain array: {reason(error)}.") from error
    names = axes or default_axes(len(array.shape))
    if names is None:
        raise ask_for_axes(path, array.shape)
    names = Axes.parse(names, array.shape).names
    pixels = FileArray(path, partial(NpyArray.open, path), array.shape, array.dtype)
    native = tuple(array.shape[-1] if name == names[-1] else 1 for name in names)
    return ImageFile(path, image_name(path), as_dask(pixels, names, native), names)


def _named(path: Path, pixels: npt.NDArray[Any], axes: str | None, default: str | None) -> ImageFile:
    names = axes or default
    if names is None:
        raise ask_for_axes(path, pixels.shape)
    return ImageFile(path, image_name(path), pixels, Axes.parse(names, pixels.shape).names)

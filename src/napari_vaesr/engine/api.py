"""What the Python doors make of what they are given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Source, default_axes
from napari_vaesr.imaging.axis_names import told_axes


def as_source(image: Any, axes: str | None, pixel_size: Mapping[str, float] | None = None) -> Source:
    """Return an image as jobs read it; where its axes are not given, it may name them.

    Raises
    ------
    VaesrError
        When it is no image, its axes are not known or do not fit, or sizes are no positive numbers.
    """
    array = as_array(image)
    return Source.of(array, named_axes(array, axes or told_axes(image)), _checked_sizes(pixel_size))


def _checked_sizes(pixel_size: Mapping[str, float] | None) -> dict[str, float]:
    try:
        sizes = {str(name).upper(): float(size) for name, size in (pixel_size or {}).items()}
    except (AttributeError, TypeError, ValueError):
        sizes = {"": 0.0}
    if not all(0 < size < math.inf for size in sizes.values()):
        raise VaesrError(
            f"The pixel size is {pixel_size!r}, please give a positive number for each axis, "
            'such as {"Z": 0.6, "Y": 0.25, "X": 0.25}.'
        )
    return sizes


def as_array(image: Any) -> Any:
    """Return an array as it is, and anything else, a tensor for example, as a NumPy array."""
    if hasattr(image, "dims") and hasattr(image, "data"):  # what xarray knows beside the pixels
        image = image.data
    if hasattr(image, "shape") and hasattr(image, "dtype"):
        with suppress(TypeError):
            np.dtype(image.dtype)
            return image
    try:
        return np.asarray(image)
    except ValueError:
        raise VaesrError("The image is not a regular grid of numbers, please give an array.") from None
    except (TypeError, RuntimeError) as error:  # a tensor that needs a gradient, is on a GPU, or is bfloat16
        raise VaesrError(
            "The image can't be read as a NumPy array, please give one; of a tensor, "
            "tensor.detach().cpu().float().numpy()."
        ) from error


def named_axes(array: Any, axes: str | None) -> str:
    """Return the axes given, or the only ones possible where none are given."""
    if len(array.shape) < 2:
        raise VaesrError(
            f"An image has at least the axes Y and X, please give one instead of shape {tuple(array.shape)}."
        )
    named = axes or default_axes(len(array.shape))
    if named is None:
        raise VaesrError(
            f"The axes of an image of shape {tuple(array.shape)} are not known, "
            "please name them, for example axes='ZYX'."
        )
    return named

"""What Python functions are given, whatever it is, brought to what jobs read."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from os import PathLike
from textwrap import fill, indent
from typing import Any, ParamSpec, TypeVar, get_type_hints

import numpy as np

from napari_vaesr.engine.settings import Asked, UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Source, default_axes
from napari_vaesr.imaging.axis_names import told_axes

P = ParamSpec("P")
R = TypeVar("R")
TAB = " " * 4


def spelled_out(function: Callable[P, R]) -> Callable[P, R]:
    """Tell those who ask for help what the ``**settings`` of a function are, as the fields describe them."""
    signature, document = inspect.signature(function), inspect.cleandoc(function.__doc__ or "")
    parameters = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    entries = []
    for name, kind in get_type_hints(Asked).items():
        field = UpscaleSettings.model_fields[name]
        written = re.sub(r"(typing|collections\.abc)\.", "", inspect.formatannotation(kind))
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, keyword, default=field.default, annotation=written))
        entries.append(f"{name} : {written}\n{indent(fill(field.description or '', 100), TAB)}\n")
    function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    function.__doc__ = re.sub(
        r"^\*\*settings\n( +.*\n)+", lambda _: "".join(entries), document, flags=re.MULTILINE
    )
    return function


def as_source(image: Any, axes: str | None, pixel_size: Mapping[str, float] | None = None) -> Source:
    """Return an image as jobs read it; where its axes are not given, it may name them.

    Parameters
    ----------
    image : array or tensor
        The pixels.
    axes : str or None
        One letter of ``TCZYXS`` per axis.
    pixel_size : mapping of str to float, optional
        Distance between pixels by axis letter, in one unit, above 0.

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
    """Return an array as it is, and anything else, a tensor for example, as a NumPy array.

    Parameters
    ----------
    image : array or tensor
        Anything with a shape and a dtype of NumPy's is read as it goes, such as Dask and Zarr arrays.

    Raises
    ------
    VaesrError
        When it is no regular grid of numbers, or is a tensor that NumPy can't read.
    """
    if isinstance(image, (str, PathLike)):
        raise VaesrError(
            f"An image has at least the axes Y and X, and {str(image)!r} is a text: please give pixels, such "
            "as the data of what napari_vaesr.read_image opens."
        )
    if hasattr(image, "dims") and hasattr(image, "data"):  # what xarray knows beside the pixels
        image = image.data
    if hasattr(image, "shape") and hasattr(image, "dtype"):
        with suppress(TypeError):
            np.dtype(image.dtype)
            if any(length != length for length in image.shape):  # Dask does not know them before it computes
                raise VaesrError("The size of the image is not known yet, please call compute_chunk_sizes.")
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
    """Return the axes given, or the only ones possible where none are given.

    Parameters
    ----------
    array : array
        The pixels.
    axes : str or None
        Letters that are given.

    Raises
    ------
    VaesrError
        When there are fewer than two axes, or none are given and several would be possible.
    """
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

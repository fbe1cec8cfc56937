"""The figure: input, mean and std side by side, with a scale bar."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.files.atomic import atomic_path
from napari_vaesr.files.units import symbol

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Panel
    from matplotlib.figure import Figure

PANEL = 4.2
"""Longest side of a panel in inches."""

DOTS_PER_INCH = 160


def write_figure(
    path: str | os.PathLike[str],
    input: npt.NDArray[Any],
    mean: npt.NDArray[Any],
    std: npt.NDArray[Any] | None,
    pixel_size: float | None = None,
    unit: str = "",
    title: str = "",
    uncertainty: str = "std",
) -> None:
    """Draw one plane as PNG.

    Input and mean share their intensity range, so that they can be compared.

    Parameters
    ----------
    path : str or Path
        The PNG.
    input : array of shape (Y, X) or (Y, X, 3 or 4)
        The source plane.
    mean : array of shape (sY, sX) or (sY, sX, 3 or 4)
        Its upscaled mean.
    std : array of shape (sY, sX), optional
        The uncertainty; its panel is left out without it.
    pixel_size : float, optional
        Width of a pixel of the input; the scale bar counts pixels without it.
    unit : str
        Unit of `pixel_size`.
    title : str
        Heading.
    uncertainty : str
        Title of the panel of `std`.

    Raises
    ------
    VaesrError
        When the file can't be written; see `atomic_path`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = input.shape[:2]
    panels = 2 if std is None else 3
    shrink = PANEL / max(height, width)
    size = (panels * (width * shrink + 1.0), height * shrink + (1.0 if title else 0.6))
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels)
    limits = _limits(input)
    scale = mean.shape[1] // width
    _show(figure, axes[0], input, f"input, {width} × {height}", "gray", limits)
    _show(figure, axes[1], mean, f"mean ×{scale}, {mean.shape[1]} × {mean.shape[0]}", "gray", limits)
    if std is not None:
        _show(figure, axes[2], std, uncertainty, "magma", (0.0, _limits(std)[1]))
    _scale_bar(axes[0], width, height, pixel_size, unit)
    if title:
        # The name of a file: no formula, and not every one is text.
        legible = title.encode(errors="replace").decode()
        figure.suptitle(legible, fontsize=11, parse_math=False)
    with atomic_path(path) as temporary:
        canvas.print_png(str(temporary))  # type: ignore[no-untyped-call]


def _show(
    figure: Figure,
    panel: Panel,
    image: npt.NDArray[Any],
    title: str,
    colormap: str,
    limits: tuple[float, float],
) -> None:
    panel.set_title(title, fontsize=10)
    panel.set_axis_off()
    if image.ndim == 3:
        low, high = limits if image.dtype != np.uint8 else (0.0, 255.0)
        panel.imshow(np.clip((image[..., :3].astype(np.float32) - low) / (high - low), 0, 1))
        return
    low, high = limits
    shown = panel.imshow(image, cmap=colormap, vmin=low, vmax=high, interpolation="nearest")
    bar = figure.colorbar(shown, ax=panel, shrink=0.8, aspect=30, pad=0.02)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


def _limits(image: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the range to show, without the few brightest and darkest pixels."""
    low, high = (float(value) for value in np.percentile(image, (0.1, 99.9)))
    return (low, high) if high > low else (low, low + 1)


def _scale_bar(panel: Panel, width: int, height: int, pixel_size: float | None, unit: str) -> None:
    """Draw a bar of a round length, about a fifth of the width."""
    length = _round_length(width / 5 * (pixel_size or 1))
    pixels = length / (pixel_size or 1)
    label = f"{length:g} {(symbol(unit) or unit or 'px') if pixel_size else 'px'}"
    left, bottom, thickness = 0.04 * width, 0.95 * height, 0.012 * height
    outline: dict[str, Any] = {"edgecolor": "black", "linewidth": 0.6}
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    panel.add_patch(Rectangle((left, bottom - thickness), pixels, thickness, facecolor="white", **outline))
    panel.text(
        left + pixels / 2,
        bottom - 2 * thickness,
        label,
        color="white",
        fontsize=8,
        ha="center",
        va="bottom",
        path_effects=[withStroke(linewidth=1.5, foreground="black")],
    )


def _round_length(length: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above `length`."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(step * power for step in (1, 2, 5) if step * power <= length * 1.000001)

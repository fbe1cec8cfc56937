"""Pictures of how far to trust a standard deviation, as PNG."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_vaesr.files.atomic import atomic_path
from napari_vaesr.trust.block_means import SIDES
from napari_vaesr.trust.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_vaesr.trust.check import Check

PANEL = 3.4
"""Side of a panel in inches."""

COLUMNS = 3
"""Panels side by side at most."""

DOTS_PER_INCH = 160
GREY = "#8a8a8a"
COLOURS = {"std": "#0072b2", "gradient": "#d55e00", "constant": GREY}
"""Of Okabe & Ito (2008), told apart by everybody."""

LABELS = {"std": "standard deviation", "gradient": "gradient magnitude", "constant": "constant"}


def write_reliability(path: str | os.PathLike[str], summaries: Sequence[Summary]) -> None:
    """Draw the true error over the predicted one, one panel for each domain.

    Parameters
    ----------
    path : str or Path
        The PNG.
    summaries : sequence of Summary
        Of one scale.

    Raises
    ------
    VaesrError
        When the file can't be written.
    """
    figure, panels = _panels(len(summaries))
    for panel, summary in zip(panels, summaries, strict=True):
        std, rmse = 100 * summary.reliability.std, 100 * summary.reliability.rmse
        limit = 1.06 * max(float(std.max()), float(rmse.max()))
        panel.plot([0, limit], [0, limit], color=GREY, linewidth=1, linestyle="--", label="perfect")
        panel.plot(std, rmse, color=COLOURS["std"], marker="o", markersize=3.5, linewidth=1.5)
        panel.set(xlim=(0, limit), ylim=(0, limit), aspect="equal")
        spread = summary.spread
        panel.set_title(
            f"{_title(summary)}\nslope {spread.slope:.2f}, offset {100 * spread.offset:+.2f} %, "
            f"coverage {100 * spread.coverage:.1f} %",
            fontsize=9,
        )
        panel.set_xlabel("predicted standard deviation (% of range)", fontsize=9)
        panel.set_ylabel("root mean squared error (% of range)", fontsize=9)
    panels[0].legend(loc="lower right", frameon=False, fontsize=8)
    _save(figure, path)


def write_sparsification(path: str | os.PathLike[str], summaries: Sequence[Summary]) -> None:
    """Draw how the error falls as the most uncertain pixels are left out, one panel for each domain.

    Parameters and errors are those of `write_reliability`.
    """
    figure, panels = _panels(len(summaries))
    for panel, summary in zip(panels, summaries, strict=True):
        for name, curve in summary.sparsification.items():
            label = f"{LABELS[name]}, AUSE {curve.ause:.3f}"
            panel.plot(100 * curve.removed, curve.error, color=COLOURS[name], linewidth=1.5, label=label)
        oracle = summary.sparsification["std"]
        panel.plot(
            100 * oracle.removed, oracle.oracle, color=GREY, linewidth=1, linestyle="--", label="oracle"
        )
        panel.set(xlim=(0, 100), ylim=(0, 1.05), box_aspect=1)
        panel.set_title(_title(summary), fontsize=10)
        panel.set_xlabel("most uncertain pixels left out (%)", fontsize=9)
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=7)
        panel.set_ylabel("RMSE of the others, relative", fontsize=9)
    _save(figure, path)


def write_blocks(path: str | os.PathLike[str], summaries: Sequence[Summary]) -> None:
    """Draw whether samples add up: error over standard deviation of block means, one line for each domain.

    Parameters and errors are those of `write_reliability`.
    """
    figure, (panel,) = _panels(1)
    panel.axhspan(0.8, 1.25, color=GREY, alpha=0.15, linewidth=0)
    panel.axhline(1, color=GREY, linewidth=1, linestyle="--", label="perfect")
    for summary in summaries:
        ratios = [np.nan if ratio is None else ratio for ratio in summary.spread.blocks]
        panel.plot(SIDES, ratios, marker="o", markersize=3.5, label=_title(summary))
    panel.set(xscale="log", yscale="log", box_aspect=1)
    panel.set_xticks(SIDES, [str(side) for side in SIDES])
    panel.set_yticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    panel.minorticks_off()
    panel.set_xlabel("side of the blocks (high-res pixels)", fontsize=9)
    panel.set_ylabel("error of their means over standard deviation", fontsize=9)
    panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=7)
    _save(figure, path)


def write_check(path: str | os.PathLike[str], check: Check) -> None:
    """Draw what a check was made with: the image, what came of it made small again, and the error over std.

    Parameters
    ----------
    path : str or Path
        The PNG.
    check : Check
        With its images.

    Raises
    ------
    VaesrError
        When the file can't be written.
    """
    figure, panels = _panels(4)
    low, high = np.percentile(check.images["image"], (0.2, 99.8))
    titles = {
        "input": "the image, made small again",
        "bicubic": f"bicubic, {check.psnr['bicubic']:.1f} dB",
        "model": f"{check.model}, {check.psnr['model']:.1f} dB",
        "image": "the image",
    }
    order = ("input", "bicubic", "model", "image")
    for panel, name in zip(panels, order, strict=True):
        panel.imshow(check.images[name], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        panel.set_title(titles[name], fontsize=9)
        panel.set_axis_off()
    figure.suptitle(check.advised(), fontsize=9, wrap=True)
    _save(figure, path)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """Make rows of panels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    size = (columns * (PANEL + 0.3), rows * (PANEL + 0.6))
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for empty in grid[count:]:
        empty.remove()
    panels: list[Axes] = grid[:count]
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
    return figure, panels


def _title(summary: Summary) -> str:
    images = "1 image" if summary.images == 1 else f"{summary.images} images"
    return f"{summary.domain} ×{summary.scale}, {images}"


def _save(figure: Figure, path: str | os.PathLike[str]) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")

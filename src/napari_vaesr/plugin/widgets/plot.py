"""A small plot in the colours of napari's theme."""

from __future__ import annotations

from typing import Any

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QSizePolicy

DOTS = 90
"""Pixels to an inch, which fonts are in proportion to."""


class Plot(FigureCanvasQTAgg):
    """One pair of axes, as wide as a panel.

    Parameters
    ----------
    height : int
        In pixels.
    """

    def __init__(self, height: int) -> None:
        super().__init__(Figure(figsize=(3, height / DOTS), dpi=DOTS, layout="constrained"))
        self.setMinimumHeight(height)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.axes: Any = self.figure.add_subplot()
        self.text = self.ground = ""

    def clear(self, theme: str) -> None:
        """Begin anew, in the colours of a theme: `text` on `ground`."""
        colours = get_theme(theme)
        self.text, self.ground = colours.text.as_hex(), colours.background.as_hex()
        axes = self.axes
        axes.clear()
        self.figure.set_facecolor(self.ground)
        axes.set_facecolor(self.ground)
        axes.set_axis_on()
        axes.tick_params(colors=self.text, labelsize=8)
        for side, spine in axes.spines.items():
            spine.set_color(self.text)
            spine.set_visible(side in ("left", "bottom"))

    def hint(self, words: str) -> None:
        """Say what to do, in the place of a plot."""
        self.axes.set_axis_off()
        self.axes.text(0.5, 0.5, words, color=self.text, fontsize=8, ha="center", va="center")

    def name_axes(self, across: str, up: str) -> None:
        """Say what is along the two axes, and which curve is which."""
        self.axes.set_xlabel(across, color=self.text, fontsize=8)
        self.axes.set_ylabel(up, color=self.text, fontsize=8)
        self.axes.legend(
            fontsize=7, labelcolor=self.text, facecolor=self.ground, edgecolor="none", framealpha=0.6
        )

"""The plot of a line profile, in the colours of napari's theme."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QSizePolicy

from napari_vaesr.plugin.inspect.line_profile import Profile

ON_DARK, ON_LIGHT = "#8fc3ff", "#1f5fa8"
"""Colours of the line."""

HINT = "Draw a line over the mean to see\nits values with their 90 % band."

HEIGHT = 180
"""Pixels of the plot."""


class ProfilePlot(FigureCanvasQTAgg):
    """The mean along a line, with its 90 % band."""

    def __init__(self) -> None:
        super().__init__(Figure(figsize=(3, 2), dpi=90, layout="constrained"))
        self.setMinimumHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.axes = self.figure.add_subplot()
        self.profile: Profile | None = None
        self._theme = "dark"

    def show_profile(self, profile: Profile | None, theme: str, source: Any = None) -> None:
        """Draw a profile, with the values of the source along it, or an empty plot."""
        self.profile, self._theme = profile, theme
        colours = get_theme(theme)
        text, ground = colours.text.as_hex(), colours.background.as_hex()
        axes: Any = self.axes
        axes.clear()
        self.figure.set_facecolor(ground)
        axes.set_facecolor(ground)
        axes.tick_params(colors=text, labelsize=8)
        for name, spine in axes.spines.items():
            spine.set_color(text)
            spine.set_visible(name in ("left", "bottom"))
        axes.set_axis_on()
        if profile is None:
            axes.set_axis_off()
            axes.text(0.5, 0.5, HINT, color=text, fontsize=8, ha="center", va="center")
        else:
            line = ON_LIGHT if np.mean(colours.background.as_rgb_tuple()[:3]) > 128 else ON_DARK
            axes.fill_between(
                profile.distance,
                profile.lower,
                profile.upper,
                color=line,
                alpha=0.35,
                lw=0,
                label="90 % band",
            )
            if source is not None:
                axes.plot(profile.distance, source, color=text, lw=0.8, ls=":", label="source")
            axes.plot(profile.distance, profile.mean, color=line, lw=1.2, label="mean")
            axes.set_xlabel(f"distance ({profile.unit})", color=text, fontsize=8)
            axes.set_ylabel("intensity", color=text, fontsize=8)
            axes.margins(x=0)
            axes.legend(
                loc="best", fontsize=7, labelcolor=text, facecolor=ground, edgecolor="none", framealpha=0.6
            )
        self.draw_idle()

"""The plot of a line profile, in the colours of napari's theme."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.utils.theme import get_theme

from napari_vaesr.plugin.inspect.line_profile import Profile
from napari_vaesr.plugin.widgets.plot import Plot

ON_DARK, ON_LIGHT = "#8fc3ff", "#1f5fa8"
"""Colours of the line."""

HINT = "Draw a line over the mean to see\nits values with their 90 % band."

HEIGHT = 180
"""Pixels of the plot."""


class ProfilePlot(Plot):
    """The mean along a line, with its 90 % band."""

    def __init__(self) -> None:
        super().__init__(HEIGHT)
        self.profile: Profile | None = None

    def show_profile(self, profile: Profile | None, theme: str, source: Any = None) -> None:
        """Draw a profile, with the values of the source along it, or an empty plot."""
        self.profile = profile
        self.clear(theme)
        axes = self.axes
        if profile is None:
            self.hint(HINT)
        else:
            ground = get_theme(theme).background.as_rgb_tuple()
            line = ON_LIGHT if np.mean(ground[:3]) > 128 else ON_DARK
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
                axes.plot(profile.distance, source, color=self.text, lw=0.8, ls=":", label="source")
            axes.plot(profile.distance, profile.mean, color=line, lw=1.2, label="mean")
            axes.margins(x=0)
            self.name_axes(f"distance ({profile.unit})", "intensity")
        self.draw_idle()

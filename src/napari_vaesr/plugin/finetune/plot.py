"""What the fine-tuning panel draws: curves of the training, and one held-out tile before and after."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from napari.utils.theme import get_theme
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QSizePolicy, QWidget

from napari_vaesr.training.events import Losses, Pictures, Verdict

WIDTH, HEIGHT = 280, 300
LEAST_SPAN = 0.1  # dB
PICTURE = 150
ACCENT, SECOND, THIRD = "#3b9edb", "#e8833a", "#58b368"


class TrainingPlot(FigureCanvasQTAgg):
    """Curves of a fine-tuning: PSNR on the held-out part beside the start's, loss, and KL of every level.

    Parameters
    ----------
    theme : str
        Name of napari's theme.
    """

    def __init__(self, theme: str) -> None:
        super().__init__(Figure(layout="constrained"))
        self.setMinimumSize(WIDTH, HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.score, self.loss, self.kl = self.figure.subplots(
            3, 1, sharex=True, gridspec_kw={"height_ratios": [3, 2, 2]}
        )
        self._theme = theme
        self.clear()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size that fits into a panel."""
        return QSize(WIDTH, HEIGHT)

    def clear(self) -> None:
        """Forget everything, and hide until there is something to show."""
        self.setVisible(False)
        self.verdict: Verdict | None = None
        self.steps: list[int] = []
        self.losses: list[float] = []
        self.levels: list[tuple[float, ...]] = []
        self.redraw()

    def add(self, event: Losses | Verdict) -> None:
        """Take note of an event; `redraw` shows it."""
        self.setVisible(True)
        if isinstance(event, Verdict):
            self.verdict = event
            return
        if self.steps and event.step <= self.steps[-1]:  # it went on from an earlier checkpoint
            kept = [index for index, step in enumerate(self.steps) if step < event.step]
            self.steps = [self.steps[index] for index in kept]
            self.losses = [self.losses[index] for index in kept]
            self.levels = [self.levels[index] for index in kept]
        self.steps.append(event.step)
        self.losses.append(event.loss)
        self.levels.append(event.kl)

    def use_theme(self, theme: str) -> None:
        """Draw in the colours of one of napari's themes."""
        self._theme = theme
        self.redraw()

    def redraw(self) -> None:
        """Draw everything that was added."""
        theme = get_theme(self._theme)
        back, text = theme.background.as_hex(), theme.text.as_hex()
        self.figure.set_facecolor(back)
        for axes, name in ((self.score, "PSNR (dB)"), (self.loss, "loss"), (self.kl, "KL (nats)")):
            axes.clear()
            axes.set_facecolor(back)
            axes.set_ylabel(name, color=text, fontsize=8)
            axes.tick_params(colors=text, labelsize=7)
            axes.margins(x=0.02, y=0.12)
            for spine in axes.spines.values():
                spine.set_color(theme.secondary.as_hex())
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
        self.kl.set_xlabel("step", color=text, fontsize=8)
        self._draw_scores(text)
        if self.steps:
            self.loss.plot(self.steps, self.losses, color=ACCENT, alpha=0.3, lw=0.8)
            self.loss.plot(self.steps, _smooth(self.losses), color=ACCENT, lw=1.3)
            colours = (ACCENT, SECOND, THIRD)
            for level, values in enumerate(zip(*self.levels, strict=True)):
                label = {0: "coarsest", len(self.levels[0]) - 1: "finest"}.get(level, f"level {level}")
                colour = colours[level % len(colours)]
                self.kl.plot(self.steps, _smooth(values), color=colour, lw=1.2, label=label)
            self._legend(self.kl, text)
        self.figure.align_ylabels()
        self.draw_idle()

    def _draw_scores(self, text: str) -> None:
        if self.verdict is None:
            return
        checks = self.verdict.checks
        start = self.verdict.start.score
        self.score.axhline(start, color=SECOND, ls="--", lw=1.2, label="start")
        steps, scores = [each.step for each in checks], [each.score for each in checks]
        self.score.plot(steps, scores, color=ACCENT, lw=1.4, marker="o", ms=3, label="now")
        if len(checks) > 1:
            best = self.verdict.best
            self.score.plot(best.step, best.score, marker="*", ms=10, color=THIRD, ls="", label="best")
        # A hundredth of a dB should not look like a leap.
        low, high = min(scores), max(scores)
        room = max(0.12 * (high - low), (LEAST_SPAN - (high - low)) / 2)
        self.score.set_ylim(low - room, high + room)
        self.score.ticklabel_format(axis="y", useOffset=False)
        self._legend(self.score, text)

    def _legend(self, axes: Any, text: str) -> None:
        axes.legend(fontsize=7, frameon=False, labelcolor=text, ncols=3, loc="best")


def _smooth(values: Any) -> np.ndarray:
    """Return a running mean over up to nine values, shorter at the ends."""
    values = np.asarray(values, float)
    reach = min(4, (len(values) - 1) // 2)
    padded = np.concatenate([[0.0], np.cumsum(values)])
    left = np.maximum(np.arange(len(values)) - reach, 0)
    right = np.minimum(np.arange(len(values)) + reach + 1, len(values))
    return (padded[right] - padded[left]) / (right - left)


class TilePictures(QWidget):
    """One held-out tile: the low-res input, the start's result, the present one, and the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.setVisible(False)
        self.grid = QGridLayout(self)
        self.grid.setContentsMargins(0, 0, 0, 0)
        self.captions = [QLabel() for _ in range(4)]
        self.images = [QLabel() for _ in range(4)]
        for label in (*self.captions, *self.images):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._arrange(columns=2)

    def _arrange(self, columns: int) -> None:
        """Put every picture under its caption, so many side by side."""
        for index, (caption, image) in enumerate(zip(self.captions, self.images, strict=True)):
            row, column = divmod(index, columns)
            self.grid.addWidget(caption, 2 * row, column)
            self.grid.addWidget(image, 2 * row + 1, column)

    def show_pictures(self, pictures: Pictures) -> None:
        """Show a tile; all four in the intensity range of the truth."""
        low, high = np.percentile(pictures.truth, (0.5, 99.8))
        height, width = pictures.truth.shape
        self._arrange(columns=4 if height > 1.5 * width else 2)
        captions = (f"Input × {pictures.scale}", "Start", "Now", "Truth")
        planes = (pictures.low, pictures.before, pictures.now, pictures.truth)
        for caption, image, name, plane in zip(self.captions, self.images, captions, planes, strict=True):
            caption.setText(name)
            grey = np.clip((plane - low) / ((high - low) or 1) * 255, 0, 255).astype(np.uint8)
            image.setPixmap(_pixmap(grey))
        self.setVisible(True)


def _pixmap(grey: np.ndarray) -> QPixmap:
    """Make a picture that fits a square, with visible pixels."""
    height, width = grey.shape
    image = QImage(grey.tobytes(), width, height, width, QImage.Format.Format_Grayscale8)
    return QPixmap.fromImage(image).scaled(
        PICTURE, PICTURE, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.FastTransformation
    )

"""What our dock widgets share: they scroll in a small window, and a line says what is up."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import Container, Label
from qtpy.compat import isalive
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy


class Panel(Container):
    """A dock widget whose contents scroll where the window is too small for them.

    Parameters
    ----------
    widgets : list of magicgui widgets
        The contents, from top to bottom.
    """

    def __init__(self, widgets: list[Any]):
        super().__init__(labels=False)
        self.margins = (0, 0, 0, 0)
        self.body = Container(widgets=widgets, labels=False)
        self.scroll = QScrollArea()
        self.scroll.setWidgetResizable(True)
        self.scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroll.setWidget(self.body.native)
        self.native.layout().addWidget(self.scroll)
        self._keep_width()

    @property
    def is_alive(self) -> bool:
        """Whether the panel is still there, for its window may have been closed."""
        return bool(isalive(self.native))

    def reset_choices(self, *_: Any) -> None:
        """Offer the layers that there are now; napari calls it when they change."""
        if hasattr(self, "body"):
            self.body.reset_choices()

    def _keep_width(self) -> None:
        """Be as wide as the contents need: they scroll up and down, not sideways."""
        bar = self.scroll.verticalScrollBar()
        room = 0 if bar is None else bar.sizeHint().width()
        self.scroll.setMinimumWidth(self.body.native.minimumSizeHint().width() + room)


def status_line(text: str = "") -> Label:
    """Return a line of text that wraps and that can be selected with the mouse."""
    line = Label(value=text)
    line.native.setWordWrap(True)
    line.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    line.native.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return line


def row(widgets: list[Any]) -> Container:
    """Put widgets beside each other."""
    line = Container(widgets=widgets, layout="horizontal", labels=False)
    line.margins = (0, 0, 0, 0)
    return line

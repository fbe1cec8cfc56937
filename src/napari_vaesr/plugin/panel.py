"""What our dock widgets share: they scroll in a small window, and a line says what is up."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import Container, Label
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QWidget


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
        self.body.native.layout().addStretch(1)  # room that is left stays below
        self.native.layout().addWidget(_VerticalScroll(self.body.native))

    @property
    def is_alive(self) -> bool:
        """Whether the panel is still there, for its window may have been closed."""
        return bool(isalive(self.native))

    def reset_choices(self, *_: Any) -> None:
        """Offer the layers that there are now; napari calls it when they change."""
        if hasattr(self, "body"):
            self.body.reset_choices()


class _VerticalScroll(QScrollArea):
    """Scrolls up and down; it is always as wide as its contents need."""

    def __init__(self, contents: QWidget):
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(contents)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        contents, bar = self.widget(), self.verticalScrollBar()
        assert contents is not None and bar is not None
        return QSize(contents.minimumSizeHint().width() + bar.sizeHint().width(), 50)

    def sizeHint(self) -> QSize:  # noqa: N802
        contents = self.widget()
        assert contents is not None
        return contents.sizeHint().expandedTo(self.minimumSizeHint())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))


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

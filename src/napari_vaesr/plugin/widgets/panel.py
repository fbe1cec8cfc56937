"""What our dock widgets share: they scroll in a small window, and a line says what is up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from magicgui.widgets import Container, Label
from napari.utils.notifications import show_error
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QComboBox,
    QDockWidget,
    QFrame,
    QLabel,
    QMainWindow,
    QScrollArea,
    QSizePolicy,
    QWidget,
)

from napari_vaesr.errors import VaesrError

OURS = "napari_vaesr_panel"
"""Property of a widget that is one of our panels."""

SHORTEST = 10
"""Letters that a choice has room for at the least."""

REVEAL_DELAY = 50
"""Milliseconds after which a layout has settled."""

SLACK = 8
"""Pixels that a style sheet may add to the width of a scroll bar."""


class Panel(Container):
    """A dock widget whose contents scroll where the window is too small for them.

    Parameters
    ----------
    widgets : list of magicgui widgets
        The contents, from top to bottom.
    footer : list of magicgui widgets
        What stays in sight below them, however small the window is.
    title : str
        Short name of its tab: our panels are tabs of one another.
    """

    status: Label
    """The line that says what is up; each panel has it where it wants it."""

    def __init__(self, widgets: list[Any], footer: Sequence[Any] = (), title: str = ""):
        super().__init__(labels=False)
        self.title = title
        self.margins = (0, 0, 0, 0)
        self.body = Container(widgets=widgets, labels=False)
        self.body.native.layout().addStretch(1)  # room that is left stays below
        for box in self.body.native.findChildren(QComboBox):  # or the longest name would widen the panel
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(SHORTEST)
        self._scroll = _VerticalScroll(self.body.native)
        self.native.layout().addWidget(self._scroll)
        if footer:
            self.footer = Container(widgets=list(footer), labels=False)
            self.native.layout().addWidget(self.footer.native)
        self.native_parent_changed.connect(self._on_docked)

    def _on_docked(self, parent: Any) -> None:
        if isinstance(parent, QDockWidget):
            QTimer.singleShot(0, lambda: self._join_tabs(parent))  # once it has its place in the window

    def _join_tabs(self, dock: QDockWidget) -> None:
        """Become a tab beside another of our panels, instead of taking room from it."""
        if not isalive(dock):
            return
        if self.title:
            dock.setWindowTitle(self.title)
            dock.visibilityChanged.connect(lambda _shown: self._shorten_title(dock))
            self._shorten_title(dock)
        self.native.setProperty(OURS, True)
        window = dock.parent()
        if not isinstance(window, QMainWindow) or dock.isFloating():
            return
        others = [
            each
            for each in window.findChildren(QDockWidget)
            if each is not dock
            and not each.isFloating()
            and window.dockWidgetArea(each) == window.dockWidgetArea(dock)
            and any(inner.property(OURS) for inner in each.findChildren(QWidget))
        ]
        if others and dock not in window.tabifiedDockWidgets(others[-1]):
            window.tabifyDockWidget(others[-1], dock)
            dock.show()
            dock.raise_()

    def _shorten_title(self, dock: QDockWidget) -> None:
        """Show the short title above the panel, too: the whole name is cut where the panel is narrow."""
        bar = dock.titleBarWidget()
        for label in bar.findChildren(QLabel) if bar is not None else ():
            if label.text():
                label.setText(self.title)

    def reveal(self, part: Any) -> None:
        """Scroll so that a part of the contents is in sight, once it has its size."""

        def scroll() -> None:
            if self.is_alive and isalive(part.native):
                self._scroll.ensureWidgetVisible(part.native, 0, 4)

        QTimer.singleShot(REVEAL_DELAY, scroll)

    @property
    def is_alive(self) -> bool:
        """Whether the panel is still there, for its window may have been closed."""
        return bool(isalive(self.native))

    def _say(self, text: str) -> None:
        if self.is_alive:
            self.status.value = text

    def _fail(self, message: str) -> None:
        show_failure(self._say, message)

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
        # Texts that wrap are measured before their width is known, and Qt keeps a bar that was needed then.
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.timeout.connect(self._hide_idle_bar)

    def _hide_idle_bar(self) -> None:
        bar = self.verticalScrollBar()
        if bar is not None and bar.isVisible() and bar.maximum() == 0:
            self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        contents, bar = self.widget(), self.verticalScrollBar()
        assert contents is not None and bar is not None
        return QSize(contents.minimumSizeHint().width() + bar.sizeHint().width() + SLACK, 50)

    def sizeHint(self) -> QSize:  # noqa: N802
        contents = self.widget()
        assert contents is not None
        return contents.sizeHint().expandedTo(self.minimumSizeHint())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
            self._settled.start(0)
        return bool(super().eventFilter(watched, event))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        super().resizeEvent(event)
        self._settled.start(0)


@contextmanager
def errors_shown(say: Callable[[str], None]) -> Iterator[None]:
    """Say what is wrong, and show it as napari does; what is left to do inside is not done."""
    try:
        yield
    except VaesrError as error:
        show_failure(say, str(error))


def show_failure(say: Callable[[str], None], message: str) -> None:
    """Say what went wrong, and show it as napari does."""
    say(message)
    show_error(message)


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
    line.native.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    return line


def align_labels(*containers: Container) -> None:
    """Give all labels the room of the longest, in napari's font, which is larger than Qt's own."""
    labels = []
    for container in containers:
        texts = {each.label for each in container}
        labels += [label for label in container.native.findChildren(QLabel) if label.text() in texts]
    width = max(label.fontMetrics().horizontalAdvance(label.text()) for label in labels)
    for label in labels:
        label.setMinimumWidth(round(1.3 * width))


def heading(text: str) -> Label:
    """Return the heading of a part of a panel."""
    line = Label(value=f"<b>{text}</b>")
    line.native.setContentsMargins(0, 6, 0, 0)
    return line

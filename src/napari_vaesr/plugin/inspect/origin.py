"""How a result was made, to be read and to be copied."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from magicgui.widgets import Container, PushButton
from qtpy.QtWidgets import QApplication

from napari_vaesr.plugin.inspect.provenance import as_command, as_python, in_words
from napari_vaesr.plugin.viewer.results import ShownResult
from napari_vaesr.plugin.widgets.panel import errors_shown, row, status_line

if TYPE_CHECKING:
    import napari


class OriginSection(Container):
    """Tells what made a result, and copies it as Python or as a command line.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer with the result.
    say : callable
        Called with what the user should read.
    """

    def __init__(self, viewer: napari.viewer.Viewer, say: Callable[[str], None]):
        self._viewer, self._say = viewer, say
        self._result: ShownResult | None = None
        self.words = status_line()
        self.python_button = PushButton(
            text="Copy as Python", tooltip="Copy a script that makes the same pixels to the clipboard."
        )
        self.command_button = PushButton(
            text="Copy as command", tooltip="Copy a command line that makes the same pixels to the clipboard."
        )
        super().__init__(widgets=[self.words, row([self.python_button, self.command_button])], labels=False)
        self.margins = (0, 0, 0, 0)
        self.python_button.changed.connect(
            lambda: self._copy("Python", partial(as_python, layers=self._viewer.layers))
        )
        self.command_button.changed.connect(lambda: self._copy("command line", as_command))

    def show_result(self, result: ShownResult | None) -> None:
        """Tell of this result from now on."""
        self._result = result
        self.words.value = "" if result is None else in_words(result.record)

    def _copy(self, what: str, write: Callable[..., str]) -> None:
        if self._result is None:
            return
        with errors_shown(self._say):
            text = write(self._result.record)
            clipboard = QApplication.clipboard()
            assert clipboard is not None
            clipboard.setText(text)
            self._say(f"Copied the {what} to the clipboard.")

"""Keys that work in the viewer while a panel is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import napari

# Alt alone opens menus, and napari has the other simple combinations.
PREVIEW, LIVE, RUN = "Ctrl+Alt+P", "Ctrl+Alt+V", "Ctrl+Alt+R"
BEFORE, AFTER, CERTAINTY = "Ctrl+Alt+B", "Ctrl+Alt+A", "Ctrl+Alt+C"
VEIL, MAP, NEXT_SAMPLE = "Ctrl+Alt+F", "Ctrl+Alt+M", "Ctrl+Alt+N"


class Shortcuts:
    """Binds keys of a viewer to actions; keys that are bound already are left alone.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose keys are bound.
    actions : mapping of str to callable
        What each key does.
    """

    def __init__(self, viewer: napari.viewer.Viewer, actions: Mapping[str, Callable[[], object]]):
        self._viewer = viewer
        self._keys: list[str] = []
        for key, action in actions.items():
            try:
                viewer.bind_key(key, lambda _viewer, action=action: action())
            except ValueError:  # bound already, perhaps by a second panel
                continue
            self._keys.append(key)

    def release(self) -> None:
        """Unbind the keys."""
        for key in self._keys:
            self._viewer.bind_key(key, None, overwrite=True)
        self._keys = []

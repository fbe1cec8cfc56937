"""Which of the images in a file to open as layers: all of a few, else a well or what the user chooses."""

from __future__ import annotations

from collections.abc import Sequence

from napari_vaesr.files.image import is_plate, series_names
from napari_vaesr.files.place import Place

MOST = 8
"""Images of a file that are opened together without asking."""


def series_to_open(place: Place) -> list[str | None]:
    """Return which images of a file to open: names for `read_image`, None where there is only one.

    There are several of a well, and none where the user is asked and chooses none.

    Raises
    ------
    VaesrError
        When the file cannot be read.
    """
    names = series_names(place)
    if len(names) < 2:
        return [None]
    groups = _groups(place, names)
    if len(groups) == 1:
        return list(names)
    choice = _choose(place, list(groups))
    return [] if choice is None else list(groups[choice])


def _groups(place: Place, names: Sequence[str]) -> dict[str, list[str]]:
    """Return what is opened together, by what to call it: the fields of a well, a scene, or all of a few."""
    groups: dict[str, list[str]] = {}
    if is_plate(place):
        for name in names:
            groups.setdefault(name.rpartition("/")[0] or name, []).append(name)
        return groups if any("/" in name for name in names) else {"": list(names)}
    return {"": list(names)} if len(names) <= MOST else {name: [name] for name in names}


def _choose(place: Place, choices: Sequence[str]) -> str | None:
    """Ask for one of the choices; the first, and a word about it, where there is no window to ask in.

    None where the user cancels.
    """
    from napari import current_viewer
    from napari.utils.notifications import show_info

    viewer = current_viewer()
    window = getattr(viewer, "window", None)
    if window is None:
        show_info(f"{place.name} holds {len(choices)} images or wells; this is {choices[0]}.")
        return choices[0]
    from qtpy.QtWidgets import QInputDialog

    text, accepted = QInputDialog.getItem(
        window._qt_window, place.name, "Which of them to open?", list(choices), 0, False
    )
    return str(text) if accepted else None

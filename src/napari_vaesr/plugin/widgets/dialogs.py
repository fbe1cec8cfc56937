"""Asking where to save something: the file ends as its kind has to, and nothing is replaced unasked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget


def path_to_save(parent: QWidget, title: str, name: str, kinds: Mapping[str, str]) -> Path | None:
    """Ask for a file to write.

    Parameters
    ----------
    parent : QWidget
        Over which the dialog opens.
    title : str
        Of the dialog.
    name : str
        Proposed for the file, without its ending.
    kinds : mapping of str to str
        The kinds of file that can be written and their endings, such as ``{"GIF": ".gif"}``. What is typed
        without one of these endings gets that of the kind chosen.

    Returns
    -------
    Path or None
        The file; None where the user does not want to, after all.
    """
    endings = {f"{kind} (*{ending})": ending for kind, ending in kinds.items()}
    # With several kinds, the ending waits for the choice of one.
    start = name.replace("/", "_") + (next(iter(kinds.values())) if len(kinds) == 1 else "")
    chosen, kind = QFileDialog.getSaveFileName(parent, title, start, ";;".join(endings))
    if not chosen:
        return None
    if chosen.lower().endswith(tuple(endings.values())):
        return Path(chosen)
    path = Path(chosen + endings.get(kind, next(iter(endings.values()))))
    # The dialog has asked about what was typed alone.
    return path if not path.exists() or _may_be_replaced(parent, title, path) else None


def _may_be_replaced(parent: QWidget, title: str, path: Path) -> bool:
    answer = QMessageBox.question(parent, title, f"{path.name} is there already. Replace it?")
    return bool(answer == QMessageBox.StandardButton.Yes)

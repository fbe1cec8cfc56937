"""What the forms of our panels share: tooltips, and parts that fold."""

from __future__ import annotations

from typing import Any

from magicgui.widgets import Container
from napari.layers import Image
from qtpy.QtGui import QIcon
from superqt import QCollapsible

from napari_vaesr.files.output import KEY


def is_source(layer: Any) -> bool:
    """Whether a layer is an image of the user's, and not a part of a result or of a preview."""
    return isinstance(layer, Image) and "layer" not in layer.metadata.get(KEY, {})


def with_tooltips(tooltips: dict[str, str], **inputs: Any) -> list[Any]:
    """Give inputs the tooltips of their names, and return them in order."""
    for name, each in inputs.items():
        each.tooltip = tooltips.get(name)
    return list(inputs.values())


class Fold(QCollapsible):
    """A part of a form that is folded until its title is clicked.

    Parameters
    ----------
    title : str
        What it holds.
    content : Container
        The part.
    """

    def __init__(self, title: str, content: Container) -> None:
        # The arrow is part of the text: as an icon it would keep the colour of the theme it was made in.
        super().__init__(f"▸  {title}", expandedIcon=QIcon(), collapsedIcon=QIcon())
        self.setDuration(0)
        self.toggled.connect(lambda opened: self.setText(f"{'▾' if opened else '▸'}  {title}"))
        self.toggleButton().setStyleSheet(
            "text-align: left; background: transparent; padding: 0; border: none;"
        )
        self.addWidget(content.native)

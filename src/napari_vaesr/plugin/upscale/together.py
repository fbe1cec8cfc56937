"""Several layers in one run: which go with the chosen one, and their turns, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox

from napari_vaesr.plugin.viewer.sources import labelled_axes, source_array

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Layer

    from napari_vaesr.plugin.viewer.task import UpscaleTask


class Together:
    """Which layers a run is for: the chosen one, or all that are selected and like it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        In whose layer list they are selected.
    layer : ComboBox
        Offers the layers that can be upscaled; its value is the chosen one.

    Attributes
    ----------
    box : CheckBox
        Takes all of them; hidden where only one is selected.
    """

    def __init__(self, viewer: napari.viewer.Viewer, layer: ComboBox):
        self._viewer, self._layer = viewer, layer
        self._selected: list[Image] = []
        self._fellows: list[Image] = []
        self.box = CheckBox(value=True, label=" ", visible=False)

    def follow(self) -> None:
        """Take the layers that are selected; results among them are passed over, and alone change nothing."""
        selection = self._viewer.layers.selection
        selected = [layer for layer in self._layer.choices if layer in selection]
        if not selected:
            return
        self._selected = selected
        if self._layer.value not in selected:
            self._layer.value = selected[0]
        self.show_needed()

    def show_needed(self) -> None:
        """Show the box where it is needed, with how many layers it takes."""
        chosen = self._layer.value
        self._selected = [each for each in self._selected if each in self._viewer.layers]
        self._fellows = _like(chosen, self._selected) if chosen in self._selected else []
        self.box.text = f"All {len(self._fellows)} selected layers"
        self.box.visible = len(self._fellows) > 1

    @property
    def left_out(self) -> str:
        """One sentence where some of the selected layers are not taken, else nothing."""
        if self._layer.value not in self._fellows or not self.box.value:
            return ""
        names = [f"'{each.name}'" for each in self._selected if each not in self._fellows]
        verb = "is" if len(names) == 1 else "are"
        return f" {', '.join(names)} {verb} left out, for another shape or other axes." if names else ""

    def layers(self) -> list[Image]:
        """Return the layers that a run is for, from the bottom to the top."""
        chosen = self._layer.value
        several = self.box.value and chosen in self._fellows
        there = [each for each in self._fellows if each in self._viewer.layers]
        return there if several else [] if chosen is None else [chosen]


def _like(chosen: Image, selected: Sequence[Image]) -> list[Image]:
    """Return the layers of the same shape and axes, which can be upscaled by the same choices."""
    if len(selected) < 2:
        return list(selected)
    shape, axes = source_array(chosen).shape, labelled_axes(chosen)
    return [
        layer
        for layer in selected
        if layer is chosen or (source_array(layer).shape == shape and labelled_axes(layer) == axes)
    ]


class Turns:
    """The tasks of one press of *Run*, in their order, and what came of each.

    Parameters
    ----------
    tasks : sequence of UpscaleTask
        At least one.

    Attributes
    ----------
    total : int
        How many there are.
    added : list of list of napari.layers.Layer
        The layers of each result, the mean first.
    sources : list of napari.layers.Image
        What each of these was made from.
    failed : list of str
        What went wrong, one sentence for each task that failed.
    is_cancelled : bool
        Whether the user asked to stop.
    """

    def __init__(self, tasks: Sequence[UpscaleTask]):
        self._waiting = list(tasks)
        self.total = len(tasks)
        self.added: list[list[Layer]] = []
        self.sources: list[Image] = []
        self.failed: list[str] = []
        self.is_cancelled = False

    def next(self) -> UpscaleTask | None:
        """Return the task whose turn it is, None when all had theirs."""
        return self._waiting.pop(0) if self._waiting else None

    def cancel(self) -> None:
        """Take note that the user asked to stop, and let go of those that wait."""
        self.is_cancelled = True
        for task in self._waiting:
            task.close()
        self._waiting = []

    @property
    def number(self) -> int:
        """Which task has its turn, counted from 1."""
        return self.total - len(self._waiting)

    def of_all(self, done: int, total: int) -> tuple[int, int]:
        """Return how far all of them are, by how far this one is; they take about as long as each other."""
        return (self.number - 1) * total + done, self.total * total

    def title(self, task: UpscaleTask) -> str:
        """Say which one a message is about, nothing where there is only one."""
        return f"{self.number} of {self.total}, '{task.name}': " if self.total > 1 else ""

    def add(self, source: Image, layers: list[Any]) -> None:
        """Take note of a result."""
        self.sources.append(source)
        self.added.append(layers)

    @property
    def pairs(self) -> list[tuple[Layer, Layer]]:
        """The mean and the source of each result."""
        return [(layers[0], source) for layers, source in zip(self.added, self.sources, strict=True)]

    def sentence(self, elapsed: str) -> str:
        """Say what came of it in all."""
        done = len(self.added)
        if self.total == 1:
            names = " and ".join(f"'{layer}'" for layers in self.added for layer in layers)
            if done:
                return f"Added {names} in {elapsed}."
            return self.failed[0] if self.failed else "Cancelled; no layer was added."
        if self.is_cancelled:
            kept = f"the results of {done} of {self.total} layers are kept" if done else "no layer was added"
            return f"Cancelled; {kept}."
        told = f"Added the results of {done} of {self.total} layers in {elapsed}."
        return " ".join([told, *self.failed])

"""Results that napari's own reader has opened as images with channels, as they were saved."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.made import is_result
from napari_vaesr.files.output import KEY
from napari_vaesr.files.place import as_place
from napari_vaesr.plugin.io.opening import open_upscaled

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

ENDINGS = (".tif", ".tiff", ".zarr")


class Adopter:
    """Finds such layers in a viewer; a file is looked into once.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    """

    def __init__(self, viewer: ViewerModel):
        self._viewer = viewer
        self._known: dict[str, bool] = {}

    def found(self) -> dict[str, list[Layer]]:
        """Return the files of such layers, with the layers of each."""
        files: dict[str, list[Layer]] = {}
        for layer in self._viewer.layers:
            path = layer.source.path
            if path and KEY not in layer.metadata and self._is_result(str(path)):
                files.setdefault(str(path), []).append(layer)
        return files

    def open_as_results(self) -> list[Layer]:
        """Put the layers of the results in the place of those that were opened.

        Raises
        ------
        VaesrError
            If a file is damaged, or gone.
        """
        added: list[Layer] = []
        for path, layers in self.found().items():
            made = open_upscaled(path, self._viewer)
            if not _are_of_result(made):
                for layer in made:
                    self._viewer.layers.remove(layer)
                self._known[path] = False
                raise VaesrError(f"{as_place(path).name} holds a part of a result alone, without its mean.")
            for layer in layers:
                self._viewer.layers.remove(layer)
            added += made
        return added

    def _is_result(self, path: str) -> bool:
        if path not in self._known:
            place = as_place(path)
            self._known[path] = place.name.lower().endswith(ENDINGS) and is_result(place)
        return self._known[path]


def _are_of_result(layers: Iterable[Layer]) -> bool:
    return all(KEY in layer.metadata for layer in layers)

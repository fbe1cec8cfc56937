"""Open images with their upscaled mean when asked to: from the menu, or from a script."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.io.reader import Paths, chosen_images, layers_of, path_list
from napari_vaesr.plugin.viewer.task import Failure

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_vaesr.plugin.viewer.layers import LayerTuple

KINDS = (
    "Images (*.tif *.tiff *.btf *.png *.jpg *.jpeg *.npy *.zip *.lsm *.stk *.svs *.czi *.nd2 *.lif *.dv "
    "*.r3d *.json);;All files (*)"
)


def open_upscaled(path: Paths, viewer: ViewerModel) -> list[Layer]:
    """Open images with their mean and uncertainty, upscaled where it is looked at; results as they were.

    Model, scale, samples, uncertainty, device and seed come from napari's Preferences.

    Parameters
    ----------
    path : path or sequence of paths
        Images, folders where the format is a folder, or records of results.
    viewer : napari.Viewer
        What they are added to.

    Returns
    -------
    list of napari.layers.Layer
        Of every image, and every channel of it, the source, the mean and the uncertainty, the last hidden;
        none where the user is asked which well or scene is meant and chooses none.

    Raises
    ------
    VaesrError
        If a file cannot be read or its axes are not known, or a preference is not valid.
    """
    added = []
    for place in path_list(path):
        added += _added(viewer, str(place), layers_of(chosen_images(str(place))))
    return added


def open_with_dialog() -> None:
    """Ask for images and open them upscaled in the current viewer, which stays usable meanwhile."""
    from napari import current_viewer
    from napari.utils.notifications import show_error
    from qtpy.QtWidgets import QFileDialog

    from napari_vaesr.plugin.viewer.workers import create_worker

    viewer = current_viewer()
    if viewer is None:
        return
    paths, _ = QFileDialog.getOpenFileNames(viewer.window._qt_window, "Open and upscale", "", KINDS)
    for path in paths:
        try:
            chosen = chosen_images(path)
        except VaesrError as error:
            show_error(str(error))
            continue
        if not chosen:
            continue
        worker = create_worker(
            _layers_or_failure,
            chosen,
            _start_thread=False,
            _progress={"total": 0, "desc": f"Opening {Path(path).name}"},
        )
        worker.returned.connect(partial(_end, viewer, path))
        worker.start()


def _layers_or_failure(chosen: Any) -> list[LayerTuple] | Failure:
    """For a worker: what is wrong comes back, too."""
    try:
        return layers_of(chosen)
    except VaesrError as error:
        return Failure(str(error))


def _end(viewer: ViewerModel, path: str, outcome: list[LayerTuple] | Failure) -> None:
    from napari.utils.notifications import show_error

    if isinstance(outcome, Failure):
        show_error(outcome.message)
    else:
        _added(viewer, path, outcome)


def _added(viewer: ViewerModel, path: str, made: Sequence[LayerTuple]) -> list[Layer]:
    from napari.layers import Layer

    with _opened_from(path):
        return [viewer.add_layer(Layer.create(*each)) for each in made]


def _opened_from(path: str) -> AbstractContextManager[Any]:
    """Let layers that are made inside the ``with`` tell their file; where napari has a way to."""
    try:
        from napari.layers._source import layer_source
    except ImportError:
        return nullcontext()
    source: AbstractContextManager[Any] = layer_source(path=path, reader_plugin="napari-vaesr")
    return source

"""Models as files, in the panel: export the chosen one, import one that somebody gave."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from magicgui.widgets import Container, PushButton
from napari.utils.notifications import show_error
from qtpy.QtWidgets import QFileDialog

from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.finetune.task import free_name
from napari_vaesr.plugin.viewer.workers import create_worker
from napari_vaesr.plugin.widgets.dialogs import path_to_save
from napari_vaesr.plugin.widgets.model_list import model_list

if TYPE_CHECKING:
    from napari_vaesr.plugin.finetune.form import FineTuneForm

MODEL = "Model (*.zip)"


class ExchangeButtons(Container):
    """Two buttons, *Import* and *Export*, whose work is done in a worker.

    Parameters
    ----------
    form : FineTuneForm
        Its *Start from* names the model to export.
    say : callable
        Shows a line of text.
    """

    def __init__(self, form: FineTuneForm, say: Callable[[str], None]) -> None:
        self._form, self._say = form, say
        self.import_button = PushButton(
            text="Import ...", tooltip="Take in a model from a .zip file; everything is checked first."
        )
        self.export_button = PushButton(
            text="Export ...", tooltip="Write the model chosen under Start from into one file, to give away."
        )
        super().__init__(widgets=[self.import_button, self.export_button], layout="horizontal", labels=False)
        self.margins = (0, 0, 0, 0)
        self.import_button.changed.connect(self.import_model)
        self.export_button.changed.connect(self.export_model)

    def import_model(self) -> None:
        """Ask for a file and take its model in."""
        file, _ = QFileDialog.getOpenFileName(self.native, "Import a model", "", MODEL)
        if file:
            self._work(partial(_import, file), model_list.changed.emit)

    def export_model(self) -> None:
        """Ask for a file and write the chosen model into it."""
        name = self._form.start.value
        if name is None:
            return
        file = path_to_save(self.native, "Export a model", name, {"Model": ".zip"})
        if file is not None:
            self._work(partial(_export, name, file))

    def _work(self, work: Callable[[], str], then: Callable[[], None] = lambda: None) -> None:
        """Do something in a worker, say what came of it, and go on with `then` if all is well."""
        self._say("Checking the model ...")

        def finish(outcome: tuple[bool, str]) -> None:
            done, text = outcome
            if done:
                then()
            else:
                show_error(text)
            self._say(text)

        worker = create_worker(_caught, work)
        worker.returned.connect(finish)
        worker.start()


def _caught(work: Callable[[], str]) -> tuple[bool, str]:
    """Do something and return whether it went well and what to say: an error is not raised in a worker."""
    try:
        return True, work()
    except VaesrError as error:
        return False, str(error)


def _import(file: str) -> str:
    from napari_vaesr.zoo.bases import in_words, missing_base
    from napari_vaesr.zoo.exchange import NameTaken, import_model

    try:
        card = import_model(file)
    except NameTaken:
        card = import_model(file, free_name(Path(file).stem, "imported"))
        return f"Imported as '{card.name}', for its own name is that of another model."
    told = f"Imported '{card.name}': it is in the list of models now."
    lacking = missing_base(card)
    if lacking is not None:
        told += f" It stands on the network {in_words(lacking)}, which has to be got, too: see its card."
    return told


def _export(name: str, file: Path) -> str:
    from napari_vaesr.zoo.bases import in_words, unshared_base, why_unshared
    from napari_vaesr.zoo.exchange import export_model
    from napari_vaesr.zoo.registry import get_card

    told = f"Exported '{name}' to {export_model(name, file)}."
    base = unshared_base(get_card(name))
    if base is not None:
        told += f" The network {in_words(base)}, on which it stands, is not in it, for {why_unshared(base)}."
    return told

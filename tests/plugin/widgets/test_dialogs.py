"""Files end as their kind has to, and none is replaced unasked."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QDialogButtonBox, QFileDialog, QLineEdit, QMessageBox, QWidget

from napari_vaesr.plugin.widgets.dialogs import path_to_save

KINDS = {"GIF": ".gif", "MP4": ".mp4"}


@pytest.fixture
def parent(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def asked(monkeypatch):
    """Say yes or no to what is asked, and remember it; what is not expected is not asked."""
    questions: list[str] = []
    answers: list[bool] = []

    def question(parent, title, text):
        questions.append(text)
        return QMessageBox.StandardButton.Yes if answers.pop() else QMessageBox.StandardButton.No

    monkeypatch.setattr(QMessageBox, "question", question)
    return questions, answers


def typing(monkeypatch, name, kind=""):
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(name), kind))


@pytest.mark.parametrize(
    ("typed", "kind", "ending"),
    [
        ("cells", "GIF (*.gif)", "cells.gif"),
        ("cells", "MP4 (*.mp4)", "cells.mp4"),
        ("cells", "", "cells.gif"),
        ("cells v1.2", "MP4 (*.mp4)", "cells v1.2.mp4"),
        ("cells.MP4", "GIF (*.gif)", "cells.MP4"),  # what is typed counts
        ("cells.txt", "GIF (*.gif)", "cells.txt.gif"),
    ],
)
def test_the_ending_is_that_of_the_kind(parent, monkeypatch, asked, tmp_path, typed, kind, ending):
    typing(monkeypatch, tmp_path / typed, kind)
    assert path_to_save(parent, "Save", "cells", KINDS) == tmp_path / ending
    assert not asked[0]


def test_who_presses_cancel_saves_nothing(parent, monkeypatch):
    typing(monkeypatch, "")
    assert path_to_save(parent, "Save", "cells", KINDS) is None


@pytest.mark.parametrize("answer", [True, False])
def test_a_file_that_the_dialog_has_not_seen_is_asked_about(parent, monkeypatch, asked, tmp_path, answer):
    there = tmp_path / "cells.gif"
    there.write_bytes(b"of somebody")
    typing(monkeypatch, tmp_path / "cells", "GIF (*.gif)")
    asked[1].append(answer)
    assert path_to_save(parent, "Save", "cells", KINDS) == (there if answer else None)
    assert asked[0] == ["cells.gif is there already. Replace it?"]
    assert there.read_bytes() == b"of somebody"


@pytest.fixture
def qt_dialogs(qapp):
    """The dialogs of Qt, not those of the system, which no test can type in."""
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs, True)
    yield
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs, False)


@pytest.mark.usefixtures("qt_dialogs")
def test_in_a_real_dialog(parent, monkeypatch, tmp_path):
    """The dialog of Qt itself: a name is typed without an ending, and a kind is chosen."""
    monkeypatch.chdir(tmp_path)
    opened: list[str] = []

    def fill_in() -> None:
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, QFileDialog)
        opened.extend(dialog.nameFilters())
        dialog.selectNameFilter("MP4 (*.mp4)")
        line = dialog.findChild(QLineEdit, "fileNameEdit")
        line.setText("typed")
        dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Save).click()

    QTimer.singleShot(500, fill_in)
    path = path_to_save(parent, "Save", "cells/x2", KINDS)
    assert opened == ["GIF (*.gif)", "MP4 (*.mp4)"]
    assert path == Path(tmp_path, "typed.mp4")

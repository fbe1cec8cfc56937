"""Outputs that take long: they grow in a hidden folder beside their place, and survive being killed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_vaesr.errors import TryAgain, VaesrError
from napari_vaesr.files.atomic import is_full

JOURNAL = "journal.jsonl"
NEW_JOURNAL = "journal.new"
LOCK = "lock"


def partial_folder(path: Path) -> Path:
    """Return the folder in which an output grows."""
    return path.with_name(f".{path.name}.partial")


class PartialOutput:
    """An output that is being made, and the journal of what is done of it.

    Only one process makes an output; what others write for it, it enters here. The first line of the journal
    tells what the output is made from, each other one a part that is done. A line that was cut off counts for
    nothing.

    Parameters
    ----------
    path : Path
        The output when it is complete.
    made_from : mapping
        All that decides its pixels, ready for JSON: what is half-done is gone on with only if this agrees.

    Attributes
    ----------
    folder : Path
        Where it grows.
    data : Path
        The output in there.
    done : set of int
        The parts that are done.
    ours : bool
        Whether what is in the folder is this output, and not what was made from something else.
    """

    def __init__(self, path: Path, made_from: Mapping[str, Any]) -> None:
        self.path, self.folder = path, partial_folder(path)
        self.data = self.folder / path.name
        self.made_from: dict[str, Any] = json.loads(json.dumps(made_from))
        self.done: set[int] = set()
        self.ours = False

    def resume(self, restart: bool) -> bool:
        """Go on with what was begun, if anything was.

        Parameters
        ----------
        restart : bool
            Throw away what was made from something else, instead of refusing.

        Returns
        -------
        bool
            False when the output is to be laid out anew, and `begin` to be called.

        Raises
        ------
        VaesrError
            When what is there was made from something else.
        """
        lines = self._read_journal()
        if not lines:
            self.ours = True
            self._clear()
            return False
        changed = [key for key in self.made_from if lines[0].get(key) != self.made_from[key]]
        if changed and not restart:
            raise VaesrError(
                f"{self.path} was begun with other values of {', '.join(changed)}: use those again to go on "
                "with it, or pass --force to start anew."
            )
        self.ours = True
        if changed or not self.data.exists():
            self._clear()
            return False
        self.done = {line["done"] for line in lines[1:]}
        return True

    def begin(self) -> None:
        """Start the journal, once the output is laid out."""
        new = self.folder / NEW_JOURNAL
        new.write_text(json.dumps(self.made_from) + "\n", encoding="utf-8")
        new.replace(self.folder / JOURNAL)

    def mark(self, part: int) -> None:
        """Enter a part that was written."""
        with (self.folder / JOURNAL).open("a", encoding="utf-8") as journal:
            journal.write(json.dumps({"done": part}) + "\n")
        self.done.add(part)

    def complete(self, beside: Mapping[Path, Path]) -> None:
        """Move everything into place, the output last.

        Parameters
        ----------
        beside : mapping of Path to Path
            Further files in the folder, and where they go.
        """
        for source, place in beside.items():
            source.replace(place)
        if self.path.is_dir():
            old = self.folder / "replaced"
            self.path.replace(old)
        self.data.replace(self.path)

    def _clear(self) -> None:
        """Throw away everything but the lock."""
        (self.folder / JOURNAL).unlink(missing_ok=True)  # first, for without it nothing else counts
        for child in self.folder.iterdir():
            if child.is_dir():
                shutil.rmtree(child)
            elif child.name != LOCK:
                child.unlink()
        self.done = set()

    def _read_journal(self) -> list[dict[str, Any]]:
        """Return the lines of the journal, and cut off one that was not written to its end."""
        try:
            with (self.folder / JOURNAL).open("rb+") as journal:
                text = journal.read()
                whole = text[: text.rfind(b"\n") + 1]
                journal.truncate(len(whole))
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in whole.splitlines()]


@contextmanager
def partial_output(path: Path, made_from: Mapping[str, Any]) -> Iterator[PartialOutput]:
    """Hold the folder of an output that takes long, alone.

    When the body ends well, the folder goes. When it doesn't, the folder stays if anything in it is done,
    unless an error says that the same work would fail again.

    Raises
    ------
    VaesrError
        When another process is making the same output, it can't be written, or the disk is full.
    """
    partial = PartialOutput(path, made_from)
    lock = FileLock(partial.folder / LOCK, timeout=0)
    keep = False
    try:
        partial.folder.mkdir(exist_ok=True)
        with lock:
            try:
                yield partial
            except BaseException as error:
                hopeless = isinstance(error, VaesrError) and not isinstance(error, TryAgain)
                keep = not partial.ours or (bool(partial.done) and not hopeless)
                raise
    except Timeout:
        keep = True
        raise TryAgain(
            f"{path} is being written by another process, please wait for it or choose another output."
        ) from None
    except OSError as error:
        if is_full(error):
            raise TryAgain(
                f"The disk is full, please make room for {path} and give the same command again: it goes on "
                "where it stopped."
            ) from error
        if error.filename is not None and os.fspath(error.filename).startswith(str(partial.folder)):
            raise VaesrError(
                f"{path} cannot be written ({error.strerror}), please choose another place."
            ) from error
        raise
    finally:
        if not keep:
            shutil.rmtree(partial.folder, ignore_errors=True)

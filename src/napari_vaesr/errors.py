"""The errors this package raises on purpose: one clear sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class VaesrError(ValueError):
    """Something the user can put right; the message is one sentence that says how."""


class TryAgain(VaesrError):
    """Something around the program failed, such as a disk: what was done is kept, to go on from there."""


class Cancelled(Exception):
    """The user stopped the work; the message, if there is one, tells what was kept of it."""


class NotEnoughMemory(TryAgain, MemoryError):
    """Memory ran out; those who can do with less catch it as a `MemoryError`."""


class UnlikeTrainingWarning(UserWarning):
    """An image is unlike those that a model learnt from; the message says in which ways it may be."""


@contextmanager
def needing(extra: str, what: str) -> Iterator[None]:
    """Import what an extra of this package brings; where it is missing, say how to get it.

    Parameters
    ----------
    extra : str
        Its name, such as ``train``.
    what : str
        The beginning of the sentence, such as ``Training needs``.

    Raises
    ------
    VaesrError
        In place of a `ModuleNotFoundError`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise VaesrError(
            f'{what} {error.name}: install it with pip install "napari-vaesr[{extra}]".'
        ) from error


@contextmanager
def files_spoken_of() -> Iterator[None]:
    """Turn what the system says of a file, such as that it may not be read, into a sentence.

    Raises
    ------
    TryAgain
        In place of an `OSError` about a file.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None or not error.strerror:
            raise
        raise TryAgain(
            f"{error.filename} cannot be used ({error.strerror}), please check it and try again."
        ) from error


def first_sentence(error: BaseException) -> str:
    """Put an unexpected error in one line: its kind and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__

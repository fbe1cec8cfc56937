"""The errors this package raises on purpose: one clear sentence that says what to do."""

from __future__ import annotations


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

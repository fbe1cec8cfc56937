"""The errors this package raises on purpose: one clear sentence that says what to do."""

from __future__ import annotations


class VaesrError(ValueError):
    """Something the user can put right; the message is one sentence that says how."""


class Cancelled(Exception):
    """The user stopped the work; nothing half-done was kept."""

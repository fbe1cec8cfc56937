"""How far a piece of work is: what every door shows while it goes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far a piece of work is.

    Attributes
    ----------
    done, total : int
        Work in units of the engine; `total` never changes once it is known, and is 0 before.
    message : str
        What is being done, or something that the user should know.
    """

    done: int
    total: int
    message: str


def readable_bytes(count: float) -> str:
    """Write a number of bytes as people do: ``1.4 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"

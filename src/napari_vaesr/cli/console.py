"""How the command line speaks: results on stdout, everything else on stderr, errors in one sentence."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any
from unicodedata import category

import typer
from rich.console import (
    Console,
    ConsoleOptions,
    ConsoleRenderable,
    RenderableType,
    RenderHook,
    RenderResult,
)
from rich.markup import escape
from rich.segment import Segment

from napari_vaesr.errors import Cancelled, VaesrError, files_spoken_of

TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class ExitCode(IntEnum):
    """What a command returns to the shell."""

    OK = 0
    SOME_FAILED = 1
    BAD_INPUT = 2
    INTERRUPTED = 130


class _Plain:
    """Something to print, less the control characters in its texts, which come from files and their names."""

    def __init__(self, content: RenderableType) -> None:
        self.content = content

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self.content, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


class _PlainTexts(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Plain(each) for each in renderables]


def plain(text: str) -> str:
    """Return a text without the characters that steer a terminal, or turn the direction of writing."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if category(letter) == "Cc" and letter not in "\n\t" else letter
        for letter in text
        if letter not in TURNING
    )


def out() -> Console:
    """Return the console of what was asked for; made anew so that it follows a redirected stdout."""
    console = _console()
    return console if console.is_terminal else _console(width=160)


def err() -> Console:
    """Return the console of progress, warnings and errors."""
    return _console(stderr=True)


def _console(**options: Any) -> Console:
    console = Console(soft_wrap=True, highlight=False, **options)
    console.push_render_hook(_PlainTexts())
    return console


def report_error(error: Exception, about: object = None) -> None:
    """Print one sentence on stderr, after the file that it is about unless that is clear."""
    prefix = f"{escape(str(about))}: " if about and str(about) not in str(error) else ""
    err().print(f"[bold red]Error:[/] {prefix}{escape(' '.join(str(error).split()))}")


def report_note(text: str) -> None:
    """Print on stderr what is good to know."""
    err().print(f"Note: {text}", markup=False)


@contextmanager
def spoken_errors(debug: bool) -> Iterator[None]:
    """Turn what the user can put right, and Ctrl-C, into a sentence and an exit code.

    Parameters
    ----------
    debug
        Let the traceback through instead.
    """
    try:
        with files_spoken_of():
            yield
    except (KeyboardInterrupt, Cancelled) as stop:
        err().print(str(stop) or "Stopped; nothing half-written was left behind.", markup=False)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except VaesrError as error:
        if debug:
            raise
        report_error(error)
        raise typer.Exit(ExitCode.BAD_INPUT) from None


class Failures:
    """How many of some inputs failed; what was wrong with each is told as it fails.

    Parameters
    ----------
    total : int
        How many inputs there are. A single one is not named.
    debug : bool
        Let the traceback of the first through instead.
    """

    def __init__(self, total: int, debug: bool) -> None:
        self.total, self.debug, self.count = total, debug, 0

    @contextmanager
    def of(self, about: object) -> Iterator[None]:
        """Work on one input: what the user can put right is told, and the others go on."""
        try:
            with files_spoken_of():
                yield
        except VaesrError as error:
            if self.debug:
                raise
            report_error(error, about if self.total > 1 else None)
            self.count += 1

    def end(self, rest: str = "") -> None:
        """Leave with the exit code of some failures where there are any, and say what holds of the rest."""
        if self.count:
            err().print(f"{self.count} of {self.total} inputs failed{rest}.")
            raise typer.Exit(ExitCode.SOME_FAILED)


def titled(place: object, series: str | None) -> str:
    """Return what to call an image of a file in a sentence or a table."""
    return f"{place} {series}" if series else str(place)


def free_to_write(paths: Iterable[Path], force: bool) -> None:
    """Refuse to replace what exists unless forced to, and make the folders, before the long part begins.

    Parameters
    ----------
    paths : iterable of Path
        Files that will be written.
    force : bool
        Allow to replace them.

    Raises
    ------
    VaesrError
        When one exists and may not be replaced, or its folder can't be made or written to.
    """
    paths = list(paths)
    for path in paths:
        if path.is_dir() or any(path in other.parents for other in paths):
            raise VaesrError(f"{path} is a folder, please choose another name for what is written.")
        if path.exists() and not force:
            raise VaesrError(f"{path} exists already, choose another name or replace it with --force.")
    for folder in {path.parent for path in paths}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VaesrError(f"The folder {folder} can't be made ({error.strerror}).") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise VaesrError(f"Nothing may be written into the folder {folder}, please choose another one.")


def readable_seconds(seconds: float) -> str:
    """Write a duration as people do: ``2 min 5 s``."""
    whole = round(seconds)
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def readable_shape(shape: tuple[int, ...], axes: str) -> str:
    """Write a shape with the axes that it has: ``60 × 512 × 512 ZYX``."""
    return f"{' × '.join(map(str, shape))} {axes}"

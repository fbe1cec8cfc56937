"""Whose a model's name is: no run takes the place of a model that another has made, or is about to make."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_vaesr.errors import VaesrError
from napari_vaesr.training.fit import newest_checkpoint
from napari_vaesr.zoo.card import numbered, read_card
from napari_vaesr.zoo.folders import is_bundled, user_models

MADE = "models.sha256"
"""Where the folder of a run tells the weights that it has made; runs of earlier versions do not."""

LENGTH = ("steps", "hours")
"""Settings that may change as a run goes on."""


@contextmanager
def claimed(run: Path, models: Path, name: str) -> Iterator[None]:
    """Hold a name among models while a run goes on, also over interruptions; a finished model frees it.

    Parameters
    ----------
    run : Path
        The folder of the run.
    models : Path
        The folder that its model will be written to; it exists.
    name : str
        Of the model.

    Raises
    ------
    VaesrError
        When another run holds it.
    """
    claim = _claim(models, name)
    other = _holder(claim)
    if other is not None and other != run.resolve():
        raise VaesrError(
            f"The training in {other} will be written to {models} as {name}, too: choose another --name or "
            "--output, or remove that folder if it is not to go on."
        )
    run.mkdir(parents=True, exist_ok=True)
    note_begun(run)
    claim.write_text(str(run.resolve()), encoding="utf-8")
    try:
        yield
    finally:
        if newest_checkpoint(run) is None:  # there is nothing to go on from
            claim.unlink(missing_ok=True)


def note_begun(run: Path) -> None:
    """Write down that a run that has not learnt anything yet has made no model.

    Parameters
    ----------
    run : Path
        The folder of the run; it exists.
    """
    if newest_checkpoint(run) is None:
        (run / MADE).touch()


def has_made(run: Path, card: Path) -> bool:
    """Tell whether a run has made the model of a card.

    Parameters
    ----------
    run : Path
        The folder of the run.
    card : Path
        The card's file.
    """
    try:
        told = read_card(card)
        if (run / MADE).exists():
            return told.sha256 in (run / MADE).read_text(encoding="utf-8").split()
        settings = json.loads((run / "config.json").read_text(encoding="utf-8"))
    except (VaesrError, OSError, ValueError):
        return False
    # By the settings, of a run of an earlier version.
    known = told.training.get("settings")
    return isinstance(known, dict) and all(
        settings[key] == value for key, value in known.items() if key in settings and key not in LENGTH
    )


def own_name(run: Path, models: Path, name: str) -> str:
    """Return the name for the model of a run, with a number where it is that of another's by now.

    A bundled model is another's, too, where all doors would find this one in its place.

    Parameters
    ----------
    run, models, name
        As for `claimed`.
    """
    are_found = models.resolve() == user_models().resolve()

    def is_another(name: str) -> bool:
        card = models / f"{name}.json"
        return (are_found and is_bundled(name)) or (card.exists() and not has_made(run, card))

    return numbered(name, is_another)


def note_made(run: Path, models: Path, name: str, sha256: str) -> None:
    """Write down that a run has made a model, and give the name free for what becomes of it.

    Parameters
    ----------
    run, models, name
        As for `claimed`.
    sha256 : str
        Of the weights, as the card has it.
    """
    with (run / MADE).open("a", encoding="utf-8") as file:
        file.write(f"{sha256}\n")
    claim = _claim(models, name)
    if _holder(claim) == run.resolve():
        claim.unlink(missing_ok=True)


def _claim(models: Path, name: str) -> Path:
    return models / f".{name}.training"


def _holder(claim: Path) -> Path | None:
    """Return the folder of the run that holds a name; None where it is gone, or there is none."""
    try:
        told = claim.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return Path(told) if told and Path(told).is_dir() else None

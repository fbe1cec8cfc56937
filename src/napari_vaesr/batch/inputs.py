"""Which images are meant by files, folders and patterns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_vaesr.engine.progress import Progress
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import expand_inputs, is_plate, series_names, without_repeats
from napari_vaesr.files.made import is_result
from napari_vaesr.files.place import Place, as_place

EVERY = "all"
"""What to choose for every image of a file."""


def chosen_inputs(
    inputs: Sequence[str], notes: list[str], progress: Callable[[Progress], None] | None = None
) -> list[Place]:
    """Return the images that are meant, without results among them and further parts of others.

    Parameters
    ----------
    inputs : sequence of str
        Files, folders and glob patterns.
    notes : list of str
        Gets what the user should know: that some are passed over.
    progress : callable, optional
        Called as inputs are looked at, which takes seconds for thousands. What it raises stops that.

    Raises
    ------
    VaesrError
        When nothing is found but results, or one of them is named itself.
    """
    found = expand_inputs(list(inputs))
    found = _without_results(found, {expanded(text) for text in inputs}, notes, progress)
    whole = without_repeats(found)
    if len(whole) < len(found):
        notes.append(f"{len(found) - len(whole)} of {len(found)} inputs hold further parts of other inputs.")
    return whole


def expanded(text: str) -> Place:
    """Return the place that a text names, the folder of a user written out."""
    place = as_place(text)
    return place.expanduser() if isinstance(place, Path) else place


def images_of(place: Place, series: str | None) -> list[tuple[Place, str | None]]:
    """Return the images of a file that are meant, by the names that it has for them.

    Which: a name, a number, or `EVERY`; None is all of a plate and the first of other files.
    One that can't be read counts as a single image, so that what is wrong is told when its turn comes.
    """
    if series == EVERY or (series is None and is_plate(place)):
        try:
            names = series_names(place)
        except (VaesrError, OSError):
            return [(place, series)]
        return [(place, name) for name in names] if len(names) > 1 else [(place, None)]
    return [(place, series)]


def _without_results(
    found: Sequence[Place],
    named: set[Place],
    notes: list[str],
    progress: Callable[[Progress], None] | None,
) -> list[Place]:
    """Leave out what was made by an upscaling, and refuse it where it was named itself."""
    results: dict[Place, None] = {}
    for number, place in enumerate(found):
        if progress is not None:
            progress(Progress(number, len(found), "Looking through the files"))
        if is_result(place):
            results[place] = None
    for place in results:
        if place in named:
            raise VaesrError(f"{place} is the result of an upscaling, please choose its source instead.")
    if results:
        notes.append(f"{len(results)} of {len(found)} inputs are results of upscalings and are passed over.")
    left = [place for place in found if place not in results]
    if not left:
        raise VaesrError("All inputs are results of upscalings, please choose their sources instead.")
    return left

"""Images that a text file lists are not learnt from, so that a model can be tested on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_vaesr.errors import VaesrError
from napari_vaesr.training.data import find_images


def hold_out_listed(places: Sequence[Path], listing: Path) -> tuple[list[Path], list[Path]]:
    """Split image files into those to train on and those named in a text file, to validate on.

    Parameters
    ----------
    places : sequence of Path
        Images and folders of them.
    listing : Path
        One image a line, by its name or the end of its path, such as ``phase/cell_7.png``.

    Raises
    ------
    VaesrError
        When the list can't be read, names an image that is not there or leaves none to train on.
    """
    try:
        lines = [line.strip() for line in listing.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise VaesrError(f"The list {listing} can't be read: give a text file of image names.") from error
    files = find_images(places)
    ends = {path: f"/{path.as_posix()}" for path in files}
    held: list[Path] = []
    for line in filter(None, lines):
        named = [path for path in files if ends[path].endswith(f"/{line}")]
        if not named:
            raise VaesrError(f"{listing} names {line!r}, which is not among the images: correct the list.")
        held += named
    left = sorted(set(files) - set(held))
    if not left:
        raise VaesrError(f"{listing} names all images, so none is left to train on: name fewer.")
    return left, sorted(set(held))

"""Axes that arrays and files call by words: letters for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LONG_NAMES = {
    "T": "t time frame frames timepoint timepoints",
    "C": "c channel channels ch wavelength band bands",
    "Z": "z depth slice slices plane planes",
    "Y": "y height row rows lat latitude",
    "X": "x width col cols column columns lon longitude",
    "S": "s sample samples rgb rgba colour color",
}
_LETTERS = {name: letter for letter, names in LONG_NAMES.items() for name in names.split()}


def told_axes(array: Any) -> str | None:
    """Return the axes that an array names itself, as those of xarray and Zarr do; None where it doesn't."""
    names = getattr(array, "dims", None) or getattr(getattr(array, "metadata", None), "dimension_names", None)
    if not isinstance(names, (tuple, list)) or len(names) != len(array.shape):
        return None
    return axis_letters(names)


def axis_letters(names: Sequence[Any], types: Sequence[Any] = ()) -> str | None:
    """Return our letters for axes called by any usual names, None where one of them has none.

    Parameters
    ----------
    names : sequence of str
        Such as ``("channel", "z", "row", "col")``.
    types : sequence of str, optional
        What OME-Zarr calls the types of axes: ``time``, ``channel`` or ``space``. Axes in space that have
        other names are the last of ``ZYX``.
    """
    kinds = [*map(str, types), *[""] * (len(names) - len(types))]
    letters = []
    for name, kind in zip(names, kinds, strict=True):
        letter = {"time": "T", "channel": "C"}.get(kind) or _LETTERS.get(str(name).strip().lower(), "")
        letters.append(letter if not (kind == "space" and letter in "TCS") else "")
    spaces = [number for number, kind in enumerate(kinds) if kind == "space"]
    if spaces and any(not letters[number] for number in spaces) and 2 <= len(spaces) <= 3:
        for number, letter in zip(reversed(spaces), "XYZ", strict=False):
            letters[number] = letter
    return "".join(letters) if all(letters) and len(set(letters)) == len(letters) and letters else None

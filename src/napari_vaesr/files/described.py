"""What a file says about its pixels, in whatever words, brought to ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_vaesr.files.units import converted, measured

Length = tuple[float, str | None]
"""A number and the full name of its unit, which is None for pixels."""


@dataclass(frozen=True)
class Described:
    """Sizes, places, names and looks that a file tells.

    Attributes
    ----------
    sizes : mapping of str to (float, str or None)
        Distance between pixels and its unit, by axis letter.
    starts : mapping of str to (float, str or None)
        Where the centre of the first pixel is, by axis letter.
    channel_names : tuple of str
        One per channel, or none.
    colours : tuple of str
        One per channel, or none, as ``"00FF00"``; empty where a channel has none.
    windows : tuple of ((float, float) or None)
        What to show as dark and as bright, one per channel, or none.
    """

    sizes: Mapping[str, Length] = field(default_factory=dict)
    starts: Mapping[str, Length] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    windows: tuple[tuple[float, float] | None, ...] = ()

    def over(self, other: Described) -> Described:
        """Return this, with what it does not tell taken from another."""
        return Described(
            {**other.sizes, **self.sizes},
            {**other.starts, **self.starts},
            self.channel_names or other.channel_names,
            self.colours or other.colours,
            self.windows or other.windows,
        )

    def fields(self, axes: str, shape: Sequence[int]) -> dict[str, Any]:
        """Return what an `ImageFile` of these axes takes from it."""
        sizes = {name: self.sizes[name] for name in axes if name in self.sizes and name not in "CS"}
        channels = _channels(axes, shape)
        colours = tuple("" if colour == "000000" else colour for colour in self.colours)  # nobody sees black
        starts = {name: self._start(name) for name in axes if name in self.starts and name not in "CS"}
        return {
            "pixel_size": {name: size for name, (size, _) in sizes.items()},
            "units": {name: unit for name, (_, unit) in sizes.items() if unit},
            "offset": {name: start for name, start in starts.items() if start},
            "channel_names": self.channel_names
            if len(self.channel_names) == channels and "S" not in axes
            else (),
            "colours": colours if len(colours) == channels and any(colours) else (),
            "windows": self.windows if len(self.windows) == channels and any(self.windows) else (),
        }

    def left_out(self, name: str, axes: str, shape: Sequence[int]) -> list[str]:
        """Return the sentence on names of channels that fit no image of these axes in a file of this name."""
        channels = _channels(axes, shape)
        if not self.channel_names or len(self.channel_names) == channels or "S" in axes:
            return []
        listed = ", ".join(self.channel_names[:4]) + (", ..." if len(self.channel_names) > 4 else "")
        return [
            f"The names of channels in {name} ({listed}) are left out, for the number of its channels is "
            f"{channels}."
        ]

    def _start(self, name: str) -> float:
        """Return a place in the unit of the axis: 0 where the two cannot be compared."""
        place, unit = self.starts[name]
        size, own = self.sizes.get(name, (1.0, None))
        if unit is None:  # in pixels
            return place if own is None else place * size
        return 0.0 if own is None else converted(place, unit, own)


def _channels(axes: str, shape: Sequence[int]) -> int:
    return dict(zip(axes, shape, strict=True)).get("C", 1)


def sized(numbers: Iterable[tuple[str, Any, str]]) -> dict[str, Length]:
    """Return the sizes that make sense out of (axis letter, number, unit): those above 0 in known units."""
    found = {}
    for name, number, unit in numbers:
        length = measured(as_number(number), unit, name)
        if length is not None and length[0] > 0:
            found[name] = length
    return found


def placed(numbers: Iterable[tuple[str, Any, str]]) -> dict[str, Length]:
    """Return the places that make sense out of (axis letter, number, unit)."""
    found = {}
    for name, number, unit in numbers:
        length = measured(as_number(number, float("nan")), unit, name)
        if length is not None:
            found[name] = length
    return found


def as_number(value: Any, otherwise: float = 0.0) -> float:
    """Return a number out of a file, another one for what isn't one."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return otherwise

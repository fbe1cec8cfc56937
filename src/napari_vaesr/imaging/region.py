"""Which part of an image, and how many times larger: ranges and factors by axis letter."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType

from napari_vaesr.centres import to_source
from napari_vaesr.errors import VaesrError

_PART = re.compile(r"\s*([A-Za-z])\s*=\s*(\d+)\s*(?::\s*(\d+)\s*)?")
_FACTOR = re.compile(r"\s*([A-Za-z])\s*=\s*(\d+(?:\.\d+)?)\s*")

FINEST = 1_000_000
"""Planes up to which a factor that is no whole number is known as a fraction of them."""


class Region(Mapping[str, range]):
    """A range of pixels by axis letter; an axis that is not named is whole. It never changes.

    Parameters
    ----------
    ranges : mapping of str to range
        By axis letter.
    **more : range
        The same: ``Region(Z=range(10, 20))``.
    """

    __slots__ = ("_ranges",)

    def __init__(self, ranges: Mapping[str, range] = MappingProxyType({}), /, **more: range) -> None:
        self._ranges = {**ranges, **more}

    @classmethod
    def parse(cls, text: str) -> Region:
        """Read a region such as ``Z=10:20,Y=0:64`` (from 10 to 19) or ``T=3`` (3 alone).

        Raises
        ------
        VaesrError
            When it is written in another way or names an axis twice.
        """
        ranges: dict[str, range] = {}
        for part in text.split(","):
            match = _PART.fullmatch(part)
            name = match[1].upper() if match else ""
            if match is None or name in ranges:
                raise VaesrError(
                    f"The extent {text!r} cannot be read, please write it like Z=10:20,Y=0:64 "
                    "with every axis named once and the end not included."
                )
            start = int(match[2])
            ranges[name] = range(start, int(match[3]) if match[3] else start + 1)
        return cls(ranges)

    @classmethod
    def asked(cls, extent: Mapping[str, range] | str | None) -> Region:
        """Return the region that is meant by ranges, by what `parse` reads, or by nothing: all.

        Raises
        ------
        VaesrError
            As `parse`.
        """
        if isinstance(extent, str):
            return cls.parse(extent) if extent else cls()
        if not isinstance(extent, Mapping | None):
            raise VaesrError(
                f"The extent is {extent!r}, please write a range for each axis, such as "
                '{"Y": range(64)} or "Y=0:64".'
            )
        return cls(extent or {})

    def __str__(self) -> str:
        """Write the region so that `parse` reads it."""
        return ",".join(f"{name}={part.start}:{part.stop}" for name, part in self.items())

    def __repr__(self) -> str:
        return f"Region({self})"

    def __getitem__(self, name: str) -> range:
        return self._ranges[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ranges)

    def __len__(self) -> int:
        return len(self._ranges)

    def __hash__(self) -> int:
        return hash(frozenset(self._ranges.items()))

    @property
    def size(self) -> int:
        """How many pixels it has along the axes that are named."""
        return math.prod(map(len, self.values()))

    @property
    def lengths(self) -> dict[str, int]:
        """Number of pixels by axis letter."""
        return {name: len(part) for name, part in self.items()}

    def of(self, lengths: Mapping[str, int]) -> Region:
        """Return the region with all axes of an image named, in its order, less ``S``.

        Parameters
        ----------
        lengths : mapping of str to int
            Of the image, by axis letter.

        Raises
        ------
        VaesrError
            When the image lacks an axis, or a range is none, has steps, is empty or reaches out of it.
        """
        for name, part in self.items():
            if name not in lengths or name == "S":
                choices = ", ".join(each for each in lengths if each != "S")
                raise VaesrError(f"The image has no axis {name} to choose from, please use {choices}.")
            if not isinstance(part, range) or part.step != 1:
                raise VaesrError(
                    f"The extent of {name} is {part!r}, please write a range such as range(10, 20)."
                )
            if not part or part.start < 0 or part.stop > lengths[name]:
                raise VaesrError(
                    f"The extent {Region({name: part})} is not inside the image, "
                    f"please choose from 0 to {lengths[name]} along {name}."
                )
        return Region({name: self.get(name, range(lengths[name])) for name in lengths if name != "S"})

    def less_whole(self, lengths: Mapping[str, int]) -> Region:
        """Return the region without the axes that are whole, in an image of these lengths by axis letter."""
        return Region({name: part for name, part in self.items() if len(part) < lengths[name]})

    def changed(self, ranges: Mapping[str, range]) -> Region:
        """Return the region with other ranges along some axes."""
        return Region({**self._ranges, **ranges})

    def joined(self, other: Region) -> Region:
        """Return the smallest region that holds this one and another with the same axes."""
        both = ((name, part, other[name]) for name, part in self.items())
        return Region({name: range(min(a.start, b.start), max(a.stop, b.stop)) for name, a, b in both})

    def enlarged(self, factors: Factors) -> Region:
        """Return what becomes of the region in the image made larger.

        Where a factor is no whole number, it is those pixels whose centres lie inside the region.
        """
        return Region({name: factors.made_of(name, part) for name, part in self.items()})

    def reduced(self, factors: Factors) -> Region:
        """Return the smallest region that becomes this one, or holds it, when it is enlarged."""
        return Region({name: factors.made_from(name, part) for name, part in self.items()})

    def seen_from(self, other: Region) -> Region:
        """Return the region in pixels counted from the first of another one that holds it."""
        return Region(
            {
                name: range(part.start - other[name].start, part.stop - other[name].start)
                for name, part in self.items()
            }
        )

    @property
    def slices(self) -> dict[str, slice]:
        """The same as slices by axis letter, for arrays."""
        return {name: slice(part.start, part.stop) for name, part in self.items()}

    def within(self, other: Region) -> dict[str, slice]:
        """Return by axis letter where this region lies inside another one that holds it."""
        return self.seen_from(other).slices

    def first_pixel(self, factors: Factors) -> dict[str, float]:
        """Return the index in the source of the centre of the first pixel made."""
        return {
            name: to_source(factors.made_of(name, part).start, factors.along(name))
            for name, part in self.items()
        }


class Factors(Mapping[str, float]):
    """How many times more pixels by axis letter; an axis that is not named keeps its own. It never changes.

    Parameters
    ----------
    factors : mapping of str to int or float
        By axis letter; those of 1 are left out, the others kept in the order ``TCZYX``. What is no whole
        number counts as the nearest fraction of no more than a million planes.
    """

    __slots__ = ("_factors",)

    def __init__(self, factors: Mapping[str, float] = MappingProxyType({}), /, **more: float) -> None:
        given = {**factors, **more}
        plain = {name: int(value) if value == int(value) else float(value) for name, value in given.items()}
        self._factors = {name: plain[name] for name in sorted(plain, key="TCZYX".find) if plain[name] != 1}

    @classmethod
    def of(cls, scale: int | Mapping[str, float]) -> Factors:
        """Return what a scale means: a number is that of ``Y`` and of ``X``."""
        return cls(scale) if isinstance(scale, Mapping) else cls(Y=scale, X=scale)

    @classmethod
    def parse(cls, text: str) -> Factors:
        """Read factors such as ``2`` (along Y and X), ``Z=4,Y=2,X=2`` or ``Z=2.5``.

        Raises
        ------
        VaesrError
            When they are written in another way or name an axis twice.
        """
        if text.strip().isdecimal():
            return cls.of(int(text))
        factors: dict[str, float] = {}
        for part in text.split(","):
            match = _FACTOR.fullmatch(part)
            name = match[1].upper() if match else ""
            if match is None or name in factors:
                raise VaesrError(
                    f"The scale {text!r} cannot be read, please write it like 2, Z=4 or Z=4,Y=2,X=2."
                )
            factors[name] = float(match[2])
        return cls(factors)

    def __str__(self) -> str:
        """Write the factors so that `parse` reads them."""
        setting = self.setting
        if isinstance(setting, int):
            return str(setting)
        return ",".join(f"{name}={factor}" for name, factor in setting.items())

    def __repr__(self) -> str:
        return f"Factors({self})"

    def __getitem__(self, name: str) -> float:
        return self._factors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._factors)

    def __len__(self) -> int:
        return len(self._factors)

    def __hash__(self) -> int:
        return hash(frozenset(self._factors.items()))

    def along(self, name: str) -> float:
        """Return the factor of an axis, 1 where it keeps its pixels."""
        return self._factors.get(name, 1)

    def whole(self, name: str) -> int:
        """Return the factor of an axis, rounded up where it is no whole number."""
        return math.ceil(self.along(name))

    @property
    def across(self) -> str:
        """Letter of the axis along which planes become more; empty where they stay as many."""
        return next((name for name in self if name not in "YX"), "")

    def made_of(self, name: str, part: range) -> range:
        """Return which pixels of the larger image have their centres in a range of pixels.

        Parameters
        ----------
        name : str
            Letter of the axis.
        part : range
            Pixels of the image.
        """
        factor = self._exactly(name)
        if isinstance(factor, int):
            return range(part.start * factor, part.stop * factor)
        half = Fraction(1, 2)
        return range(math.ceil(part.start * factor - half), math.ceil(part.stop * factor - half))

    def made_from(self, name: str, part: range) -> range:
        """Return the pixels that the centres of a range of pixels of the larger image lie in.

        Parameters
        ----------
        name : str
            Letter of the axis.
        part : range
            Pixels of the larger image.
        """
        factor = self._exactly(name)
        if isinstance(factor, int):
            return range(part.start // factor, -(-part.stop // factor))
        half = Fraction(1, 2)
        first, last = part.start + half, part.stop - half
        return range(math.floor(first / factor), math.floor(last / factor) + 1)

    def _exactly(self, name: str) -> int | Fraction:
        factor = self.along(name)
        return factor if isinstance(factor, int) else Fraction(factor).limit_denominator(FINEST)

    def fitted(self, lengths: Mapping[str, int]) -> Factors:
        """Return the nearest factors that make whole numbers of pixels of axes of these lengths."""
        return Factors(
            {
                name: factor
                if isinstance(factor, int) or name not in lengths
                else max(1, round(lengths[name] * self._exactly(name))) / lengths[name]
                for name, factor in self.items()
            }
        )

    def times(self, other: Factors) -> Factors:
        """Return what one after the other comes to."""
        return Factors({name: self.along(name) * other.along(name) for name in {**self, **other}})

    @property
    def size(self) -> float:
        """How many pixels become of one."""
        return math.prod(self.values())

    @property
    def setting(self) -> int | dict[str, float]:
        """The shortest way to say it: a number where ``Y`` and ``X`` alone grow, and alike."""
        if self.keys() <= {"Y", "X"} and self.along("Y") == self.along("X"):
            return int(self.along("Y"))
        return dict(self)

    @property
    def suffix(self) -> str:
        """What names of files say of them: ``x2``, or ``z4y2x2``."""
        setting = self.setting
        if isinstance(setting, int):
            return f"x{setting}"
        return "".join(f"{name.lower()}{factor:.3g}" for name, factor in setting.items())


def products(known: Iterable[int]) -> list[int]:
    """Return the factors that are known and products of two of them, in order."""
    single = set(known)
    return sorted(single | {first * second for first in single for second in single})

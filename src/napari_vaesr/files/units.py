"""Units of length and time: spelled out as in OME-Zarr and pint inside, symbols as in OME-XML in files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """A unit that files use.

    Attributes
    ----------
    name : str
        Its full name.
    symbol : str
        As OME-XML writes it.
    kind : {"length", "time"}
        What it measures.
    factor : float
        How many meters or seconds it is.
    """

    name: str
    symbol: str
    kind: str
    factor: float


KEPT = frozenset(
    (
        *("picometer", "angstrom", "nanometer", "micrometer", "millimeter", "centimeter", "meter"),
        *("kilometer", "inch", "nanosecond", "microsecond", "millisecond", "second"),
        *("minute", "hour", "day"),
    )
)
"""Units that are kept as they are; lengths and times in any other become micrometers and seconds."""

MILLIMETER = 1e-3
"""Meters below which nobody measures in inches, centimeters or more: these become micrometers, too."""

PREFIXES = {
    "Y": ("yotta", 24), "Z": ("zetta", 21), "E": ("exa", 18), "P": ("peta", 15), "T": ("tera", 12),
    "G": ("giga", 9), "M": ("mega", 6), "k": ("kilo", 3), "h": ("hecto", 2), "da": ("deca", 1),
    "": ("", 0), "d": ("deci", -1), "c": ("centi", -2), "m": ("milli", -3), "µ": ("micro", -6),
    "n": ("nano", -9), "p": ("pico", -12), "f": ("femto", -15), "a": ("atto", -18), "z": ("zepto", -21),
    "y": ("yocto", -24),
}  # fmt: skip

INCH = 0.0254
OTHERS = (
    (Unit("angstrom", "Å", "length", 1e-10), "angstroms ångström ångstrom A"),
    (Unit("inch", "in", "length", INCH), 'inches "'),
    (Unit("thou", "thou", "length", INCH / 1000), "mil mils"),
    (Unit("line", "li", "length", INCH / 12), "lines"),
    (Unit("point", "pt", "length", INCH / 72), "points"),
    (Unit("foot", "ft", "length", 12 * INCH), "feet"),
    (Unit("yard", "yd", "length", 36 * INCH), "yards"),
    (Unit("mile", "mi", "length", 63360 * INCH), "miles"),
    (Unit("astronomical unit", "ua", "length", 149_597_870_700.0), "au"),
    (Unit("light year", "ly", "length", 9_460_730_472_580_800.0), "light-year lightyear"),
    (Unit("parsec", "pc", "length", 3.0856775814913673e16), "parsecs"),
    (Unit("minute", "min", "time", 60.0), "mins minutes"),
    (Unit("hour", "h", "time", 3600.0), "hr hrs hours"),
    (Unit("day", "d", "time", 86400.0), "days"),
)


def _spellings() -> dict[str, Unit]:
    """Return every unit by everything that it is called."""
    units: dict[str, Unit] = {}
    for short, (prefix, power) in PREFIXES.items():
        for base, letter, kind in (("meter", "m", "length"), ("second", "s", "time")):
            unit = Unit(prefix + base, short + letter, kind, float(f"1e{power}"))
            names = [unit.name, f"{unit.name}s", unit.symbol]
            if kind == "length":
                names += [f"{prefix}metre", f"{prefix}metres"]
            else:
                names += [f"{short}sec", f"{short}secs"]
            if short == "µ":  # there are two such signs, and people without any
                names += ["u" + name[1:] for name in names if name.startswith("µ")]
                names += ["micron", "microns", "mu"] if kind == "length" else []
            units |= dict.fromkeys(names, unit)
    for unit, names_of_it in OTHERS:
        units |= dict.fromkeys([unit.name, unit.symbol, *names_of_it.split()], unit)
    return units


_SPELLINGS = _spellings()
_PIXELS = frozenset(("", "pixel", "pixels", "px", "pix", "voxel", "voxels"))


def find_unit(text: str) -> Unit | None:
    """Return a unit however it is spelled, None for pixels and what is not known."""
    # ImageJ escapes the micro sign, there are two that look alike, and UTF-8 is read as Latin-1.
    plain = text.strip().strip("\0").replace("\\u00B5", "µ").replace("\\u00b5", "µ").replace("Â", "")
    plain = (
        plain.replace("\N{GREEK SMALL LETTER MU}", "µ").replace("Ã…", "Å").replace("\N{ANGSTROM SIGN}", "Å")
    )
    return _SPELLINGS.get(plain) or _SPELLINGS.get(plain.lower())


def spell_out(unit: str) -> str | None:
    """Return the full name of a unit of length or time, None for pixels and what is not known.

    Examples
    --------
    >>> spell_out("um"), spell_out("pixel")
    ('micrometer', None)
    """
    found = find_unit(unit)
    return None if found is None else found.name


def symbol(unit: str) -> str | None:
    """Return the OME-XML symbol of a unit however it is spelled, None for pixels and what is not known."""
    found = find_unit(unit)
    return None if found is None else found.symbol


def is_pixels(unit: str) -> bool:
    """Whether a unit says that lengths are in pixels, as no unit at all does."""
    return unit.strip().lower() in _PIXELS


def measured(number: float, unit: str, axis: str) -> tuple[float, str | None] | None:
    """Return a length or a time in a unit that all programs know.

    Parameters
    ----------
    number : float
        How many.
    unit : str
        Of what, in any spelling; pixels if empty.
    axis : str
        The letter of the axis along which it is: ``T`` has times, the others have lengths.

    Returns
    -------
    (float, str or None) or None
        The number and the full name of its unit, which is None for pixels; nothing where the unit is not
        known or the number is none, because a number alone would be wrong.

    Examples
    --------
    >>> measured(2, "dm", "Z"), measured(2, "px", "Z"), measured(2, "cubit", "Z")
    ((200000.0, 'micrometer'), (2.0, None), None)
    """
    if not math.isfinite(number):
        return None
    found = find_unit(unit)
    if found is None:
        return (float(number), None) if is_pixels(unit) else None
    if found.kind != ("time" if axis == "T" else "length"):
        return None
    large = ("kilometer", "meter", "centimeter", "inch")
    tiny = found.name in large and abs(number) * found.factor < MILLIMETER
    if found.name in KEPT and not tiny:
        return float(number), found.name
    plain = "second" if found.kind == "time" else "micrometer"
    return converted(number, found.name, plain), plain


def comparable(lengths: Mapping[str, float], units: Mapping[str, str]) -> dict[str, float]:
    """Return the lengths, by axis letter, that can be told in the unit of ``X``, in that unit.

    Parameters
    ----------
    lengths : mapping of str to float
        By axis letter.
    units : mapping of str to str
        Their units by axis letter, however they are spelled.

    Examples
    --------
    >>> comparable({"Z": 0.5, "X": 100.0}, {"Z": "micrometer", "X": "nanometer"})
    {'Z': 500.0, 'X': 100.0}
    """
    wanted = units.get("X", "")
    own, found = find_unit(wanted), {}
    for name, length in lengths.items():
        unit = find_unit(units.get(name, ""))
        if units.get(name, "") == wanted or (unit and own and unit.kind == own.kind):
            found[name] = converted(length, units.get(name), wanted)
    return found


def converted(number: float, unit: str | None, other: str | None) -> float:
    """Return a number of one unit in another of the same kind; as it is where one of them is pixels.

    Parameters
    ----------
    number : float
        A length or a time.
    unit, other : str or None
        However they are spelled; None: pixels.
    """
    first, second = find_unit(unit or ""), find_unit(other or "")
    if first is None or second is None or first == second:
        return float(number)
    ratio = first.factor / second.factor
    # Whole powers of ten are divided by where that is exact: 1e-6 m is 1 µm, and not 0.9999999999999999.
    return float(number) * ratio if ratio >= 1 else float(number) / (second.factor / first.factor)

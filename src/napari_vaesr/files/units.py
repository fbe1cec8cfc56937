"""Names of units: spelled out as in OME-Zarr and pint on the inside, symbols as in OME-XML in files."""

from __future__ import annotations

_SPELLINGS = {
    "picometer": "pm picometre picometers",
    "angstrom": "Å ångström angstroms",
    "nanometer": "nm nanometre nanometers nanometres",
    "micrometer": "µm um micron microns micrometre micrometers micrometres",
    "millimeter": "mm millimetre millimeters millimetres",
    "centimeter": "cm centimetre centimeters centimetres",
    "meter": "m metre meters metres",
    "inch": "in inches",
    "nanosecond": "ns nanoseconds",
    "microsecond": "µs us microseconds",
    "millisecond": "ms msec milliseconds",
    "second": "s sec secs seconds",
    "minute": "min mins minutes",
    "hour": "h hr hours",
    "day": "d days",
}
_SPELLED_OUT = {spelling: name for name, others in _SPELLINGS.items() for spelling in (name, *others.split())}
_SYMBOLS = {name: others.split()[0] for name, others in _SPELLINGS.items()}


def spell_out(unit: str) -> str | None:
    """Return the full name of a unit of length or time, None for pixels and what is not known.

    Examples
    --------
    >>> spell_out("um"), spell_out("pixel")
    ('micrometer', None)
    """
    # ImageJ escapes the micro sign, and there are two that look alike.
    plain = unit.strip().replace("\\u00B5", "µ").replace("\N{GREEK SMALL LETTER MU}", "µ")
    return _SPELLED_OUT.get(plain, _SPELLED_OUT.get(plain.lower()))


def symbol(unit: str) -> str | None:
    """Return the OME-XML symbol of a unit however it is spelled, None for pixels and what is not known."""
    name = spell_out(unit)
    return None if name is None else _SYMBOLS[name]

"""Shares in percent, with the decimals that leave what is said of them true."""

from __future__ import annotations

DECIMALS = 4
"""At most."""


def percent(share: float, *limits: float) -> str:
    """Return a share as a number of percent, on the side of every limit that it is on.

    Parameters
    ----------
    share : float
        From 0 to 1.
    *limits : float
        Shares that it is said to be below or above; none of it, and all of it, count as such.

    Examples
    --------
    >>> percent(0.9746), percent(0.9746, 0.97), percent(0.998), percent(1.0)
    ('97 %', '97.5 %', '99.8 %', '100 %')
    """

    def sides(value: float) -> list[int]:
        return [(value > limit) - (value < limit) for limit in (0.0, 1.0, *limits)]

    for decimals in range(DECIMALS):
        text = f"{100 * share:.{decimals}f}"
        if sides(round(share, decimals + 2)) == sides(share):
            return f"{text} %"
    return f"{100 * share:.{DECIMALS}f} %"

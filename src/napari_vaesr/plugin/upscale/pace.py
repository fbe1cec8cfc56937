"""How large a preview may be, and which part of a run is quick enough to be shown first."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from napari_vaesr.imaging.sampling import middle_of

if TYPE_CHECKING:
    from napari_vaesr.engine.settings import UpscaleSettings

LIVE_SECONDS, SECONDS, PATIENCE = 0.5, 1.5, 10.0
"""How long a preview should take at most: live, on demand, and where something takes patience."""

FIRST_PIXELS = 128**2
"""Pixels that the network sees of a preview as long as its speed is not known."""

USUAL_HALO = 40
"""What is taken for the halo of a model along ``Z`` as long as it is not known."""

WORTHWHILE = 1.5
"""How many times as many pixels, or as few, make it worth to change the size of a preview."""

NONE: Mapping[str, int] = MappingProxyType({})

QUICK_FIRST = (
    "Where planes become more along Z, too, it shows the plane as it is first; the planes made of it follow, "
    "or not if they are cancelled."
)


def takes_patience(settings: UpscaleSettings) -> bool:
    """Whether more is made than planes as they are, which takes long.

    To make planes along ``Z`` takes all that lies in the network's reach above and below, a hundred times
    the pixels of a plane; so a preview shows the plane as it is first.
    """
    return bool(settings.factors.across)


def patient_part(settings: UpscaleSettings) -> str:
    """Name what takes patience."""
    across = settings.factors.across
    return f"planes along {across}" if across else ""


def left_out(asked: UpscaleSettings, shown: UpscaleSettings) -> str:
    """Say what a preview does not show of what is asked for, nothing where it shows all."""
    if not takes_patience(asked) or takes_patience(shown):
        return ""
    across = asked.factors.across
    return f" of the plane as it is (Run makes {asked.factors[across]:.3g} times as many along {across});"


def planes_in_words(settings: UpscaleSettings, axes: str, shape: Sequence[int]) -> str:
    """Say how many planes a preview made of one, where it made more."""
    across = settings.factors.across
    return f" in {shape[axes.index(across)]} planes" if across else ""


class Pace:
    """Learns how fast previews are, and says how large the next may be.

    The time is taken to grow with the pixels that the network sees, the halo around the region included.
    """

    def __init__(self) -> None:
        self._seconds_per_pixel: dict[Any, float] = {}
        self._halo: dict[Any, int] = {}
        self._sides: dict[Any, dict[str, int]] = {}

    def learn(
        self,
        settings: UpscaleSettings,
        extent: Mapping[str, range],
        halo: int,
        seconds: float,
        lengths: Mapping[str, int] = NONE,
    ) -> None:
        """Take note of a preview that took so long, of an image of these lengths by axis letter."""
        key = _speed_key(settings)
        self._halo[key] = halo
        measured = seconds / _seen(settings, len(extent["Y"]), len(extent["X"]), halo, lengths)
        # The first run compiles kernels: a faster one since is nearer to the truth.
        self._seconds_per_pixel[key] = min(measured, 1.5 * self._seconds_per_pixel.get(key, measured))

    def fitting(
        self,
        settings: UpscaleSettings,
        extent: Mapping[str, range],
        seconds: float,
        lengths: Mapping[str, int] = NONE,
    ) -> dict[str, range]:
        """Return the middle of a region, as large as can be computed in so many seconds.

        Its size stays what it was the last time, as long as that fits and is about right: speed is never
        measured alike twice, and a preview that follows the view is not to flutter.

        Parameters
        ----------
        settings : UpscaleSettings
            What it is computed with.
        extent : mapping of str to range
            With the rows ``Y`` and columns ``X`` that are wanted.
        seconds : float
            How long it may take.
        lengths : mapping of str to int
            Of the image, by axis letter.

        Returns
        -------
        dict of str to range
            The same extent, with fewer rows and columns where it would take longer.
        """
        key = _speed_key(settings)
        # What is not known of planes along Z is guessed from planes as they are.
        source = key if key in self._halo else _speed_key(settings.flat)
        height, width = len(extent["Y"]), len(extent["X"])
        halo = self._halo.get(source, USUAL_HALO if takes_patience(settings) else 0)
        known = self._seconds_per_pixel.get(source)
        allowed = FIRST_PIXELS if known is None else seconds / known

        def takes_too_long(factor: float) -> bool:
            return _seen(settings, height * factor, width * factor, halo, lengths) > allowed

        if not takes_too_long(1):
            return dict(extent)
        steps = range(1, 1001)
        factor = (bisect_left(steps, True, key=lambda step: takes_too_long(step / 1000))) / 1000
        sides = {name: _shortened(len(extent[name]), factor) for name in "YX"}
        before = self._sides.get((key, seconds))
        if before is None or not _is_about(before, sides) or any(before[n] > len(extent[n]) for n in "YX"):
            before = self._sides[key, seconds] = sides
        return {**extent, **{name: middle_of(extent[name], before[name]) for name in "YX"}}


def _speed_key(settings: UpscaleSettings) -> tuple[Any, ...]:
    return settings.model, settings.factors, settings.samples, settings.device, settings.precision


def _seen(
    settings: UpscaleSettings, height: float, width: float, halo: int, lengths: Mapping[str, int]
) -> float:
    """Return how many pixels the network sees for a region, most of them in the first pass."""
    if not takes_patience(settings):
        return (height + 2 * halo) * (width + 2 * halo)
    if "Y" in settings.factors:  # the next pass looks around it
        height, width = height + 2 * halo, width + 2 * halo
    rows = min(lengths.get(settings.factors.across, 1), 1 + 2 * halo)
    return rows * (height * (width + 2 * halo) + width * (height + 2 * halo))


def _shortened(length: int, factor: float) -> int:
    """Return a length times a factor, no less than 16 pixels where there are as many."""
    return min(length, max(16, round(length * factor)))


def _is_about(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Whether two sizes have about as many pixels."""
    return 1 / WORTHWHILE <= (one["Y"] * one["X"]) / (other["Y"] * other["X"]) <= WORTHWHILE

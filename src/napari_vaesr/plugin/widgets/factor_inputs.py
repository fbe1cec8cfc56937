"""The inputs that say how many times more pixels there are to be along each axis."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from textwrap import fill
from typing import Any

from magicgui.widgets import ComboBox

from napari_vaesr.engine.settings import CubicWay, UpscaleSettings, about, make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Source
from napari_vaesr.imaging.region import Factors
from napari_vaesr.plugin.widgets.setting_inputs import WIDTH, input_of
from napari_vaesr.zoo.card import ModelCard

SETTINGS = ("scale", "isotropic", "sections")
"""The settings that these inputs stand for."""

KEEP = 1
CUBIC: CubicWay = "exact"
NEARLY: CubicWay = "nearest"
"""Choices of a factor that are no factors."""

WAYS = {CUBIC: "to cubic voxels", NEARLY: "nearest to cubic voxels"}

DEPTH = (
    "How many times as many planes along Z: looked at across the planes, from two sides. To cubic voxels, by "
    "the sizes of voxels that the image tells, planes are made by the next factor above and resampled; or "
    "take the factor nearest to it. Detail along Z is guessed from what images look like along Y and X."
)


class FactorInputs:
    """Factors along ``Y`` and ``X``, and along ``Z``, that a model can make, and what planes are.

    Parameters
    ----------
    start : UpscaleSettings
        What they begin with.
    card : callable
        Returns the card of the model that is chosen, None where there is none.
    axes : callable, optional
        Returns letters of the image's axes. Left out, it may have any.
    source : callable, optional
        Returns the image, by the voxels of which factors are offered; raises `VaesrError` where there is
        none. Left out, there are many, each with voxels of its own.
    planes : ComboBox, optional
        Where one chooses which planes are upscaled: all of them, once they are to become more.

    Attributes
    ----------
    scale, depth, sections : ComboBox
        Along ``Y`` and ``X``, along ``Z``, and what planes are.
    widgets : list of magicgui widgets
        To be put into a form with labels.
    """

    def __init__(
        self,
        start: UpscaleSettings,
        card: Callable[[], ModelCard | None],
        axes: Callable[[], str] | None = None,
        source: Callable[[], Source] | None = None,
        planes: ComboBox | None = None,
    ):
        self._card, self._axes, self._source, self._planes = card, axes, source, planes
        self.scale = ComboBox(label="Scale", choices=self._scales, tooltip=fill(about("scale"), WIDTH))
        if start.factors.along("Y") in self.scale.choices:
            self.scale.value = start.factors.along("Y")
        self.depth = ComboBox(label="Along Z", choices=self._depths, value=KEEP, tooltip=fill(DEPTH, WIDTH))
        self.sections = input_of("sections", start)
        self.widgets: list[Any] = [self.scale, self.depth, self.sections]
        self._offer_depths()
        self.scale.changed.connect(self._offer_depths)
        self.depth.changed.connect(self._on_depth_changed)

    def offer(self, *_: Any) -> None:
        """Offer what the image and the model allow; what was chosen stays chosen where it is among that."""
        self.scale.reset_choices()
        self._offer_depths()

    def settings(self, source: Callable[[], Source] | None = None) -> dict[str, Any]:
        """Return the settings that they are set to, for an image, by default the one they were made for.

        Raises
        ------
        VaesrError
            If voxels are to be cubic and their size is not known.
        """
        depth, source = self.depth.value, source or self._source
        way = None
        if depth in WAYS and source is not None:
            depth = self._cubic(depth, source)
        elif depth in WAYS:
            way, depth = depth, KEEP
        factors = Factors({**Factors.of(self.scale.value), "Z": depth})
        is_told = self._can_tell_sections() and (bool(factors.across) or way is not None)
        return {
            "scale": factors.setting,
            "isotropic": way,
            "sections": self.sections.value if is_told else "unknown",
        }

    def _scales(self, *_: Any) -> list[tuple[str, int]]:
        card = self._card()
        if card is None:
            return []
        keep = [("keep", KEEP)] if card.factors_along("Z") else []
        return keep + [(str(scale), scale) for scale in card.factors_along("Y")]

    def _depths(self, *_: Any) -> list[tuple[str, int | str]]:
        """Return the factors along Z that the model can make; to keep the planes where there is no Z."""
        card = self._card()
        keep: list[tuple[str, int | str]] = [("keep", KEEP)]
        depths = [] if card is None else card.factors_along("Z")
        if not depths or not self._is_deep():
            return keep
        return [*keep, *((str(factor), factor) for factor in depths), *self._cubic_ways()]

    def _is_deep(self) -> bool:
        return self._axes is None or "Z" in self._axes().upper()

    def _cubic_ways(self) -> list[tuple[str, int | str]]:
        source = self._source
        if source is None:
            return [(label, way) for way, label in WAYS.items()]
        with suppress(VaesrError):  # where the size of voxels is not known
            exact, nearest = (self._cubic(way, source) for way in WAYS)
            offered: list[tuple[str, int | str]] = [(f"{WAYS[CUBIC]} (×{exact:.3g})", CUBIC)]
            return offered if nearest == exact else [*offered, (f"{WAYS[NEARLY]} (×{nearest:g})", NEARLY)]
        return []

    def _cubic(self, way: CubicWay, source: Callable[[], Source]) -> float:
        """Return the factor along Z that makes the voxels of an image cubic; refuse where it is not known."""
        card = self._card()
        assert card is not None
        asked = make_settings(scale=self.scale.value, isotropic=way)
        return asked.settled(source(), card).factors.along("Z")

    def _offer_depths(self, *_: Any) -> None:
        """Offer along Z what the image and the model allow, and show it where there is such an axis."""
        chosen = self.depth.value
        self.depth.reset_choices()
        if chosen in self.depth.choices:
            self.depth.value = chosen
        self.depth.visible = self.sections.visible = self._is_deep()
        self.sections.enabled = self._can_tell_sections()

    def _on_depth_changed(self, depth: int | str) -> None:
        """Take all planes where they are to become more."""
        self.sections.enabled = self._can_tell_sections()
        if depth != KEEP and self._planes is not None and "all" in self._planes.choices:
            self._planes.value = "all"

    def _can_tell_sections(self) -> bool:
        """Whether planes become more, by a model that can be told what they are."""
        card = self._card()
        return card is not None and card.network.sections and self.depth.value != KEEP

"""The option ``--isotropic``, which may stand alone."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

from napari_vaesr.errors import VaesrError

if TYPE_CHECKING:
    from napari_vaesr.engine.passes import CubicWay


def cubic_way(typed: str | None) -> CubicWay | None:
    """Return what was asked for; None where voxels stay as they are."""
    ways: dict[str | None, CubicWay | None] = {None: None, "exact": "exact", "nearest": "nearest"}
    if typed in ways:
        return ways[typed]
    raise VaesrError(f"Voxels are made cubic exact or nearest, not {typed}: pass --isotropic nearest.")


class IsotropicAlone(TyperCommand):
    """A command whose ``--isotropic`` may stand without a value, for ``exact``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write out what is meant; see the class."""
        told: list[str] = []
        for word, following in pairwise([*args, ""]):
            told.append(word)
            if word == "--isotropic" and following not in ("exact", "nearest"):
                told.append("exact")
        return super().parse_args(ctx, told)

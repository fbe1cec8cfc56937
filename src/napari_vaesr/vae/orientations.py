"""The eight ways to lay a plane: as it is, mirrored and turned by quarter turns."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from napari_vaesr.vae.config import Factor


@dataclass(frozen=True)
class Orientation:
    """A mirroring of rows and of columns, and then perhaps an exchange of the two."""

    rows: bool = False
    columns: bool = False
    transposed: bool = False

    def apply(self, planes: Tensor) -> Tensor:
        """Lay planes (..., height, width) this way."""
        planes = self._mirrored(planes)
        return planes.mT if self.transposed else planes

    def undo(self, planes: Tensor) -> Tensor:
        """Lay planes back as they were before `apply`."""
        return self._mirrored(planes.mT if self.transposed else planes)

    def keeps(self, factor: Factor) -> bool:
        """Whether planes laid this way become larger by the same factor."""
        return not self.transposed or factor[0] == factor[1]

    def _mirrored(self, planes: Tensor) -> Tensor:
        axes = [axis for axis, mirrored in ((-2, self.rows), (-1, self.columns)) if mirrored]
        return planes.flip(axes) if axes else planes


ORIENTATIONS = (
    Orientation(),
    Orientation(transposed=True),
    Orientation(rows=True, columns=True),
    Orientation(rows=True, columns=True, transposed=True),
    Orientation(rows=True),
    Orientation(columns=True),
    Orientation(rows=True, transposed=True),
    Orientation(columns=True, transposed=True),
)
"""The first two, the first four and all eight are groups: the mean over them turns as the plane turns."""

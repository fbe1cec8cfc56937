"""Where an upscaled image lies: same corners in the world, smaller pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_vaesr.arrays import Float64Array
from napari_vaesr.centres import to_source


@dataclass(frozen=True, eq=False)
class Placement:
    """How an index becomes a world position: ``rotate @ shear @ diag(scale) @ index + translate``.

    Pixel centres sit at whole indices, so an axis of ``n`` pixels spans from -0.5 to ``n - 0.5``. A further
    affine transform of the layer applies on top of this and stays as it is.

    Attributes
    ----------
    scale : array of shape (N,)
        World units per pixel of every axis.
    translate : array of shape (N,)
        World position of the pixel at index 0.
    rotate : array of shape (N, N)
        Rotation matrix.
    shear : array of shape (N, N) or (N (N - 1) / 2,)
        Shear matrix, or the part of an upper triangular one above its diagonal, row by row.
    """

    scale: Float64Array
    translate: Float64Array
    rotate: Float64Array
    shear: Float64Array

    @property
    def linear(self) -> Float64Array:
        """The linear part, an (N, N) matrix."""
        matrix: Float64Array = self.rotate @ shear_matrix(self.shear, len(self.scale)) @ np.diag(self.scale)
        return matrix

    def to_world(self, indices: npt.ArrayLike) -> Float64Array:
        """Return world coordinates of pixel indices; both of shape (..., N)."""
        world: Float64Array = np.asarray(indices, dtype=np.float64) @ self.linear.T + self.translate
        return world

    def upscaled(self, factors: Mapping[int, float]) -> Placement:
        """Return the placement with the same world corners and `factors` times as many pixels.

        The scale of an axis is divided by its factor, and the first pixel's centre moves (`to_source`).

        Parameters
        ----------
        factors : mapping of int to float
            Factor by axis index; axes not named stay as they are.
        """
        divisor, first = np.ones(len(self.scale)), np.zeros(len(self.scale))
        for axis, factor in factors.items():
            divisor[axis] = factor
            first[axis] = to_source(0, factor)
        return replace(self, scale=self.scale / divisor, translate=self.to_world(first))


@dataclass(frozen=True, eq=False)
class Turn:
    """How positions along the axes of an image that is turned or sheared become those in the world.

    Attributes
    ----------
    axes : str
        Letters of the axes in space.
    matrix : array of shape (N, N)
        Acts on a position, in the order of `axes`.
    shift : array of shape (N,)
        Is added then.
    """

    axes: str
    matrix: Float64Array
    shift: Float64Array

    @classmethod
    def of(
        cls,
        to_world: Callable[[Float64Array], npt.ArrayLike],
        axes: str,
        scale: Sequence[float],
        at: Sequence[float],
    ) -> Turn | None:
        """Return how an image is turned, None where scale and translation say all.

        Parameters
        ----------
        to_world : callable
            From pixel indices to the position in the world.
        axes : str
            Letters of the axes of both.
        scale, at : sequence of float
            By which own positions are told: ``scale * index + at``.
        """
        start = np.asarray(to_world(np.zeros(len(axes))), np.float64)
        columns = [np.asarray(to_world(each), np.float64) - start for each in np.eye(len(axes))]
        own = np.asarray(scale, np.float64)
        matrix = np.stack(columns, axis=1) / own
        shift = start - matrix @ np.asarray(at, np.float64)
        if np.allclose(matrix, np.eye(len(axes)), atol=1e-9) and np.abs(shift / own).max() < 1e-6:
            return None
        space = [axis for axis, name in enumerate(axes) if name in "ZYX"]
        names = "".join(axes[axis] for axis in space)
        return cls(names, matrix[np.ix_(space, space)], shift[space])

    def in_units(self, factors: Mapping[str, float]) -> Turn:
        """Return the same for positions that are so many times the numbers, by axis letter."""
        each = np.array([factors.get(name, 1.0) for name in self.axes])
        return replace(self, matrix=each[:, None] * self.matrix / each, shift=each * self.shift)

    def to_world(self, position: Mapping[str, float]) -> dict[str, float]:
        """Return the position in the world of one along the image's own axes, by axis letter."""
        world = self.matrix @ [position[name] for name in self.axes] + self.shift
        return dict(zip(self.axes, map(float, world), strict=True))


def shear_matrix(shear: Float64Array, size: int) -> Float64Array:
    """Return the (size, size) matrix of a shear, given as such or by its part above the diagonal."""
    if shear.ndim == 2:
        return shear
    matrix = np.eye(size)
    matrix[np.triu_indices(size, k=1)] = shear
    return matrix

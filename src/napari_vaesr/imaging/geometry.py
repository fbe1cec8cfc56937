"""Where an upscaled image lies: same corners in the world, smaller pixels."""

from __future__ import annotations

from collections.abc import Mapping
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


def shear_matrix(shear: Float64Array, size: int) -> Float64Array:
    """Return the (size, size) matrix of a shear, given as such or by its part above the diagonal."""
    if shear.ndim == 2:
        return shear
    matrix = np.eye(size)
    matrix[np.triu_indices(size, k=1)] = shear
    return matrix

"""Planes within a part of an image that was read once, as the network sees them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from napari_vaesr.arrays import Array, Float32Array
from napari_vaesr.engine.upscaler import NoiseKeys
from napari_vaesr.imaging.axes import Axes, Place
from napari_vaesr.imaging.intensity import IntensityScaling
from napari_vaesr.imaging.region import Region
from napari_vaesr.vae.config import Conditions
from napari_vaesr.zoo.calibration import AreaFactors


@dataclass(frozen=True)
class Box:
    """A part of an image.

    Attributes
    ----------
    pixels : array
        Axes in the image's order, ``S`` whole.
    region : Region
        Where it is, every axis named.
    """

    pixels: Array
    region: Region

    def plane(self, axes: Axes, place: Place, rows: slice, columns: slice) -> Array:
        """Return a part of a plane.

        Parameters
        ----------
        axes : Axes
            Of the image, its plane being the one to read.
        place : mapping of str to int
            Where the plane is along all other axes, indices of the image.
        rows, columns : slice
            The part of it, indices of the image.

        Returns
        -------
        array of shape (rows, columns) or (rows, columns, S)
        """
        index: dict[str, int | slice] = {"S": slice(None)}
        index |= {name: at - self.region[name].start for name, at in place.items()}
        for name, part in zip(axes.plane, (rows, columns), strict=True):
            start = self.region[name].start
            index[name] = slice(part.start - start, part.stop - start)
        own: Array = self.pixels[tuple(index[name] for name in axes.names)]
        kept = axes.plane_names
        return np.transpose(own, [kept.index(name) for name in axes.plane + "S" if name in kept])


@dataclass(frozen=True)
class Around:
    """What a plane has to do with those around it.

    Attributes
    ----------
    keys : NoiseKeys
        What decides its noise.
    neighbours : tuple of (mapping or None)
        Places of the planes seen with it, it among them; where there is none it stands for it.
    """

    keys: NoiseKeys
    neighbours: tuple[Place | None, ...]

    def seen(self, place: Place, read: Callable[[Place], Float32Array]) -> Float32Array:
        """Read a plane with those that are seen with it, along a last axis."""
        own = read(place)
        return np.stack([own if each is None else read(each) for each in self.neighbours], axis=-1)


@dataclass(frozen=True)
class SourcePlane:
    """A plane as the network sees it.

    Attributes
    ----------
    box : Box
        Holds all that is needed of it.
    axes : Axes
        Of the whole image, with the letters of its rows and columns.
    place : mapping of str to int
        Where it is.
    scaling : IntensityScaling
        From the box's intensities to unit intensities.
    conditions : Conditions
        What the network is told of it.
    around : Around
        What it shares with other planes.
    areas : AreaFactors
        What its samples are changed by.
    """

    box: Box
    axes: Axes
    place: Place
    scaling: IntensityScaling
    conditions: Conditions
    around: Around
    areas: AreaFactors

    @property
    def keys(self) -> NoiseKeys:
        """What decides its noise."""
        return self.around.keys

    @property
    def height(self) -> int:
        """Rows of the whole plane."""
        return self.axes.height

    @property
    def width(self) -> int:
        """Columns of the whole plane."""
        return self.axes.width

    def luma(self, rows: slice, columns: slice) -> Float32Array:
        """Read unit intensities of shape (rows, columns, planes); see `Plane`."""
        return self.around.seen(self.place, lambda place: self._luma(place, rows, columns))

    @property
    def is_rgb(self) -> bool:
        """Whether it has colours."""
        return self.axes.is_rgb

    def colours(self, rows: slice, columns: slice) -> Float32Array:
        """Read unit intensities of shape (rows, columns, 3); see `Plane`."""
        return self.scaling.to_unit(self.box.plane(self.axes, self.place, rows, columns)[..., :3])

    def _luma(self, place: Place, rows: slice, columns: slice) -> Float32Array:
        pixels = self.box.plane(self.axes, place, rows, columns)
        return self.scaling.unit_luma(pixels, self.is_rgb)


def noise_keys(axes: Axes, place: Place, depth: str, width: float, first: int) -> NoiseKeys:
    """Return what decides the noise of a plane: its position along every looped axis but time.

    So what stands still has the same noise at every time.

    Parameters
    ----------
    axes : Axes
        Of the whole image, with the plane's letters.
    place : mapping of str to int
        The plane's.
    depth : str
        Letter of the axis along which noise is alike.
    width : float
        Over how many planes along it, the standard deviation of a Gaussian; 0 where each has its own.
    first : int
        Key of the first plane.
    """
    reach = math.ceil(2 * width) if depth in axes.loop_names else 0
    names = [name for name in axes.loop_names if name != "T"]
    # Room for what lies beyond the first plane and the last.
    shape = [axes.lengths[name] + 2 * reach * (name == depth) for name in names]

    def key(distance: int) -> int:
        number = 0
        for name, length in zip(names, shape, strict=True):
            number = number * length + place[name] + (distance + reach) * (name == depth)
        return first + number

    weights = [math.exp(-0.5 * (distance / max(width, 1e-9)) ** 2) for distance in range(-reach, reach + 1)]
    norm = math.sqrt(sum(weight**2 for weight in weights))
    return tuple((key(distance), weight / norm) for distance, weight in enumerate(weights, -reach))


def spread_out(
    samples: Float32Array, mean: Float32Array, std: Float32Array, expected: Float32Array
) -> Float32Array:
    """Bring samples nearer to the mean or farther from it, so that they differ as much as is expected.

    Parameters
    ----------
    samples : float32 array of shape (samples, Y, X)
        As the model drew them.
    mean, std, expected : float32 array of shape (Y, X)
        Their mean, their standard deviation and the calibrated one. Where they do not differ they stay.
    """
    times = np.divide(expected, std, out=np.ones_like(std), where=std > 0)
    calibrated: Float32Array = (mean + (samples - mean) * times).astype(np.float32)
    return calibrated

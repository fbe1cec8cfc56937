"""The noise of an image, for checks on it: how strong it is at each intensity, and more of the same.

All fine texture counts as noise here, where it must not be taken for an error of the model; what networks are
told of an image is found by `napari_vaesr.imaging.noise`, which looks at the smoothest places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_vaesr.arrays import Array, Float32Array, Float64Array
from napari_vaesr.imaging.intensity import straight_line
from napari_vaesr.imaging.noise import NORMAL_MEDIAN, finest_details

BINS = 12
"""Groups of pixels of similar intensity that the noise is estimated in."""

FEWEST = 64
"""Differences that tell the noise of one group."""


@dataclass(frozen=True)
class NoiseModel:
    """White noise whose variance is a straight line of the intensity: that of photons, and of the camera.

    Attributes
    ----------
    shot : float
        Variance per intensity, as of photons; at least 0.
    camera : float
        Variance at intensity `black`; at least 0.
    black : float
        Intensity that the line begins at.
    """

    shot: float
    camera: float
    black: float

    def variance(self, image: Array) -> Float64Array:
        """Return the variance of the noise at every intensity.

        Parameters
        ----------
        image : array
            Intensities, of any shape.
        """
        return self.camera + self.shot * np.maximum(np.asarray(image, np.float64) - self.black, 0)


def noise_model(plane: Array) -> NoiseModel:
    """Estimate the noise of a plane at its dark and at its bright places.

    The median absolute value of the finest diagonal differences, as in
    `napari_vaesr.imaging.noise.estimate_noise`, in groups of similar intensity, with a straight line
    through their squares (Foi et al., 2008, "Practical Poissonian-Gaussian noise modeling and fitting for
    single-image raw-data"). What looks like noise counts as noise, fine texture too.

    Parameters
    ----------
    plane : array of shape (Y, X)
        Neighbouring pixels.

    Returns
    -------
    NoiseModel
        In the unit of the plane; without noise where there are too few pixels.
    """
    height, width = (size // 2 * 2 for size in plane.shape)
    even = np.asarray(plane[:height, :width], np.float64)
    detail = finest_details(even).ravel()
    level = (even[::2, ::2] + even[::2, 1::2] + even[1::2, ::2] + even[1::2, 1::2]).ravel() / 4
    black = float(level.min(initial=0.0)) if level.size else 0.0
    if level.size < FEWEST:
        return NoiseModel(0.0, 0.0, black)
    parts = np.array_split(np.argsort(level, kind="stable"), min(BINS, level.size // FEWEST))
    centres = np.array([level[part].mean() for part in parts]) - black
    variances = np.array([(np.median(np.abs(detail[part])) / NORMAL_MEDIAN) ** 2 for part in parts])
    shot, camera = straight_line(centres, variances)
    if shot <= 0:
        return NoiseModel(0.0, float(np.median(variances)), black)
    if camera < 0:  # through the origin
        return NoiseModel(float(np.sum(centres * variances) / np.sum(centres**2)), 0.0, black)
    return NoiseModel(shot, camera, black)


def made_small(image: Float32Array, scale: int, blur: float) -> Float32Array:
    """Make an image small as if by optics with a blur that is to be undone.

    Parameters
    ----------
    image : array of shape (Y, X)
        Any; sides divisible by `scale`.
    scale : int
        How many times smaller.
    blur : float
        In pixels of the small image.
    """
    from scipy.ndimage import gaussian_filter

    from napari_vaesr.pairs.degradation import downscaled

    return downscaled(gaussian_filter(image, blur * scale, mode="mirror") if blur > 0 else image, scale)


def with_noise(
    small: Float32Array, noise: NoiseModel, scale: int, seed: int, blur: float = 0.0
) -> Float32Array:
    """Give an image that was made small the noise that it lost by that.

    Parameters
    ----------
    small : array of shape (Y, X)
        Made `scale` times smaller.
    noise : NoiseModel
        Of the image before.
    scale : int
        The factor.
    seed : int
        Of what is drawn.
    blur : float
        That it was given, in its own pixels.
    """
    generator = np.random.default_rng(seed)
    probe = made_small(generator.normal(size=(64 * scale, 64 * scale)).astype(np.float32), scale, blur)
    left = float(np.var(probe))
    lost = np.sqrt(noise.variance(small) * max(0.0, 1 - left))
    noisy: Float32Array = (small + lost * generator.normal(size=small.shape)).astype(np.float32)
    return noisy

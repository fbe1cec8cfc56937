"""One low-res image and the truth that it has to become: the one shape of both, for learning and judging."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_vaesr.arrays import Array, Float64Array
from napari_vaesr.imaging.colour import luma
from napari_vaesr.imaging.intensity import IntensityScaling


@dataclass(frozen=True)
class Pair:
    """A low-res image and the truth it has to become.

    Attributes
    ----------
    name, domain : str
        Which image, and which group its scores are averaged in.
    low : array
        (Y, X) or (Y, X, 3), what the model gets.
    truth : array
        (scale * Y, scale * X), or with 3 behind.
    scale : int
        How many times larger the truth is. Where it is 1, no low-res image was recorded: both are the truth,
        from which low-res images are made.
    black, span : float
        Intensity that counts as 0, and the distance from there to 1.
    fitted : bool
        Whether gain and offset between the two are unknown, as between two microscopes; errors are then
        measured after the best linear fit of the mean to the truth.
    original : str
        What it shares with pairs that tell nothing new, such as the other planes of its stack; its own name
        by default.
    blur : float
        Blur between the two in low-res pixels, where it is known; a conditioned model is told.
    line : (float, float)
        Slope and offset of the straight line from intensities of the truth to those of the low-res image.
    """

    name: str
    domain: str
    low: Array
    truth: Array
    scale: int
    black: float = 0.0
    span: float = 255.0
    fitted: bool = False
    original: str = ""
    blur: float = 0.0
    line: tuple[float, float] = (1.0, 0.0)

    @classmethod
    def of_truth(cls, plane: Array) -> Pair:
        """Return what low-res images are to be made from, a plane in unit intensity."""
        return cls("", "", plane, plane, 1, span=1.0)

    def part(self, rows: slice, columns: slice) -> Pair:
        """Cut out a part.

        Parameters
        ----------
        rows, columns : slice
            Of the truth, in high-res pixels; start and stop are multiples of `scale`.
        """
        small = (slice(each.start // self.scale, each.stop // self.scale) for each in (rows, columns))
        return replace(self, low=self.low[tuple(small)], truth=self.truth[rows, columns])

    def units(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the low-res image and the truth as a network learns from them, in unit intensity."""
        scaling = IntensityScaling(offset=self.black, gain=self.span)
        slope, offset = self.line
        return scaling.to_unit(self.low), scaling.to_unit(slope * self.truth.astype(np.float64) + offset)

    def unit(self, image: Array) -> Float64Array:
        """Return an image in parts of the intensity range.

        Parameters
        ----------
        image : array
            In the intensities of the truth.
        """
        return (np.asarray(image, np.float64) - self.black) / self.span

    def luma(self, image: Array) -> Float64Array:
        """Return what the network sees of an image, in parts of the intensity range.

        Parameters
        ----------
        image : array of shape (Y, X) or (Y, X, S)
            In the intensities of the truth.

        Returns
        -------
        float64 array of shape (Y, X)
        """
        unit = self.unit(image)
        return luma(unit) if unit.ndim == 3 else unit

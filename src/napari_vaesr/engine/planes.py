"""One plane: its pixels as the network wants them, and the network's answer as the user wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from napari_vaesr.engine.conditions import Conditions
from napari_vaesr.engine.result import Array, FloatArray, result_dtype, uncertainty_map
from napari_vaesr.engine.settings import UncertaintyKind
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes, SourceArray
from napari_vaesr.imaging.colour import luma_chroma_to_rgb, premultiplied, rgb_to_luma_chroma, straight
from napari_vaesr.imaging.intensity import IntensityScaling, check_finite
from napari_vaesr.imaging.region import Factors, Region
from napari_vaesr.imaging.tiling import Tile, plan_tiles, read_padded, reflect_indices
from napari_vaesr.vae.resize import REACH, upsample_bicubic
from napari_vaesr.zoo.card import Calibration

LARGEST_HELD = 2**26
"""Pixels of a region that is read once and held; a larger one is read tile by tile."""

UNCHANGED = Calibration()
AS_IT_IS = IntensityScaling(offset=0, gain=1)


@dataclass(frozen=True)
class Piece:
    """A finished part of one plane, in the source's intensities.

    Attributes
    ----------
    region : Region
        Where it is, low-res pixels.
    mean : ndarray of shape (scale * rows, scale * columns) or with S behind
        In the dtype of the result.
    std : ndarray of shape (scale * rows, scale * columns) or None
        Calibrated, float32; None for a single sample.
    uncertainty : ndarray of the same shape or None
        The same, or the kind asked for; an interval has its two bounds along a first axis.
    samples : ndarray of the mean's shape behind one axis of samples, or None
        In the dtype of the result, where they were kept.
    """

    region: Region
    mean: Array
    std: FloatArray | None
    uncertainty: FloatArray | None
    samples: Array | None = None

    def inside(self, region: Region, factors: Factors) -> dict[str, slice]:
        """Return by axis letter where the piece lies in the upscaled region."""
        return self.region.enlarged(factors).within(region.enlarged(factors))


class SourcePlane:
    """A plane of an image, read in source intensities and shown to the network as unit intensities.

    Grey planes go through the network as they are. Of colours the luma does; chroma and alpha are enlarged by
    bicubic interpolation. Colours are weighted by their alpha meanwhile, and so is the uncertainty.

    Parameters
    ----------
    array : NumPy, Dask or Zarr array
        The whole image.
    axes : Axes
        Its axes.
    number : int
        Which plane, counted as in `Axes`.
    scaling : IntensityScaling
        From source to unit intensities.
    calibration : Calibration
        From the spread of the samples to an expected error; left out, the spread stays as it is.
    conditions : Conditions
        What a conditioned network is told of it; left out, there is neither noise nor blur.
    """

    def __init__(
        self,
        array: SourceArray,
        axes: Axes,
        number: int,
        scaling: IntensityScaling,
        calibration: Calibration = UNCHANGED,
        conditions: Conditions = (0.0, 0.0, 0.0),
    ) -> None:
        self.number, self.conditions = number, conditions
        self.height, self.width = axes.height, axes.width
        self._array, self._axes, self._scaling, self._calibration = array, axes, scaling, calibration
        self._held: Array | None = None
        self._corner = (0, 0)

    def hold(self, tiles: Sequence[Tile]) -> None:
        """Read once what these tiles need, so that they don't read it piece by piece."""
        rows = _box([tile.padded_rows for tile in tiles], self.height)
        columns = _box([tile.padded_columns for tile in tiles], self.width)
        if len(rows) * len(columns) <= LARGEST_HELD:
            self._held = self._fetch(_slice(rows), _slice(columns))
            self._corner = (rows.start, columns.start)

    def luma(self, rows: slice, columns: slice) -> FloatArray:
        """Read what the network sees: unit intensities of shape (Y, X)."""
        pixels = self._read(rows, columns)
        if not self._axes.is_rgb:
            return self._scaling.to_unit(pixels)
        return rgb_to_luma_chroma(self._scaling.to_unit(pixels[..., :3]))[0]

    def finish(
        self,
        tile: Tile,
        scale: int,
        mean: FloatArray,
        std: FloatArray | None,
        kind: UncertaintyKind,
        samples: FloatArray | None = None,
    ) -> Piece:
        """Calibrate a tile's core and bring it back from unit intensities to the source's, samples too.

        Raises
        ------
        VaesrError
            When a number of the result is not finite.
        """
        with np.errstate(all="ignore"):  # what the caller has set is about his numbers; ours are looked at
            piece = self._in_source(tile, scale, mean, std, kind, samples)
        for numbers in (piece.mean, piece.std, piece.uncertainty, piece.samples):
            if numbers is not None and not np.isfinite(numbers).all():
                raise VaesrError(
                    "The result holds numbers beyond float32, please choose a lower temperature, another "
                    "uncertainty or a model whose calibration is sound."
                )
        return piece

    def _in_source(
        self,
        tile: Tile,
        scale: int,
        mean: FloatArray,
        std: FloatArray | None,
        kind: UncertaintyKind,
        samples: FloatArray | None,
    ) -> Piece:
        scaling, dtype = self._scaling, result_dtype(self._array.dtype)
        spread = shown = None
        if std is not None:
            expected = self._calibration.apply(std)
            spread = scaling.std_from_unit(expected)
            shown = spread
            if samples is not None:
                samples = spread_out(samples, mean, std, expected)
            if kind != "std":
                centre, reach = scaling.from_unit(mean, np.float32), self._calibration.interval
                shown = uncertainty_map(kind, centre, spread, scaling.gain, reach)
        others = self._enlarge_chroma(tile, scale) if self._axes.is_rgb else None

        def in_source(luma: FloatArray) -> Array:
            if others is None:
                return scaling.from_unit(luma, dtype)
            colours = luma_chroma_to_rgb(luma, others[..., :2])
            if others.shape[-1] == 2:
                return scaling.from_unit(colours, dtype)
            weighted = scaling.from_unit(np.concatenate([colours, others[..., 2:]], axis=-1), np.float64)
            return AS_IT_IS.from_unit(straight(weighted, np.dtype(self._array.dtype)), dtype)

        drawn = None if samples is None else np.stack([in_source(sample) for sample in samples])
        where = self._axes.region(self.number, tile.rows, tile.columns)
        return Piece(where, in_source(mean), spread, shown, drawn)

    def _enlarge_chroma(self, tile: Tile, scale: int) -> FloatArray:
        """Bicubic chroma and alpha of a tile's core, shape (Y, X, 2 or 3)."""
        (core,) = plan_tiles(tile.rows, tile.columns, max(len(tile.rows), len(tile.columns)), REACH, 1)
        pixels = self._scaling.to_unit(read_padded(self._read, core, self.height, self.width))
        others = np.concatenate([rgb_to_luma_chroma(pixels[..., :3])[1], pixels[..., 3:]], axis=-1)
        enlarged = upsample_bicubic(torch.from_numpy(others).movedim(-1, 0)[None], scale)[0].movedim(0, -1)
        part: FloatArray = enlarged.numpy()[core.core_slices(scale)]
        return part

    def _read(self, rows: slice, columns: slice) -> Array:
        if self._held is None:
            return self._fetch(rows, columns)
        top, left = self._corner
        height, width = self._held.shape[:2]
        if not (top <= rows.start and rows.stop <= top + height) or not (
            left <= columns.start and columns.stop <= left + width
        ):
            # Tiles that were halved when memory ran out may reach a little further than those before.
            return self._fetch(rows, columns)
        return self._held[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]

    def _fetch(self, rows: slice, columns: slice) -> Array:
        pixels = self._axes.read_plane(self._array, self.number, rows, columns)
        check_finite(pixels)
        return premultiplied(pixels) if self._axes.is_rgb else pixels


def spread_out(samples: FloatArray, mean: FloatArray, std: FloatArray, expected: FloatArray) -> FloatArray:
    """Bring samples nearer to the mean or farther from it, so that they differ as much as is expected.

    Parameters
    ----------
    samples : float32 array of shape (samples, Y, X)
        As the model drew them.
    mean, std, expected : float32 array of shape (Y, X)
        Their mean, their standard deviation and the calibrated one. Where they do not differ they stay.
    """
    times = np.divide(expected, std, out=np.ones_like(std), where=std > 0)
    calibrated: FloatArray = (mean + (samples - mean) * times).astype(np.float32)
    return calibrated


def _box(extents: Sequence[range], size: int) -> range:
    """Return the pixels of an axis that all these ranges need, after reflection at the border."""
    reach = range(min(extent.start for extent in extents), max(extent.stop for extent in extents))
    needed = reflect_indices(reach, size)
    return range(int(needed.min()), int(needed.max()) + 1)


def _slice(extent: range) -> slice:
    return slice(extent.start, extent.stop)

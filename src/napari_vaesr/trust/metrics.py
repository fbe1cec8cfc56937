"""How close an upscaled image is to the truth.

Images are arrays with the axes YX, or YXS for colour. `data_range` is the distance between black and white:
1 for unit intensity, 255 for 8 bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from napari_vaesr.arrays import Array, Float64Array
from napari_vaesr.errors import VaesrError, needing
from napari_vaesr.imaging.intensity import straight_line

SMALLEST_MULTISCALE = 176
"""Side of the smallest image that a window of 11 pixels fits after four halvings (176 // 16 = 11)."""


@dataclass(frozen=True)
class Scores:
    """Peak signal-to-noise ratio in dB and structural similarity, 1 at best."""

    psnr: float
    ssim: float


def psnr(estimate: Array, truth: Array, *, data_range: float = 1.0, border: int = 0) -> float:
    """Return the peak signal-to-noise ratio.

    Parameters
    ----------
    estimate, truth : array
        Of one shape, (Y, X) or (Y, X, S).
    data_range : float
        Distance between black and white.
    border : int
        Pixels to leave out on every side.

    Returns
    -------
    float
        ``10 log10(data_range² / mean squared error)`` in dB; infinite for equal images.

    Raises
    ------
    VaesrError
        When the shapes differ, a value is not finite or the border leaves nothing.
    """
    estimate, truth = _comparable(estimate, truth, border)
    if not 0 < data_range < math.inf:
        raise VaesrError(f"The data range is {data_range}, please give the distance between black and white.")
    error = float(np.mean((estimate - truth) ** 2))
    return 10 * math.log10(data_range**2 / error) if error else math.inf


def ssim(estimate: Array, truth: Array, *, data_range: float = 1.0, border: int = 0) -> float:
    """Return the structural similarity index (Wang et al., 2004), as its authors compute it.

    A Gaussian window of 11 x 11 pixels (sigma 1.5), averaged where the whole window lies in the image.

    Parameters and errors are those of `psnr`; at least 11 x 11 pixels have to be inside the border. Equal
    images have 1.
    """
    from skimage.metrics import structural_similarity

    estimate, truth = _comparable(estimate, truth, border)
    if min(truth.shape[:2]) < 11:
        raise VaesrError(f"SSIM needs 11 x 11 pixels, use a larger image than one of {truth.shape[:2]}.")
    value: float = structural_similarity(  # type: ignore[no-untyped-call]
        estimate,
        truth,
        data_range=data_range,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1 if truth.ndim == 3 else None,
    )
    return float(value)


def multiscale_ssim(estimate: Array, truth: Array, *, data_range: float = 1.0, border: int = 0) -> float:
    """Return the multi-scale structural similarity (Wang et al., 2003), over five scales.

    Computed by torchmetrics, which comes with ``pip install "napari-vaesr[evaluate]"``.

    Parameters and errors are those of `psnr`; images are grey, with at least 176 x 176 pixels inside the
    border. Equal images have 1.
    """
    estimate, truth = _comparable(estimate, truth, border)
    if min(truth.shape) < SMALLEST_MULTISCALE:
        raise VaesrError(
            f"MS-SSIM needs {SMALLEST_MULTISCALE} pixels a side, which is more than {truth.shape}."
        )
    with needing("evaluate", "MS-SSIM needs"):
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as measure
    import torch

    # Float32 is exact enough for a score, and many times faster here.
    pair = (np.ascontiguousarray(image, np.float32) for image in (estimate, truth))
    first, second = (torch.from_numpy(image)[None, None] for image in pair)
    return float(measure(first, second, data_range=data_range, normalize="relu"))


def studio_luma(colour: Array) -> Float64Array:
    """Return the luma by which super-resolution benchmarks compare colour images.

    It is Y of YCbCr after ITU-R BT.601 with head room: black is 16 and white is 235.

    Parameters
    ----------
    colour : array
        (Y, X, 3), red, green and blue from 0 to 255. A grey image counts as three equal channels.

    Returns
    -------
    array
        (Y, X), float64, not rounded.
    """
    colour = np.asarray(colour, np.float64)
    return 16 + colour @ (np.array([65.481, 128.553, 24.966]) / 255)


def benchmark_scores(estimate: Array, truth: Array, scale: int) -> Scores:
    """Return PSNR and SSIM by the protocol of the super-resolution benchmarks.

    On the luma, rounded to 8 bits per channel before, with `scale` pixels left out at every border.

    Parameters
    ----------
    estimate, truth : array
        (Y, X, 3) or (Y, X), from 0 to 255. Grey images are taken as colour ones, as in the published tables.
    scale : int
        The factor of the upscaling.

    Returns
    -------
    Scores
        As in published tables.

    Raises
    ------
    VaesrError
        When the shapes differ, a value is not finite or the image is too small.
    """
    lumas = []
    for image in (estimate, truth):
        rounded = np.clip(np.round(np.asarray(image, np.float64)), 0, 255)
        lumas.append(studio_luma(rounded if rounded.ndim == 3 else np.stack([rounded] * 3, axis=-1)))
    return Scores(
        psnr=psnr(*lumas, data_range=255, border=scale), ssim=ssim(*lumas, data_range=255, border=scale)
    )


def affine_fit(estimate: Array, truth: Array) -> Float64Array:
    """Return gain * estimate + offset, as near to the truth as possible in the sense of least squares.

    Parameters
    ----------
    estimate, truth : array
        Of one shape.

    Returns
    -------
    array
        The fitted estimate, float64; a constant one becomes the mean of the truth.

    Raises
    ------
    VaesrError
        When the shapes differ or a value is not finite.
    """
    gain, offset = affine_coefficients(estimate, truth)
    fitted: Float64Array = gain * np.asarray(estimate, np.float64) + offset
    return fitted


def affine_coefficients(estimate: Array, truth: Array) -> tuple[float, float]:
    """Return the gain and offset of `affine_fit`; see there.

    Returns
    -------
    gain, offset : float
        The gain is 0 for a constant estimate.
    """
    estimate, truth = _comparable(estimate, truth)
    return straight_line(estimate, truth)


def affine_psnr(estimate: Array, truth: Array, *, data_range: float = 1.0, border: int = 0) -> float:
    """Return the PSNR after the best linear change of intensity, in dB; see `affine_fit`.

    Microscopes that recorded the same sample differ in gain and offset, which says nothing of detail.

    Parameters
    ----------
    estimate, truth : array
        Of one shape, (Y, X) or (Y, X, S).
    data_range : float
        Distance between black and white.
    border : int
        Pixels to leave out on every side.

    Raises
    ------
    VaesrError
        As `psnr`.
    """
    estimate, truth = _comparable(estimate, truth, border)
    return psnr(affine_fit(estimate, truth), truth, data_range=data_range)


def affine_nrmse(estimate: Array, truth: Array, *, border: int = 0) -> float:
    """Return the root mean squared error after `affine_fit`, as a fraction of the range of the truth.

    Parameters
    ----------
    estimate, truth : array
        Of one shape.
    border : int
        Pixels to leave out on every side.

    Returns
    -------
    float
        0 at best; 0 for a constant truth, which every estimate can be fitted to.

    Raises
    ------
    VaesrError
        When the shapes differ, a value is not finite or the border leaves nothing.
    """
    from skimage.metrics import normalized_root_mse

    estimate, truth = _comparable(estimate, truth, border)
    if np.ptp(truth) == 0:
        return 0.0
    return float(normalized_root_mse(truth, affine_fit(estimate, truth), normalization="min-max"))


def _comparable(estimate: Array, truth: Array, border: int = 0) -> tuple[Float64Array, Float64Array]:
    """Return both images in float64 without their border, or refuse them."""
    estimate, truth = np.asarray(estimate, np.float64), np.asarray(truth, np.float64)
    if estimate.shape != truth.shape:
        raise VaesrError(f"Images of shape {estimate.shape} and {truth.shape} can't be compared, crop one.")
    if border:
        inside = slice(border, -border)
        estimate, truth = estimate[inside, inside], truth[inside, inside]
    if not truth.size:
        raise VaesrError(f"Nothing is left to compare without a border of {border}, use a larger image.")
    if not (np.isfinite(estimate).all() and np.isfinite(truth).all()):
        raise VaesrError("Images with NaN or infinite values can't be compared, replace those values first.")
    return estimate, truth

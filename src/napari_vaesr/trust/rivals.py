"""What a model has to be better than: enlarging without any learning.

All of them take (Y, X) or (Y, X, 3) and return float32 with `scale` times as many pixels, centres aligned.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from napari_vaesr.arrays import Array, Float32Array
from napari_vaesr.imaging.colour import luma_chroma_to_rgb, rgb_to_luma_chroma

RICHARDSON_LUCY_STEPS = 10
RICHARDSON_LUCY_BLUR = 0.4
"""Standard deviation of the assumed blur in low-res pixels; the best of 0.2 to 0.5 on Set5 at every scale."""

SMOOTHING = 1.0
"""Standard deviation in low-res pixels of the Gaussian that comes before bicubic interpolation."""


def bicubic(low: Array, scale: int) -> Float32Array:
    """Interpolate by Keys' cubic convolution.

    Parameters
    ----------
    low : array of shape (Y, X) or (Y, X, S)
        In any unit.
    scale : int
        How many times larger.

    Returns
    -------
    float32 array of shape (scale * Y, scale * X) or (scale * Y, scale * X, S)
        In the unit of `low`.
    """
    import torch

    from napari_vaesr.vae.resize import upsample_bicubic

    planes = torch.from_numpy(np.atleast_3d(low).astype(np.float32)).movedim(-1, 0)[None]
    enlarged: Float32Array = upsample_bicubic(planes, scale)[0].movedim(0, -1).numpy()
    return enlarged if low.ndim == 3 else enlarged[..., 0]


def lanczos(low: Array, scale: int) -> Float32Array:
    """Interpolate by a sinc windowed over three lobes, as Pillow does; see `bicubic`."""
    from PIL import Image

    height, width = low.shape[:2]
    planes = np.moveaxis(np.atleast_3d(low).astype(np.float32), -1, 0)
    size = (width * scale, height * scale)
    enlarged = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, Image.Resampling.LANCZOS))
        for plane in planes
    ]
    return np.stack(enlarged, axis=-1) if low.ndim == 3 else enlarged[0]


def richardson_lucy(low: Array, scale: int) -> Float32Array:
    """Interpolate by bicubic and deconvolve the luma by a Gaussian (Richardson, 1972; Lucy, 1974).

    Parameters and result are those of `bicubic`.
    """
    from skimage import restoration

    enlarged = bicubic(low, scale)
    luma, chroma = rgb_to_luma_chroma(enlarged) if low.ndim == 3 else (enlarged, None)
    # It knows no negative intensities, and takes what is beyond the border for black.
    black, span = float(luma.min()), float(np.ptp(luma)) or 1.0
    margin = 8 * scale
    unit = np.pad((luma - black) / span + 1e-3, margin, mode="symmetric")
    sharp = restoration.richardson_lucy(  # type: ignore[no-untyped-call]
        unit, _gaussian(RICHARDSON_LUCY_BLUR * scale), num_iter=RICHARDSON_LUCY_STEPS, clip=False
    )[margin:-margin, margin:-margin]
    luma = ((sharp - 1e-3) * span + black).astype(np.float32)
    return luma if chroma is None else luma_chroma_to_rgb(luma, chroma)


def smoothed_bicubic(low: Array, scale: int) -> Float32Array:
    """Smooth by a Gaussian against noise, then interpolate; see `bicubic`."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(low.astype(np.float32), SMOOTHING, mode="mirror", axes=(0, 1))
    return bicubic(smooth, scale)


RIVALS: dict[str, Callable[[Array, int], Float32Array]] = {
    "bicubic": bicubic,
    "Lanczos": lanczos,
    "Richardson-Lucy": richardson_lucy,
    "Gaussian + bicubic": smoothed_bicubic,
}
"""By the name they have in tables."""


def gradient_magnitude(image: Array) -> npt.NDArray[np.float64]:
    """Return how steep an image is at every pixel: the uncertainty that costs nothing.

    Parameters
    ----------
    image : array of shape (Y, X)
        In any unit, which is that of the result per pixel.
    """
    magnitude: npt.NDArray[np.float64] = np.hypot(*np.gradient(np.asarray(image, np.float64)))
    return magnitude


def _gaussian(deviation: float) -> Float32Array:
    """Return a normalised Gaussian kernel, cut off at three standard deviations."""
    reach = max(1, int(np.ceil(3 * deviation)))
    line = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel: Float32Array = (np.outer(line, line) / line.sum() ** 2).astype(np.float32)
    return kernel

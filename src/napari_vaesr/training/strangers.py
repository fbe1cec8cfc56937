"""Images that a model should not be used on, made of its own training inputs or of nothing."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from napari_vaesr.arrays import Array
from napari_vaesr.trust.rivals import bicubic, richardson_lucy

LOOKS = "looks.npz"
"""How photographs and micrographs look, of the images that the bundled models learnt from: numbers alone."""


@cache
def looks(subject: Literal["microscopy", "photographs"]) -> npt.NDArray[np.float64]:
    """Return the bundled looks of micrographs or photographs, (N, features)."""
    content = io.BytesIO((files("napari_vaesr.training") / LOOKS).read_bytes())
    with np.load(content, allow_pickle=False) as stored:
        found: npt.NDArray[np.float64] = stored[subject].astype(np.float64)
    return found


def processed(image: Array, generator: np.random.Generator, ways: int) -> list[Array]:
    """Process a plane in some of the ways in which users do, at random strengths.

    Parameters
    ----------
    image : array of shape (Y, X)
        In any unit.
    generator : numpy.random.Generator
        Draws ways and strengths.
    ways : int
        How many of the six ways.

    Returns
    -------
    list of array
        One for each way; some are larger than the image.
    """
    pixels = image.astype(np.float32)
    factor = int(generator.choice([2, 3, 4]))
    choice: list[Callable[[], Array]] = [
        lambda: sharpened(pixels, generator.uniform(1, 5), generator.uniform(0.6, 1.6)),
        lambda: deconvolved(image, generator.uniform(0.8, 1.6), int(generator.integers(10, 45))),
        lambda: jpeg(image, int(generator.integers(8, 35))),
        lambda: mask(image),
        lambda: ndimage.zoom(
            pixels, generator.choice([1.5, 2, 2, 3, 4]), order=int(generator.choice([1, 3])), mode="mirror"
        ),
        lambda: (richardson_lucy if generator.random() < 0.5 else bicubic)(image, factor),
    ]
    return [choice[way]() for way in generator.permutation(len(choice))[:ways]]


def alone(count: int, generator: np.random.Generator) -> list[Array]:
    """Draw text, lines, and noise without an image, so many of each."""
    made: list[Array] = []
    for _ in range(count):
        side = int(generator.integers(48, 257))
        made += [text(generator), drawing(generator)]
        made.append(generator.normal(128, generator.uniform(5, 50), (side, side)))
        made.append(generator.poisson(generator.uniform(0.5, 60), (side, side)).astype(float))
    return made


def sharpened(image: Array, amount: float = 3.0, width: float = 1.0) -> Array:
    """Add what differs from a Gaussian blur, the mask being unsharp.

    Parameters
    ----------
    image : array of shape (Y, X)
        In any unit.
    amount : float
        How many times the difference is added.
    width : float
        Standard deviation of the Gaussian in pixels.
    """
    pixels = image.astype(np.float32)
    sharp: Array = pixels + np.float32(amount) * (pixels - ndimage.gaussian_filter(pixels, width))
    return sharp


def deconvolved(image: Array, width: float = 1.2, steps: int = 30) -> Array:
    """Deconvolve by a Gaussian as if it had been there (Richardson, 1972; Lucy, 1974).

    Parameters
    ----------
    image : array of shape (Y, X)
        In any unit.
    width : float
        Standard deviation of the Gaussian in pixels.
    steps : int
        How often the image is made sharper.
    """
    from skimage.restoration import richardson_lucy as deconvolve

    line = np.exp(-0.5 * np.arange(-4, 5) ** 2 / width**2)
    sharp: Array = deconvolve(  # type: ignore[no-untyped-call]
        _as_uint8(image) / 255 + 1e-3, np.outer(line, line) / line.sum() ** 2, num_iter=steps
    )
    return sharp


def jpeg(image: Array, quality: int = 20) -> Array:
    """Compress and read again.

    Parameters
    ----------
    image : array of shape (Y, X)
        In any unit.
    quality : int
        Of the JPEG, 1 to 95.

    Returns
    -------
    uint8 array of shape (Y, X)
    """
    buffer = io.BytesIO()
    Image.fromarray(_as_uint8(image)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def mask(image: Array) -> Array:
    """Divide into background and foreground (Otsu, 1979)."""
    from skimage.filters import threshold_otsu

    smooth = ndimage.gaussian_filter(image.astype(np.float32), 1)
    level = float(threshold_otsu(smooth))  # type: ignore[no-untyped-call]
    return np.where(smooth > level, 255, 0).astype(np.uint8)


def text(generator: np.random.Generator) -> Array:
    """Write lines of letters, black on white."""
    picture = Image.new("L", (192, 192), 255)
    draw = ImageDraw.Draw(picture)
    for line in range(2, 192, 14):
        words = "".join(generator.choice(list("abcdefghijklmnopqrstuvwxyz    "), 34))
        draw.text((3, line), words, fill=0)
    return np.asarray(picture)


def drawing(generator: np.random.Generator) -> Array:
    """Draw lines and circles, black on white."""
    picture = Image.new("L", (192, 192), 255)
    draw = ImageDraw.Draw(picture)
    for _ in range(14):
        corners = generator.integers(0, 192, 4).tolist()
        draw.line(corners, fill=0, width=int(generator.integers(1, 4)))
        x, y, r = generator.integers(10, 180, 3).tolist()
        draw.ellipse((x, y, x + r // 3, y + r // 3), outline=0)
    return np.asarray(picture)


def _as_uint8(image: Array) -> npt.NDArray[np.uint8]:
    low, high = np.percentile(image, (0.1, 99.9))
    grey: npt.NDArray[np.uint8] = np.clip(255 * (image - low) / max(high - low, 1e-6), 0, 255).astype(
        np.uint8
    )
    return grey

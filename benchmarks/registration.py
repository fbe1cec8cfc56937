"""Measure how far real pairs are shifted against each other, and what undoing that changes.

    python benchmarks/registration.py LOW HIGH --every 5

The low-res image, enlarged by bicubic interpolation, is registered to the smoothed high-res one by phase
correlation, to a twentieth of a pixel.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, shift
from skimage.registration import phase_cross_correlation

from napari_vaesr.pairs.sources import find_pairs, real_pairs
from napari_vaesr.trust.metrics import affine_psnr
from napari_vaesr.trust.rivals import bicubic

BORDER = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("low", type=Path)
    parser.add_argument("high", type=Path)
    parser.add_argument("--every", type=int, default=1, help="look at one pair in so many")
    options = parser.parse_args()
    for source in find_pairs(options.low, options.high)[:: options.every]:
        for pair in real_pairs(source, (2, 3, 4)):
            truth = pair.truth.astype(np.float64)
            enlarged = bicubic(pair.low, pair.scale).astype(np.float64)
            window = np.outer(*(np.hanning(size) for size in truth.shape))
            smooth = gaussian_filter(truth, 1.5)
            moved, *_ = phase_cross_correlation(
                (smooth - smooth.mean()) * window,
                (enlarged - enlarged.mean()) * window,
                upsample_factor=20,
                normalization=None,
            )
            aligned = shift(enlarged, moved, order=3, mode="nearest")
            before, after = (
                affine_psnr(image / pair.span, truth / pair.span, border=BORDER)
                for image in (enlarged, aligned)
            )
            rows, columns = moved
            print(
                f"{pair.name}: shifted by {rows:+.2f}, {columns:+.2f} high-res pixels; "
                f"bicubic after affine fit {before:.2f} dB, aligned {after:.2f} dB"
            )


if __name__ == "__main__":
    main()

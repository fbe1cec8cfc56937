"""Print PSNR and SSIM of a model on folders of high-res images, beside bicubic interpolation.

    python benchmarks/quality.py photo path/to/set5/HR path/to/set14/HR --scales 2 3 4

The protocol is that of the super-resolution tables: images cropped to a multiple of the scale, reduced by
antialiased bicubic interpolation and rounded to 8 bits, luma compared without a border of `scale` pixels.
Everything runs through ``napari_vaesr.upscale``, so it is the engine's default that is measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from skimage.io import imread

from napari_vaesr import load_model, upscale
from napari_vaesr.trust.calibration import coverage, rank_correlation
from napari_vaesr.trust.consistency import low_res_psnr
from napari_vaesr.trust.metrics import benchmark_scores, luma
from napari_vaesr.vae.resize import downsample_bicubic, upsample_bicubic

Image = NDArray[np.uint8]


def resized(image: Image, scale: int, enlarge: bool) -> Image:
    """Resize an 8-bit image (Y, X) or (Y, X, C) and round it to 8 bits again."""
    channels = torch.from_numpy(np.atleast_3d(image).astype(np.float32)).movedim(-1, 0)[None]
    result = (upsample_bicubic if enlarge else downsample_bicubic)(channels, scale)
    rounded = result[0].movedim(0, -1).round().clamp(0, 255).to(torch.uint8).numpy()
    return rounded if image.ndim == 3 else rounded[..., 0]


def images(folder: Path) -> Iterator[Image]:
    """Yield the folder's 8-bit images, colour without alpha."""
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in {".png", ".jpg", ".tif", ".bmp"}):
        image = imread(path)
        yield image[..., :3] if image.ndim == 3 else image


def measure(model: str, folder: Path, scale: int, samples: int) -> dict[str, float]:
    """Average the scores of all images of a folder."""
    scores: dict[str, list[float]] = {}
    deviations, errors = [], []
    for image in images(folder):
        height, width = (size // scale * scale for size in image.shape[:2])
        truth = image[:height, :width]
        low = resized(truth, scale, enlarge=False)
        axes = "YXS" if low.ndim == 3 else "YX"
        result = upscale(low, axes, model=model, scale=scale, samples=samples)
        one = upscale(low, axes, model=model, scale=scale, samples=1).mean
        estimates = {"bicubic": resized(low, scale, enlarge=True), "mean": result.mean, "one": one}
        for name, estimate in estimates.items():
            score = benchmark_scores(estimate, truth, scale)
            scores.setdefault(f"PSNR {name}", []).append(score.psnr)
            scores.setdefault(f"SSIM {name}", []).append(score.ssim)
        scores.setdefault("LR-PSNR mean", []).append(consistency(result.mean, low, scale))
        scores.setdefault("LR-PSNR one", []).append(consistency(one, low, scale))
        deviations.append(result.std.ravel())
        errors.append((grey(result.mean) - grey(truth)).ravel())
    if not deviations:
        raise SystemExit(f"{folder} holds no image")
    deviation, error = np.concatenate(deviations), np.concatenate(errors)
    averages = {name: float(np.mean(values)) for name, values in scores.items()}
    averages["coverage of 90 %"] = coverage(deviation, error, 0.9)
    averages["Spearman"] = rank_correlation(deviation, error)
    return averages


def grey(image: Image) -> NDArray[np.float64]:
    """Full-range luma, as the network sees it."""
    weights = np.array([0.299, 0.587, 0.114])
    return image.astype(np.float64) @ weights if image.ndim == 3 else image.astype(np.float64)


def consistency(estimate: Image, low: Image, scale: int) -> float:
    """PSNR between the reduced luma of the estimate and the luma of the input."""
    return low_res_psnr(luma(estimate) / 255, luma(low) / 255, scale)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--scales", nargs="+", type=int)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    options = parser.parse_args()
    scales = options.scales or load_model(options.model).card.scales
    rows = {
        (str(folder), scale): measure(options.model, folder, scale, options.samples)
        for folder in options.folders
        for scale in scales
    }
    table = Table("images", "scale", *next(iter(rows.values())))
    for (folder, scale), row in rows.items():
        name = "/".join(Path(folder).parts[-2:])
        table.add_row(
            name,
            f"x{scale}",
            *(f"{value:.4f}" if abs(value) < 2 else f"{value:.2f}" for value in row.values()),
        )
    Console(width=200).print(table)
    if options.json:
        options.json.write_text(
            json.dumps([{"images": f, "scale": s, **row} for (f, s), row in rows.items()], indent=2)
        )


if __name__ == "__main__":
    main()

"""Is an image unlike what a model learnt told from those that are like it?

    python benchmarks/familiarity.py DATA
    python benchmarks/familiarity.py DATA --write microscopy tiny

A classifier learns from images of DATA/train, made small as in a training, and from what becomes of them when
they are processed, beside photographs of train/photo, text, drawings and noise. Printed are the AUROC of
telling images of DATA/val, made small clean and noisy, from photographs of the benchmark sets, text, line
drawings, noise, sharpened and deconvolved images, JPEG of quality 20, masks and upscaled images; and how many
of DATA/val raise an alarm.
With --write the statistics go onto the cards of these models, bundled ones or paths of cards.
"""

from __future__ import annotations

import argparse
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from rich import box
from rich.console import Console
from rich.table import Table
from scipy import ndimage
from scipy.stats import mannwhitneyu

from napari_vaesr.files.atomic import atomic_path
from napari_vaesr.pairs.images import grey, read_planes
from napari_vaesr.pairs.sources import find_sources, made_pairs
from napari_vaesr.trust.familiar import fit, strangeness
from napari_vaesr.trust.rivals import bicubic, richardson_lucy
from napari_vaesr.zoo.card import read_card
from napari_vaesr.zoo.registry import card_path

Array = npt.NDArray[Any]

BENCHMARKS = ("bsd100", "set14", "set5")
DOMAINS = ("em", "fluorescence", "phase", "stained")


def small_images(folder: Path, limit: int | None, scales: tuple[int, ...]) -> Iterator[tuple[str, Array]]:
    """Yield images made small, with the name of their kind."""
    for source in find_sources([folder], limit):
        for kind in ("clean", "noisy"):
            scale = scales[zlib.crc32(f"{source.path.name}{kind}".encode()) % len(scales)]
            pair = next(iter(made_pairs(source, scale, kind)))
            yield f"{folder.name} {kind}", grey(pair.low)


def as_uint8(image: Array) -> Array:
    low, high = np.percentile(image, (0.1, 99.9))
    return np.clip(255 * (image - low) / max(high - low, 1e-6), 0, 255).astype(np.uint8)


def jpeg(image: Array, quality: int = 20) -> Array:
    buffer = io.BytesIO()
    Image.fromarray(as_uint8(image)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def sharpened(image: Array) -> Array:
    pixels = image.astype(np.float32)
    return pixels + 3 * (pixels - ndimage.gaussian_filter(pixels, 1.0))


def deconvolved(image: Array, width: float = 1.2, steps: int = 30) -> Array:
    from skimage.restoration import richardson_lucy as deconvolve

    unit = as_uint8(image) / 255 + 1e-3
    line = np.exp(-0.5 * np.arange(-4, 5) ** 2 / width**2)
    return deconvolve(unit, np.outer(line, line) / line.sum() ** 2, num_iter=steps)


def mask(image: Array) -> Array:
    from skimage.filters import threshold_otsu

    smooth = ndimage.gaussian_filter(image.astype(np.float32), 1)
    return (255 * (smooth > threshold_otsu(smooth))).astype(np.uint8)


def text(generator: np.random.Generator) -> Array:
    picture = Image.new("L", (192, 192), 255)
    draw = ImageDraw.Draw(picture)
    for line in range(2, 192, 14):
        words = "".join(generator.choice(list("abcdefghijklmnopqrstuvwxyz    "), 34))
        draw.text((3, line), words, fill=0)
    return np.asarray(picture)


def drawing(generator: np.random.Generator) -> Array:
    picture = Image.new("L", (192, 192), 255)
    draw = ImageDraw.Draw(picture)
    for _ in range(14):
        corners = generator.integers(0, 192, 4).tolist()
        draw.line(corners, fill=0, width=int(generator.integers(1, 4)))
        x, y, r = generator.integers(10, 180, 3).tolist()
        draw.ellipse((x, y, x + r // 3, y + r // 3), outline=0)
    return np.asarray(picture)


def processed(images: list[Array], generator: np.random.Generator) -> list[Array]:
    """Process training inputs in ways that users do, with other strengths than those that are tested."""
    made: list[Array] = []
    for image in images:
        pixels = image.astype(np.float32)
        amount, width = generator.uniform(1, 5), generator.uniform(0.6, 1.6)
        made.append(pixels + amount * (pixels - ndimage.gaussian_filter(pixels, width)))
        made.append(deconvolved(image, generator.uniform(0.8, 1.6), int(generator.integers(10, 45))))
        made.append(jpeg(image, int(generator.integers(8, 35))))
        made.append(mask(image))
        factor = generator.choice([1.5, 2, 2, 3, 4])
        made.append(ndimage.zoom(pixels, factor, order=int(generator.choice([1, 3])), mode="mirror"))
        enlarge = richardson_lucy if generator.random() < 0.5 else bicubic
        made.append(enlarge(image, int(generator.choice([2, 3, 4]))))
    return made


def alone(count: int, generator: np.random.Generator) -> list[Array]:
    """Draw text, lines, and noise without an image."""
    made: list[Array] = []
    for _ in range(count):
        side = int(generator.integers(48, 257))
        made += [text(generator), drawing(generator)]
        made.append(generator.normal(128, generator.uniform(5, 50), (side, side)))
        made.append(generator.poisson(generator.uniform(0.5, 60), (side, side)).astype(float))
    return made


def photographs(folders: list[Path], limit: int) -> list[Array]:
    sources = find_sources([path for path in folders if path.is_dir()], limit)
    return [grey(next(read_planes(source.path))[1]) for source in sources]


def strangers(data: Path, familiar: list[Array]) -> dict[str, list[Array]]:
    """Make what is unlike the training of a microscopy model, from images that were not learnt from."""
    generator = np.random.default_rng(0)
    shape = (160, 160)
    return {
        "photographs": photographs([data / "benchmark" / name / "HR" for name in BENCHMARKS], 40),
        "text": [text(generator) for _ in range(30)],
        "line drawings": [drawing(generator) for _ in range(30)],
        "noise": [
            *(generator.normal(128, 30, shape) for _ in range(15)),
            *(generator.poisson(5, shape).astype(float) for _ in range(15)),
        ],
        "sharpened": [sharpened(image) for image in familiar],
        "deconvolved": [deconvolved(image) for image in familiar],
        "JPEG, quality 20": [jpeg(image) for image in familiar],
        "masks": [mask(image) for image in familiar],
        "upscaled, bicubic": [bicubic(image, 2) for image in familiar],
        "upscaled, deconvolved": [richardson_lucy(image, 2) for image in familiar],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--domains", nargs="+", default=list(DOMAINS))
    parser.add_argument("--limit", type=int, default=110, help="training images of each domain")
    parser.add_argument("--write", metavar="MODEL", nargs="+", default=[])
    options = parser.parse_args()
    learnt = [
        image
        for domain in options.domains
        for _, image in small_images(options.data / "train" / domain, options.limit, (2, 2, 3, 4))
    ]
    generator = np.random.default_rng(1)
    others = processed(learnt, generator) + alone(60, generator)
    photos = photographs([options.data / "train" / "photo"], options.limit)
    others += photos + [image[::2, ::2] for image in photos]
    others += [image[:128, :128] for image in photos] + [image[64:192, 64:192] for image in photos]
    statistics = fit(learnt, others)
    known = [
        image
        for domain in options.domains
        for _, image in small_images(options.data / "val" / domain, None, (2,))
    ]
    usual = np.array([strangeness(image, statistics) for image in known])
    table = Table("images", "", "AUROC", "alarms", box=box.SIMPLE_HEAD)
    table.add_row("like those learnt from", str(len(known)), "", f"{100 * np.mean(usual > 0):.1f} %")
    everything: list[float] = []
    for name, images in strangers(options.data, known).items():
        strange = np.array([strangeness(image, statistics) for image in images])
        everything += strange.tolist()
        table.add_row(
            name, str(len(images)), f"{auroc(strange, usual):.3f}", f"{100 * np.mean(strange > 0):.0f} %"
        )
    table.add_row("all of these", str(len(everything)), f"{auroc(np.array(everything), usual):.3f}", "")
    console = Console(width=100)
    console.print(table)
    console.print("Wanted: AUROC of 0.95, and alarms on images like those learnt from of at most 2 %.")
    for name in options.write:
        path = card_path(name)
        card = read_card(path).model_copy(update={"inputs": statistics})
        with atomic_path(path) as temporary:
            temporary.write_text(card.to_json(), encoding="utf-8")
        console.print(str(path))


def auroc(strange: Array, usual: Array) -> float:
    return float(mannwhitneyu(strange, usual).statistic) / (strange.size * usual.size)


if __name__ == "__main__":
    main()

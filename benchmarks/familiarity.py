"""Is an image unlike what a model learnt told from those that are like it?

    python benchmarks/familiarity.py DATA
    python benchmarks/familiarity.py DATA --recipe photo
    python benchmarks/familiarity.py DATA --write microscopy tiny
    python benchmarks/familiarity.py DATA --looks

What a training writes on its card is learnt from DATA/train and DATA/stacks/train, photographs from
DATA/train/photo. Printed are the AUROC of telling images of DATA/val, made small clean and noisy, from
photographs of the benchmark sets (of a model of photographs, from micrographs of DATA/val), text, line
drawings, noise, sharpened and deconvolved images, JPEG of quality 20, masks and upscaled images; and how
many of DATA/val and DATA/stacks/val raise an alarm: whole ones, made small and as they are, and parts.
With --write the statistics go onto the cards of these models, bundled ones or paths of cards. With --looks
how photographs and micrographs look is written anew, which every training compares with.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from scipy.stats import mannwhitneyu

from napari_vaesr.arrays import Array
from napari_vaesr.files.atomic import atomic_path
from napari_vaesr.pairs.images import grey, grey_planes, read_planes
from napari_vaesr.pairs.sources import find_sources, made_pairs
from napari_vaesr.training import strangers
from napari_vaesr.training.config import RECIPES
from napari_vaesr.training.input_statistics import Seen, input_statistics, looks_of, parts
from napari_vaesr.trust.familiar import strangeness
from napari_vaesr.trust.rivals import bicubic, richardson_lucy
from napari_vaesr.zoo.card import InputStatistics, read_card
from napari_vaesr.zoo.registry import card_path

BENCHMARKS = ("bsd100", "set14", "set5")
DOMAINS = ("em", "fluorescence", "phase", "stained")
SIDES = (48, 64, 96, 128)

EVERY = 4
"""Of so many looks one is bundled: the package has to stay small."""


def folders(data: Path, recipe: str) -> list[Path]:
    """Return what a training by a recipe learns from."""
    if recipe == "photo":
        return [data / "train" / "photo"]
    return [*(data / "train" / domain for domain in DOMAINS), data / "stacks" / "train"]


def held_out(data: Path, recipe: str) -> list[Path]:
    return [data / "val" / domain for domain in (("photo",) if recipe == "photo" else DOMAINS)]


def photographs(data: Path) -> list[Path]:
    """Return folders of photographs that nothing was learnt from."""
    return [data / "benchmark" / name / "HR" for name in BENCHMARKS]


def originals(places: Sequence[Path], limit: int | None = None) -> list[Array]:
    return [grey(next(read_planes(source.path))[1]) for source in find_sources(places, limit)]


def made_small(places: Sequence[Path], kinds: Sequence[Any]) -> list[Array]:
    return [
        grey(next(iter(made_pairs(source, 2, kind))).low) for source in find_sources(places) for kind in kinds
    ]


def held_out_planes(data: Path) -> list[Array]:
    """Return ten planes of each stack that was not learnt from."""
    planes = []
    for path in sorted((data / "stacks" / "val").glob("*.tif")):
        stack = grey_planes(path)
        planes += [stack[place] for place in np.unique(np.linspace(0, len(stack) - 1, 10).astype(int))]
    return planes


def of_side(planes: Sequence[Array], side: int) -> list[Array]:
    """Cut two random parts of each plane."""
    generator = np.random.default_rng(side)
    cut = []
    for plane in planes:
        for _ in range(2):
            row, column = (int(generator.integers(max(0, size - side) + 1)) for size in plane.shape)
            cut.append(plane[row : row + side, column : column + side])
    return cut


def strange_images(data: Path, recipe: str, familiar: list[Array]) -> dict[str, list[Array]]:
    """Make what is unlike a training, from images that were not learnt from."""
    generator = np.random.default_rng(0)
    shape = (160, 160)
    if recipe == "photo":
        other = {"micrographs": made_small(held_out(data, "microscopy"), ("clean", "noisy"))}
    else:
        other = {"photographs": originals(photographs(data), 40)}
    return other | {
        "text": [strangers.text(generator) for _ in range(30)],
        "line drawings": [strangers.drawing(generator) for _ in range(30)],
        "noise": [
            *(generator.normal(128, 30, shape) for _ in range(15)),
            *(generator.poisson(5, shape).astype(float) for _ in range(15)),
        ],
        "sharpened": [strangers.sharpened(image) for image in familiar],
        "deconvolved": [strangers.deconvolved(image) for image in familiar],
        "JPEG, quality 20": [strangers.jpeg(image) for image in familiar],
        "masks": [strangers.mask(image) for image in familiar],
        "upscaled, bicubic": [bicubic(image, 2) for image in familiar],
        "upscaled, deconvolved": [richardson_lucy(image, 2) for image in familiar],
    }


def write_looks(data: Path) -> Path:
    """Write how photographs and micrographs look: whole, as halves and in parts."""
    generator = np.random.default_rng(0)
    photos = originals([data / "train" / "photo"])
    photos = [
        part for image in photos for half in (image, image[::2, ::2]) for part in parts(half, generator, 1)
    ]
    seen = Seen.of_folders(folders(data, "microscopy"), RECIPES["microscopy"])
    small = [part for plane in (*seen.inputs, *seen.others) for part in parts(plane, generator, 1)]
    path = Path(strangers.__file__).parent / strangers.LOOKS
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            photographs=looks_of(photos)[::EVERY].astype(np.float16),
            microscopy=looks_of(small)[::EVERY].astype(np.float16),
        )
    return path


def report_alarms(console: Console, data: Path, recipe: str, statistics: InputStatistics) -> None:
    """Print how many familiar images are told of, whole and in parts."""
    kinds = ("clean",) if recipe == "photo" else ("clean", "noisy")
    groups = {
        f"made small, {' and '.join(kinds)}": made_small(held_out(data, recipe), kinds),
        "as they are": originals(held_out(data, recipe)),
    }
    if recipe == "photo":
        groups["photographs of benchmarks"] = originals(photographs(data))
    else:
        groups["planes of stacks"] = held_out_planes(data)
    table = Table("alarms, %, on", "whole", *(f"{side} x {side}" for side in SIDES), box=box.SIMPLE_HEAD)
    for name, planes in groups.items():
        cells = []
        for some in (planes, *(of_side(planes, side) for side in SIDES)):
            told = [strangeness(plane, (statistics,)) > 0 for plane in some]
            cells.append(f"{100 * np.mean(told):.1f}")
        table.add_row(f"{name} ({len(planes)})", *cells)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--recipe", choices=RECIPES, default="microscopy")
    parser.add_argument("--write", metavar="MODEL", nargs="+", default=[])
    parser.add_argument("--looks", action="store_true", help="write how photographs and micrographs look")
    options = parser.parse_args()
    console = Console(width=100)
    if options.looks:
        console.print(str(write_looks(options.data)))
        return
    config = RECIPES[options.recipe]
    seen = Seen.of_folders(folders(options.data, options.recipe), config)
    statistics = input_statistics(seen, config.subject)
    assert statistics is not None
    kinds = ("clean",) if options.recipe == "photo" else ("clean", "noisy")
    known = made_small(held_out(options.data, options.recipe), kinds)
    more = made_small(photographs(options.data), kinds) if options.recipe == "photo" else []
    usual = np.array([strangeness(image, (statistics,)) for image in (*known, *more)])
    table = Table("images", "", "AUROC", "alarms", box=box.SIMPLE_HEAD)
    table.add_row("like those learnt from", str(len(usual)), "", f"{100 * np.mean(usual > 0):.1f} %")
    everything: list[float] = []
    for name, images in strange_images(options.data, options.recipe, known).items():
        strange = np.array([strangeness(image, (statistics,)) for image in images])
        everything += strange.tolist()
        table.add_row(
            name, str(len(images)), f"{auroc(strange, usual):.3f}", f"{100 * np.mean(strange > 0):.0f} %"
        )
    table.add_row("all of these", str(len(everything)), f"{auroc(np.array(everything), usual):.3f}", "")
    console.print(table)
    report_alarms(console, options.data, options.recipe, statistics)
    console.print("Wanted: AUROC of 0.95, and alarms on images like those learnt from of at most 2 %.")
    for name in options.write:
        path = card_path(name)
        card = read_card(path).model_copy(update={"inputs": (statistics,)})
        with atomic_path(path) as temporary:
            temporary.write_text(card.to_json(), encoding="utf-8")
        console.print(str(path))


def auroc(strange: Array, usual: Array) -> float:
    return float(mannwhitneyu(strange, usual).statistic) / (strange.size * usual.size)


if __name__ == "__main__":
    main()

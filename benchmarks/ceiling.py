"""How much of the errors in noisy micrographs any std could tell, beyond brightness and edges.

    python benchmarks/ceiling.py DATA --domains fluorescence em --scale 2 --limit 12

An image of DATA/val is made low-res and noisy, many times with the same blur, photons and camera noise.
Errors of the first are compared with three stds: what the model says of it; how far the other means lie
apart, which whoever knew the signal and the noise but not the draw would say; and how far the other means
lie off the truth, which nobody can know. The last two are smoothed over 3 x 3 pixels, for they are of few
draws.
"""

from __future__ import annotations

import argparse
import os
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from microscopy_quality import sharp_micrographs
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.ndimage import uniform_filter

from napari_vaesr import load_model
from napari_vaesr.arrays import Array
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.pairs.images import grey, read_planes
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.pairs.sources import EvaluationImage, low_res
from napari_vaesr.trust.evaluation import job_of
from napari_vaesr.trust.reliability import partial_rank_correlation
from napari_vaesr.trust.rivals import gradient_magnitude
from napari_vaesr.zoo.registry import Model

PIXELS = 20_000
"""Of each image, at most."""

STDS = ("the model", "the spread over noise", "the distance from the truth")


def conditions(seed: int) -> Degradation:
    """Return what one image is made with, drawn as by `pairs.degradation.microscope`."""
    random = np.random.default_rng(seed)
    blur = random.uniform(0, 0.7) * (random.random() >= 0.4)
    photons, camera = np.exp(random.uniform(*np.log([30, 3000]))), random.uniform(0, 0.04)
    return Degradation(blur=(blur, blur), photons=(photons, photons), read_noise=(camera, camera), clean=0)


def of_image(source: EvaluationImage, model: Model, scale: int, draws: int) -> Iterator[dict[str, Array]]:
    """Yield for every plane of a file some pixels of the errors, of what is held fixed and of each std."""
    for name, plane in read_planes(source.path):
        height, width = (side // scale * scale for side in plane.shape[:2])
        sharp, domain = grey(plane[:height, :width]), source.path.parent.name
        way = conditions(zlib.crc32(os.fsencode(name)))
        pairs = [low_res(name, domain, sharp, scale, way, seed) for seed in range(draws + 1)]
        settings = UpscaleSettings(samples=16, domain=domain)
        first = job_of(pairs[0], model, settings).run()
        assert first.std is not None
        few = UpscaleSettings(samples=2, domain=domain)
        others = np.stack([pair.unit(job_of(pair, model, few).run().mean) for pair in pairs[1:]])
        mean, truth = pairs[0].unit(first.mean), pairs[0].unit(pairs[0].truth)
        found = {
            "error": mean - truth,
            "brightness": mean,
            "gradient": gradient_magnitude(mean),
            STDS[0]: first.std / pairs[0].span,
            STDS[1]: np.sqrt(uniform_filter(others.var(axis=0), 3)),
            STDS[2]: np.sqrt(uniform_filter(((others - truth) ** 2).mean(axis=0), 3)),
        }
        inside = (slice(scale, -scale),) * 2
        count = found["error"][inside].size
        some = np.random.default_rng(0).choice(count, min(PIXELS, count), replace=False)
        yield {what: each[inside].ravel()[some] for what, each in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--domains", nargs="+", default=["em", "fluorescence", "phase", "stained"])
    parser.add_argument("--model", default="microscopy")
    parser.add_argument("--scale", type=int, default=2)
    parser.add_argument("--draws", type=int, default=16, help="of the noise, beside the first")
    parser.add_argument("--limit", type=int, default=12, help="images of each domain at most")
    options = parser.parse_args()
    model = load_model(options.model)
    table = Table("images", *STDS, box=box.SIMPLE_HEAD, title=f"Partial rank correlation, ×{options.scale}")
    for domain in options.domains:
        sources = sharp_micrographs(options.data / "val" / domain, options.limit)
        pixels = defaultdict(list)
        for source in track(sources, domain, console=Console(stderr=True)):
            for found in of_image(source, model, options.scale, options.draws):
                for what, each in found.items():
                    pixels[what].append(each)
        every = {what: np.concatenate(each) for what, each in pixels.items()}
        fixed = every["brightness"], every["gradient"]
        told = [partial_rank_correlation(every[std], every["error"], *fixed) for std in STDS]
        table.add_row(f"{domain}, {len(sources)} images", *(f"{each:.2f}" for each in told))
    Console().print(table)


if __name__ == "__main__":
    main()

"""Does the check on one's own image foretell the truth? Gain over interpolation, and coverage.

    python benchmarks/checks.py DATA
    python benchmarks/checks.py DATA --models microscopy photo --scales 2 3 4 --limit 100
    python benchmarks/checks.py --time      # how long a check of what is visible takes

Sharp images of DATA/val and of the benchmark sets are made small, clean and noisy. Of each small image the
check says how much better than interpolation the model is on it, and how many pixels its intervals hold; the
sharp image tells how it really is. A model that can be told the blur of the optics is told it. Printed are
Spearman's rank correlations over all images.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import spearmanr

from napari_vaesr import Source, UpscaleJob, VaesrError, load_model, read_image, sample_path
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.files.atomic import write_json
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.pairs.sources import find_sources, made_pairs
from napari_vaesr.trust.check import check_source
from napari_vaesr.trust.consistency import consistency_map
from napari_vaesr.trust.rivals import bicubic, lanczos
from napari_vaesr.zoo.registry import Model

FOLDERS = ("val", "benchmark/set5/HR", "benchmark/set14/HR", "benchmark/bsd100/HR")
WANTED = {"gain": 0.7, "coverage": 0.5}


def true_scores(pair: Pair, model: Model, settings: UpscaleSettings) -> tuple[float, float]:
    """Return the gain over interpolation in dB, and the share of the pixels inside their intervals."""
    low, truth = pair.low.astype(np.float32), pair.luma(pair.truth)
    job = UpscaleJob(Source.of(low, "YX" if low.ndim == 2 else "YXS"), settings, model=model)
    for _ in job:
        pass
    result, inside = job.result, (slice(pair.scale, -pair.scale),) * 2

    def power(estimate: Any) -> float:
        return float(np.mean((pair.luma(estimate) - truth)[inside] ** 2))

    rival = min(power(bicubic(low, pair.scale)), power(lanczos(low, pair.scale)))
    gain = 10 * math.log10(max(rival, 1e-12) / max(power(result.mean), 1e-12))
    half = job.calibrations[0].interval * result.std.astype(np.float64) / pair.span
    error = np.abs(pair.luma(result.mean) - truth)
    return gain, float(np.mean((error <= half)[inside]))


def report_time(console: Console, name: str, side: int = 256) -> None:
    """Print the processor time of what the panel's button does on a region of a plane of nuclei."""
    plane = np.asarray(read_image(sample_path("nuclei")).data[14])[:side, :side]
    source, settings, seconds = Source.of(plane, "YX"), UpscaleSettings(model=name, scale=2), math.inf
    quick = settings.model_copy(update={"samples": 2})
    for _ in range(4):  # the first one loads the model and warms up
        start = time.process_time()
        model = load_model(name)
        check_source(source, settings, {}, model)
        job = UpscaleJob(source, quick, model=model)
        for _ in job:
            pass
        consistency_map(job.result.mean, plane, 2, data_range=job.scalings[0].gain)
        seconds = min(seconds, time.process_time() - start)
    console.print(
        f"A check of {side} x {side} pixels by {name}, with the map of departures: {seconds:.2f} s of "
        "processor time; wanted 5 s on two cores."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--time", action="store_true", help="tell this alone")
    parser.add_argument("--models", nargs="+", default=["microscopy"])
    parser.add_argument("--scales", nargs="+", type=int, default=[2])
    parser.add_argument("--kinds", nargs="+", default=["clean", "noisy"])
    parser.add_argument("--limit", type=int, default=20, help="images of each folder")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    console = Console(width=130)
    for name in options.models:
        report_time(console, name)
    if options.time:
        return
    if options.data is None:
        parser.error("the folder of the data is needed, or --time")
    folders = [options.data / folder for folder in FOLDERS if (options.data / folder).is_dir()]
    sources = find_sources(folders, options.limit)
    lines: list[dict[str, Any]] = []
    for name in options.models:
        model = load_model(name)
        for scale in options.scales:
            settings = UpscaleSettings(model=name, scale=scale)
            for kind in options.kinds:
                label = f"{name} {kind} ×{scale}"
                for source in track(sources, label, console=console, transient=True):
                    pair = next(iter(made_pairs(source, scale, kind)))
                    axes = "YX" if pair.low.ndim == 2 else "YXS"
                    blur = pair.blur if model.card.network.conditioned else 0.0
                    own = settings.model_copy(update={"blur": blur})
                    try:
                        told = check_source(Source.of(pair.low, axes), own, {}, model)
                    except VaesrError:
                        continue  # too small to be made small again, or empty
                    gain, coverage = true_scores(pair, model, own)
                    lines.append(
                        {
                            "group": label,
                            "image": f"{source.domain}/{source.path.name}",
                            "gain": gain,
                            "checked gain": told.gain,
                            "coverage": coverage,
                            "checked coverage": told.coverage,
                            "ratio": told.ratio,
                            "noise": told.noise,
                        }
                    )
    groups = list(dict.fromkeys(line["group"] for line in lines))
    table = Table("images", "", box=box.SIMPLE_HEAD)
    for heading in ("gain: Spearman", "off by, dB", "coverage: Spearman", "off by, %"):
        table.add_column(heading, justify="right")
    for group in [*groups, "all"]:
        some = [line for line in lines if group in (line["group"], "all")]
        cells = []
        for quantity, factor in (("gain", 1), ("coverage", 100)):
            true, checked = (np.array([line[f"{p}{quantity}"] for line in some]) for p in ("", "checked "))
            cells += [
                f"{spearmanr(true, checked).statistic:.2f}",
                f"{factor * np.median(np.abs(true - checked)):.2f}",
            ]
        table.add_row(group, str(len(some)), *cells)
    console.print(table)
    console.print(f"Wanted over all: {WANTED['gain']} for the gain, {WANTED['coverage']} for the coverage.")
    if options.json:
        write_json(options.json, {"images": lines})


if __name__ == "__main__":
    main()

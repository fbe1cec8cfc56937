"""Measure the bundled models on the standard sets and print what was asked of them beside what they reach.

    python benchmarks/quality.py DATA

DATA holds benchmark/set5, set14 and bsd100 (each with HR), benchmark/w2s/test (avg4, avg16, sim) and val with
a folder for each domain; what is not there is left out. For one model on any folder of images there is
``napari-vaesr evaluate``, which this is made of.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from napari_vaesr import load_model
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.files.write import write_json
from napari_vaesr.training.pairs import find_pairs, find_sources, made_pairs, real_pairs
from napari_vaesr.trust.evaluation import Evaluation, Pair, evaluate_pair
from napari_vaesr.trust.rivals import RIVALS
from napari_vaesr.trust.summary import Summary, summarise

CLASSICAL = ("bicubic", "Lanczos", "Richardson-Lucy")
SCALES = (2, 3, 4)
PSNR = {  # what the photo model must reach, by set and scale
    ("set5", 2): 37.5,
    ("set5", 3): 33.8,
    ("set5", 4): 31.6,
    ("set14", 4): 28.2,
    ("bsd100", 4): 27.35,
}


class Line(NamedTuple):
    """One line of the table."""

    what: str
    reached: float
    wanted: str
    passed: bool


def at_least(what: str, reached: float, least: float) -> Line:
    return Line(what, reached, f"≥ {least:.2f}", reached >= least)


def at_most(what: str, reached: float, most: float) -> Line:
    return Line(what, reached, f"≤ {most:.3f}", reached <= most)


def between(what: str, reached: float, least: float, most: float) -> Line:
    return Line(what, reached, f"{least:g} to {most:g}", least <= reached <= most)


class Benchmark:
    """Evaluates models and remembers all numbers."""

    def __init__(self, data: Path, samples: int, limit: int | None) -> None:
        self.data, self.limit = data, limit
        self.settings = UpscaleSettings(samples=samples)
        self.record: list[dict[str, object]] = []

    def made(self, model: str, folder: str, scales: tuple[int, ...], kind: str = "clean") -> list[Evaluation]:
        """Evaluate on low-res images made from the high-res ones of a folder."""
        if not (self.data / folder).is_dir():
            return []
        sources = find_sources([self.data / folder], self.limit)
        pairs = [(source, scale) for source in sources for scale in scales]
        return self._scored(
            model,
            f"{folder} {kind}",
            (
                pair
                for source, scale in track_all(model, folder, pairs)
                for pair in made_pairs(source, scale, kind)
            ),
        )

    def real(self, model: str, low: str, high: str) -> list[Evaluation]:
        """Evaluate on real pairs."""
        if not (self.data / low).is_dir():
            return []
        sources = find_pairs(self.data / low, self.data / high, self.limit)
        return self._scored(
            model,
            low,
            (pair for source in track_all(model, low, sources) for pair in real_pairs(source, SCALES)),
        )

    def _scored(self, model: str, where: str, pairs: Iterator[Pair]) -> list[Evaluation]:
        loaded = load_model(model)
        done = [evaluate_pair(pair, loaded, self.settings, RIVALS) for pair in pairs]
        self.record += [{"model": model, "where": where} | summary.to_dict() for summary in summarise(done)]
        return done


def track_all(model: str, where: str, items: list) -> Iterator:
    console = Console(stderr=True)
    label, quiet = f"{model} on {where}", not console.is_terminal
    return iter(track(items, label, console=console, transient=True, disable=quiet))


def photo_lines(benchmark: Benchmark) -> Iterator[Line]:
    """Fidelity, consistency and uncertainty on photographs."""
    for name, scales in {"set5": SCALES, "set14": (4,), "bsd100": (4,)}.items():
        evaluations = benchmark.made("photo", f"benchmark/{name}/HR", scales)
        for summary in summarise(evaluations):
            where = f"photo, {name} ×{summary.scale}"
            mean, base, one = (summary.scores[method] for method in ("mean", "base", "one sample"))
            yield at_least(f"{where}: PSNR", mean.psnr, PSNR[name, summary.scale])
            yield at_most(f"{where}: PSNR lost from base to mean", base.psnr - mean.psnr, 0.05)
            yield Line(f"{where}: PSNR lost from base to one sample", base.psnr - one.psnr, "reported", True)
            own = [each for each in evaluations if each.scale == summary.scale]
            yield at_least(f"{where}: LR-PSNR, worst mean", worst(own, "mean"), 50)
            yield at_least(f"{where}: LR-PSNR, worst sample", worst(own, "one sample"), 45)
            yield at_least(f"{where}: Spearman", summary.spread.spearman, 0.6)
            yield from ranking_lines(where, summary)


def worst(evaluations: list[Evaluation], method: str) -> float:
    return min(each.scores[method].low_res_psnr for each in evaluations)


def ranking_lines(where: str, summary: Summary) -> Iterator[Line]:
    """The uncertainty against a constant and against the gradient magnitude."""
    spread = summary.spread
    yield at_most(f"{where}: AUSE", spread.ause, min(spread.ause_constant, spread.ause_gradient))
    yield at_most(
        f"{where}: 100 × CRPS", 100 * spread.crps, 100 * min(spread.crps_constant, spread.crps_gradient)
    )


def calibration_lines(where: str, summary: Summary) -> Iterator[Line]:
    """Coverage, slope and offset on images not trained on."""
    yield between(f"{where}: coverage in %", 100 * summary.spread.coverage, 88, 92)
    yield between(f"{where}: slope", summary.spread.slope, 0.9, 1.1)
    yield between(f"{where}: offset in %", 100 * summary.spread.offset, -0.5, 0.5)


def microscopy_lines(benchmark: Benchmark) -> Iterator[Line]:
    """The microscopy model against all others, in every cell of domain, scale and noise."""
    for domain in ("fluorescence", "phase", "stained", "em"):
        for kind in ("clean", "noisy"):
            own = summarise(benchmark.made("microscopy", f"val/{domain}", SCALES, kind))
            others = (
                summarise(benchmark.made("photo", f"val/{domain}", SCALES, kind)) if kind == "noisy" else []
            )
            for number, summary in enumerate(own):
                where = f"microscopy, {domain} {kind} ×{summary.scale}"
                rivals = max(summary.scores[name].psnr for name in CLASSICAL)
                yield at_least(f"{where}: PSNR over the best classical", summary.scores["mean"].psnr, rivals)
                if others:
                    photo = others[number].scores["mean"].psnr
                    yield at_least(f"{where}: PSNR over photo", summary.scores["mean"].psnr, photo)
                yield from calibration_lines(where, summary)
    for average in ("avg4", "avg16"):
        for summary in summarise(
            benchmark.real("microscopy", f"benchmark/w2s/test/{average}", "benchmark/w2s/test/sim")
        ):
            scores = summary.scores
            yield at_least(
                f"microscopy, real W2S {average} ×2: PSNR after fit",
                scores["mean"].affine_psnr,
                scores["bicubic"].affine_psnr,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--limit", type=int, help="images of each folder at most, for a quick look")
    parser.add_argument("--json", type=Path, help="also write every number here")
    options = parser.parse_args()
    benchmark = Benchmark(options.data, options.samples, options.limit)
    lines = [*photo_lines(benchmark)]
    for summary in summarise(benchmark.made("photo", "val/photo", SCALES)):
        lines += calibration_lines(f"photo, val/photo ×{summary.scale}", summary)
    lines += microscopy_lines(benchmark)
    table = Table("what", "reached", "wanted", "", box=box.SIMPLE_HEAD)
    for line in lines:
        table.add_row(line.what, f"{line.reached:.3f}", line.wanted, "yes" if line.passed else "[red]no[/]")
    console = Console(width=None if Console().is_terminal else 120)
    console.print(table)
    console.print(f"{sum(line.passed for line in lines)} of {len(lines)} reached")
    if options.json:
        write_json(options.json, {"results": benchmark.record})


if __name__ == "__main__":
    main()

"""Measure the bundled models on the standard sets and print what was asked of them beside what they reach.

    python benchmarks/quality.py DATA
    python benchmarks/quality.py DATA --dropout dropout.json --pairs-model w2s/model/w2s.json

DATA holds benchmark/set5, set14 and bsd100 (each with HR), benchmark/w2s/test (avg4, avg16, sim), val, and
perhaps calibrate, each with a folder for every domain; what is not there is left out. Coverage, slope
and offset are those of `napari_vaesr.trust.levels.cross_validated`: images of val and calibrate, which the
models did not learn from, each calibrated by other originals. There, AUSE and CRPS are compared with rivals
that are calibrated in the same way; elsewhere the rivals get the best line to the errors that they are
scored on. DATA/stacks/val holds real stacks, as of benchmarks/stacks.py. For one model on any folder there is
``napari-vaesr evaluate``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from lines import Line, at_least, at_most, between, reported
from microscopy_quality import (
    Clean,
    before_lines,
    clean_lines,
    clean_scores,
    sharp_micrographs,
    spread_lines,
    stack_lines,
)
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from napari_vaesr import load_model
from napari_vaesr.arrays import Array
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.files.atomic import write_json
from napari_vaesr.pairs.sources import EvaluationImage, find_pairs, find_sources, made_pairs, real_pairs
from napari_vaesr.training.calibrate import calibration_images
from napari_vaesr.training.config import RECIPES
from napari_vaesr.training.spreads import originals, spreads_of_file
from napari_vaesr.trust.crps import gaussian_crps
from napari_vaesr.trust.evaluation import OWN, Evaluation, evaluate_pair
from napari_vaesr.trust.levels import Spread, Tested, cross_validated
from napari_vaesr.trust.reliability import fit_calibration
from napari_vaesr.trust.rivals import RIVALS
from napari_vaesr.trust.sparsification import sparsification
from napari_vaesr.trust.summary import Summary, summarise
from napari_vaesr.zoo.folders import BUNDLED_MODELS

CLASSICAL = ("bicubic", "Lanczos", "Richardson-Lucy")
SCALES = (2, 3, 4)
DOMAINS = ("fluorescence", "phase", "stained", "em")
MICROGRAPHS = tuple(f"val/{domain}" for domain in DOMAINS)
PSNR = {  # what the photo model must reach, by set and scale
    ("set5", 2): 37.9,
    ("set5", 3): 34.15,
    ("set5", 4): 31.8,
    ("set14", 4): 28.36,
    ("bsd100", 4): 27.43,
}
PARTS = ("photo", "microscopy", "calibration", "w2s", "stacks")
SETS = {"set5": SCALES, "set14": (4,), "bsd100": (4,)}


class Task(NamedTuple):
    """One image to be scored; kind is clean, noisy or real."""

    model: str
    source: EvaluationImage
    scale: int
    kind: str
    rivals: tuple[str, ...]
    samples: int


def score(task: Task) -> list[Evaluation]:
    settings = UpscaleSettings(samples=task.samples, domain=OWN)
    model = load_model(task.model)
    if task.kind == "real":
        pairs = real_pairs(task.source, SCALES)
    else:
        pairs = made_pairs(task.source, task.scale, task.kind)  # type: ignore[arg-type]
    return [evaluate_pair(pair, model, settings, task.rivals, thorough=False) for pair in pairs]


class Calibrated(NamedTuple):
    """One image to calibrate on."""

    model: str
    path: Path
    scale: int
    images: int
    original: str


def spread(task: Calibrated) -> list[Spread]:
    model, degradation = load_model(task.model), RECIPES[task.model].degradation
    return spreads_of_file(model, task.path, task.scale, degradation, task.images, task.original)


def one_thread() -> None:
    import torch

    torch.set_num_threads(1)


class Benchmark:
    """Hands images to processes and remembers all numbers."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.data: Path = options.data
        self.limit, self.samples = options.limit, options.samples
        self.pool = ProcessPoolExecutor(options.jobs, get_context("spawn"), one_thread)
        self.record: list[dict[str, object]] = []

    def each(self, work: Callable[[Any], list[Any]], tasks: Sequence[Any], label: str) -> list[Any]:
        """Do the tasks in parallel and return all of their results, in order."""
        console = Console(stderr=True)
        console.print(f"{time.strftime('%H:%M:%S')} {label}: {len(tasks)} images")
        done: Iterable[list[Any]] = self.pool.map(work, tasks)
        done = track(done, label, len(tasks), console=console, transient=True)
        return [result for results in done for result in results]

    def made(
        self, model: str, folders: Sequence[str], scales: Sequence[int], kinds: Sequence[str], rivals: bool
    ) -> dict[tuple[str, str], list[Evaluation]]:
        """Score low-res images made from the high-res ones of folders; by folder and kind."""
        there = {folder: self.truths(folder) for folder in folders if (self.data / folder).is_dir()}
        where = [(folder, kind) for folder in there for kind in kinds]
        tasks = [
            (
                place,
                Task(model, source, scale, place[1], rivals_for(place[1]) if rivals else (), self.samples),
            )
            for place in where
            for source in there[place[0]]
            for scale in scales
        ]
        done = self.each(score, [task for _, task in tasks], f"{model} on {', '.join(there)}")
        groups: dict[tuple[str, str], list[Evaluation]] = {place: [] for place in where}
        # Sharp images of one plane each: as many results as tasks.
        for (place, _), evaluation in zip(tasks, done, strict=True):
            groups[place].append(evaluation)
        for (folder, kind), evaluations in groups.items():
            self.remember(model, f"{folder}, {kind}", evaluations)
        return groups

    def truths(self, folder: str) -> list[EvaluationImage]:
        """Choose images of a folder; of micrographs those that can tell an error from noise of their own."""
        if folder in MICROGRAPHS:
            return sharp_micrographs(self.data / folder, self.limit)
        return find_sources([self.data / folder], self.limit)

    def real(self, model: str, low: str, high: str) -> list[Evaluation]:
        """Score real pairs."""
        if not (self.data / low).is_dir():
            return []
        sources = find_pairs(self.data / low, self.data / high, self.limit)
        tasks = [Task(model, source, 0, "real", tuple(RIVALS), self.samples) for source in sources]
        done = self.each(score, tasks, f"{Path(model).stem} on {low}")
        self.remember(model, low, done)
        return done

    def spreads(self, model: str, places: Sequence[Path]) -> dict[int, list[Spread]]:
        """Upscale the images that calibrate, at every scale."""
        files = calibration_images([place for place in places if place.exists()], self.limit or 48)
        counts, of = Counter(path.parent.name for path in files), originals(files)
        made = {}
        for scale in SCALES:
            tasks = [Calibrated(model, path, scale, counts[path.parent.name], of[path]) for path in files]
            made[scale] = self.each(spread, tasks, f"calibration of {model} ×{scale}")
        return made

    def remember(self, model: str, where: str, evaluations: Sequence[Evaluation]) -> None:
        for summary in summarise(evaluations):
            self.record.append({"model": Path(model).stem, "where": where} | summary.to_dict())


def rivals_for(kind: str) -> tuple[str, ...]:
    return CLASSICAL if kind == "clean" else tuple(RIVALS)


def worst(evaluations: Iterable[Evaluation], method: str) -> float:
    return min(each.scores[method].low_res_psnr for each in evaluations)


def photo_lines(benchmark: Benchmark) -> Iterator[Line]:
    """Fidelity, consistency and uncertainty on photographs."""
    for name, scales in SETS.items():
        groups = benchmark.made("photo", [f"benchmark/{name}/HR"], scales, ["clean"], rivals=True)
        for evaluations in groups.values():
            for summary in summarise(evaluations):
                yield from photo_summary_lines(name, summary, evaluations)


def photo_summary_lines(name: str, summary: Summary, evaluations: Sequence[Evaluation]) -> Iterator[Line]:
    where = f"photo, {name} ×{summary.scale}"
    mean, base, one = (summary.scores[method] for method in ("mean", "base", "one sample"))
    own = [each for each in evaluations if each.scale == summary.scale]
    spread = summary.spread
    yield at_least(f"{where}: PSNR", mean.psnr, PSNR[name, summary.scale])
    yield reported(f"{where}: SSIM", mean.ssim)
    yield at_most(f"{where}: PSNR lost from base to mean", base.psnr - mean.psnr, 0.05)
    yield reported(f"{where}: PSNR lost from base to one sample", base.psnr - one.psnr)
    yield at_least(f"{where}: LR-PSNR, worst mean", worst(own, "mean"), 50)
    yield at_least(f"{where}: LR-PSNR, worst sample", worst(own, "one sample"), 45)
    yield at_least(f"{where}: Spearman", spread.spearman, 0.6)
    yield reported(f"{where}: coverage of the applied 90 % interval in %", 100 * spread.coverage)
    yield margin(
        f"{where}: AUSE below the best of constant and gradient by %",
        spread.ause,
        spread.ause_constant,
        spread.ause_gradient,
    )
    yield margin(
        f"{where}: CRPS below the best of constant and gradient by %",
        spread.crps,
        spread.crps_constant,
        spread.crps_gradient,
    )
    yield from spread_lines(where, summary)


def margin(what: str, own: float, *rivals: float) -> Line:
    """By how many percent a score, where less is better, is below the best of its rivals."""
    return at_least(what, 100 * (1 - own / min(rivals)), 0)


def calibration_lines(model: str, spreads: dict[int, list[Spread]]) -> Iterator[Line]:
    """Coverage, slope, offset and scores on images that neither the model nor the calibration has seen."""
    for domain in sorted({each.domain for some in spreads.values() for each in some}):
        for scale, some in spreads.items():
            own = [each for each in some if each.domain == domain]
            tested, rivals = cross_validated(own), [cross_validated(rival) for rival in rivals_of(own)]
            kinds = ("clean", "noisy", "") if any(not each.spread.clean for each in tested) else ("clean",)
            for kind in kinds:
                group, *others = (
                    [each for each in images if not kind or each.spread.clean == (kind == "clean")]
                    for images in (tested, *rivals)
                )
                if not group:
                    continue
                where = f"{model}, {domain} ×{scale}{f' {kind}' if kind else ', clean and noisy'}"
                inside = 100 * float(np.mean([each.inside.mean() for each in group]))
                line = fit_calibration(*stds_and_errors(group))
                yield between(f"{where}: coverage in %", inside, 88, 92)
                yield between(f"{where}: slope", line.slope, 0.9, 1.1)
                yield between(f"{where}: offset in % of the range", 100 * line.offset, -0.5, 0.5)
                if not kind:
                    continue
                best = "below the best rival, calibrated alike, by %"
                yield margin(f"{where}: AUSE {best}", ause(group), *map(ause, others))
                yield margin(f"{where}: CRPS {best}", crps(group), *map(crps, others))


def rivals_of(spreads: Sequence[Spread]) -> Iterator[list[Spread]]:
    """Say one std for all pixels, and the gradient magnitude, instead of what the samples said."""
    yield [replace(each, std=np.ones_like(each.std), areas=None) for each in spreads]
    yield [replace(each, std=each.gradient, areas=None) for each in spreads]


def ause(tested: Sequence[Tested]) -> float:
    return sparsification(*stds_and_errors(tested)).ause


def crps(tested: Sequence[Tested]) -> float:
    return gaussian_crps(*stds_and_errors(tested))


def stds_and_errors(tested: Sequence[Tested]) -> tuple[Array, Array]:
    """Return the calibrated std and the error of the pixels of all images."""
    std = np.concatenate([each.std for each in tested])
    return std, np.concatenate([each.spread.error for each in tested])


def microscopy_lines(benchmark: Benchmark, before: str | None) -> Iterator[Line]:
    """The microscopy model against all others, in every cell of domain, scale and noise."""
    tasks = [
        Clean("microscopy", source, scale)
        for folder in MICROGRAPHS
        for source in find_sources([benchmark.data / folder], benchmark.limit)
        for scale in SCALES
    ]
    yield from clean_lines(benchmark.each(clean_scores, tasks, "microscopy told that images are clean"))
    ours = benchmark.made("microscopy", MICROGRAPHS, SCALES, ["clean", "noisy"], rivals=True)
    if before:
        theirs = benchmark.made(before, MICROGRAPHS, SCALES, ["clean", "noisy"], rivals=False)
        for (folder, kind), evaluations in ours.items():
            where = f"{folder.removeprefix('val/')} {kind}"
            yield from before_lines(where, summarise(evaluations), summarise(theirs[folder, kind]))
    photo = benchmark.made("photo", MICROGRAPHS, SCALES, ["noisy"], rivals=False)
    for (folder, kind), evaluations in ours.items():
        others = summarise(photo.get((folder, kind), []))
        for number, summary in enumerate(summarise(evaluations)):
            where = f"microscopy, {folder.removeprefix('val/')} {kind} ×{summary.scale}"
            mean = summary.scores["mean"].psnr
            rivals = {"the best classical": max(summary.scores[name].psnr for name in CLASSICAL)}
            if kind == "noisy":
                rivals["Gaussian + bicubic"] = summary.scores["Gaussian + bicubic"].psnr
                rivals["photo"] = others[number].scores["mean"].psnr
            yield at_least(f"{where}: PSNR", mean, max(rivals.values()))
            for rival, psnr in rivals.items():
                yield reported(f"{where}: PSNR of {rival}", psnr)
            spread = summary.spread
            yield reported(f"{where}: Spearman", spread.spearman)
            yield from spread_lines(where, summary)
            yield margin(
                f"{where}: AUSE below the best rival by %",
                spread.ause,
                spread.ause_constant,
                spread.ause_gradient,
            )
            yield margin(
                f"{where}: CRPS below the best rival by %",
                spread.crps,
                spread.crps_constant,
                spread.crps_gradient,
            )


def w2s_lines(benchmark: Benchmark, model: str, lead: float | None) -> Iterator[Line]:
    """On real pairs: above bicubic, or above all that is classical by so many dB."""
    name = Path(model).stem
    for average in ("avg4", "avg16"):
        low, high = f"benchmark/w2s/test/{average}", "benchmark/w2s/test/sim"
        for summary in summarise(benchmark.real(model, low, high)):
            where = f"{name}, real W2S {average} ×2"
            scores = summary.scores
            mean = scores["mean"].affine_psnr
            if lead is None:
                yield at_least(f"{where}: PSNR after fit, over bicubic", mean, scores["bicubic"].affine_psnr)
            else:
                best = max(scores[rival].affine_psnr for rival in RIVALS)
                yield at_least(
                    f"{where}: PSNR after fit, over the best classical + {lead}", mean, best + lead
                )
            yield reported(
                f"{where}: PSNR as it is (bicubic {scores['bicubic'].psnr:.2f})", scores["mean"].psnr
            )
            for rival in RIVALS:
                yield reported(f"{where}: {rival}, PSNR after fit", scores[rival].affine_psnr)


def size_lines() -> Iterator[Line]:
    total = 0
    for path in sorted(BUNDLED_MODELS.glob("*.safetensors")):
        total += path.stat().st_size
        count = sum(weight.numel() for weight in load_model(path.stem).network.parameters())
        yield at_most(f"{path.stem}: million parameters", count / 1e6, 1)
    yield at_most("bundled weights in MB", total / 1e6, 10)


def dropout_lines(path: Path) -> Iterator[Line]:
    """The numbers of benchmarks/dropout.py."""
    for row in json.loads(path.read_text())["rows"]:
        where = f"photo, {row['where']}"
        yield margin(f"{where}: AUSE below MC-dropout by %", row["ours"]["ause"], row["dropout"]["ause"])
        yield margin(f"{where}: CRPS below MC-dropout by %", row["ours"]["crps"], row["dropout"]["crps"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--limit", type=int, help="images of each folder at most, for a quick look")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes of one thread each")
    parser.add_argument("--only", choices=PARTS, nargs="*")
    parser.add_argument("--before", help="an earlier version of microscopy, a JSON file beside its weights")
    parser.add_argument("--planes", type=int, default=5, help="planes of each stack that are looked at")
    parser.add_argument(
        "--calibrate", type=Path, help="more images to calibrate on; DATA/calibrate by default"
    )
    parser.add_argument("--dropout", type=Path, help="what benchmarks/dropout.py wrote")
    parser.add_argument("--pairs-model", help="a model that was trained on the W2S pairs")
    parser.add_argument("--json", type=Path, help="also write every number here")
    parser.add_argument("--lines", type=Path, help="also write the lines of the table here, for docs/")
    options = parser.parse_args()
    wanted = options.only or PARTS
    benchmark = Benchmark(options)
    lines = [*size_lines()]
    if "photo" in wanted:
        lines += photo_lines(benchmark)
    if options.dropout:
        lines += dropout_lines(options.dropout)
    if "calibration" in wanted:
        also = options.calibrate or options.data / "calibrate"
        for model, domains in {"photo": ["photo"], "microscopy": DOMAINS}.items():
            places = [place / domain for place in (options.data / "val", also) for domain in domains]
            lines += calibration_lines(model, benchmark.spreads(model, places))
    if "microscopy" in wanted:
        lines += microscopy_lines(benchmark, options.before)
    if "stacks" in wanted:
        lines += stack_lines(options.data, load_model("microscopy"), options.planes)
    if "w2s" in wanted:
        lines += w2s_lines(benchmark, "microscopy", None)
        if options.pairs_model:
            lines += w2s_lines(benchmark, options.pairs_model, 0.5)
    table = Table("what", "reached", "wanted", "", box=box.SIMPLE_HEAD)
    for line in lines:
        table.add_row(line.what, f"{line.reached:.3f}", line.wanted, "yes" if line.passed else "[red]no[/]")
    console = Console(width=None if Console().is_terminal else 120)
    console.print(table)
    judged = [line for line in lines if line.wanted != "reported"]
    console.print(f"{sum(line.passed for line in judged)} of {len(judged)} reached")
    if options.lines:
        write_json(options.lines, {"lines": [line._asdict() for line in lines]})
    if options.json:
        write_json(options.json, {"lines": [line._asdict() for line in lines], "results": benchmark.record})


if __name__ == "__main__":
    main()

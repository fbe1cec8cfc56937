"""Do the 90 % ranges of measurements hold the truth? Beside Monte-Carlo noise on bicubic interpolation.

    python benchmarks/measurements.py DATA
    python benchmarks/measurements.py DATA --limit 70 --domains fluorescence phase stained --json out.json
    python benchmarks/measurements.py DATA --cells noisy2 clean4 --limit 50
    python benchmarks/measurements.py --cost    # what measuring costs beside drawing the samples

Sharp images of DATA/val/DOMAIN are made small, upscaled, and measured in the mean and in every sample:
objects are what is above Otsu's threshold. The same measurement on the sharp image is the truth, and a model
that can be told the blur of the optics is told it, as `napari-vaesr evaluate` does: without, it leaves the
blur in, and no range could hold the measurements of an image without it. The rival is
what a careful person does without a model: noise as strong as that of the input is added to it as often as
there are samples, each is interpolated and measured. Quantities named "image" are those of the whole image,
of all objects together; the others are of single objects, found again in the truth by their overlap, each
image counting the same. Width is that of the range over that of the rival's, the median. In the end it prints
what measuring 100 objects costs beside drawing the samples, in processor time.

Each image is calibrated by the others: its original is in none of those that the calibration, with errors
that all of an image shares, was fitted to. `--card` takes that of the card, which is fitted to some of
these very images; `--alone` leaves the shared errors out.
"""

from __future__ import annotations

import argparse
import math
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from napari_vaesr import Source, Threshold, UpscaleJob, load_model, measure
from napari_vaesr.arrays import Array
from napari_vaesr.engine.acquisition import noise_level
from napari_vaesr.engine.draws import Field, fields_of_arrays, fields_of_job
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.files.atomic import write_json
from napari_vaesr.imaging.noise import estimate_noise
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.pairs.settings import Degradation
from napari_vaesr.pairs.sources import DegradationKind, EvaluationImage, find_sources, made_pairs
from napari_vaesr.training.calibrate import MANY
from napari_vaesr.training.spreads import originals, spreads_of_file
from napari_vaesr.trust.estimate import prediction_range
from napari_vaesr.trust.evaluation import own_domain
from napari_vaesr.trust.levels import FOLDS, fit_levels
from napari_vaesr.trust.measure import Measured, measure_field
from napari_vaesr.trust.profile import width_at_half
from napari_vaesr.trust.regions import ALL, Quantities, Spacing
from napari_vaesr.trust.rivals import bicubic
from napari_vaesr.trust.segment import matched
from napari_vaesr.trust.shared import SharedErrors
from napari_vaesr.zoo.calibration import Calibrations, interpolated
from napari_vaesr.zoo.registry import Model

CELLS: dict[str, tuple[DegradationKind, int]] = {
    "clean2": ("clean", 2),
    "noisy2": ("noisy", 2),
    "clean4": ("clean", 4),
    "noisy4": ("noisy", 4),
}
PROPERTIES = ("area", "intensity_mean", "intensity_sum", "perimeter", "centroid")
IMAGE = ("count", "area", "intensity_mean", "intensity_sum", "perimeter")
OBJECT = ("area", "intensity_mean", "intensity_sum", "perimeter")
REACH = 15  # points of a profile to either side of an object's middle, per factor of 2


class Range(NamedTuple):
    """A range, the truth, and whether it is inside."""

    low: float
    high: float
    truth: float

    @property
    def inside(self) -> bool:
        slack = 1e-9 * max(abs(self.low), abs(self.high))
        return self.low - slack <= self.truth <= self.high + slack

    @property
    def width(self) -> float:
        return self.high - self.low


def ranges(field: Field, truth: Array, threshold: Threshold, reach: int) -> Iterator[tuple[str, Range]]:
    """Measure a field and the truth alike; yield each quantity's range with the truth."""
    quantities, spacing = Quantities(PROPERTIES), Spacing()
    measured = measure_field(field, threshold, None, quantities, spacing)
    exact = measure_field(Field({}, "YX", truth, [truth]), threshold, None, quantities, spacing)
    for quantity in IMAGE:
        yield f"image {quantity}", range_of(measured.samples[ALL, quantity], exact.value[ALL, quantity])
    same = matched(measured.labels, exact.labels, 0.3)
    for number, other in same.items():
        for quantity in OBJECT:
            yield quantity, range_of(measured.samples[number, quantity], exact.value[other, quantity])
    yield from distances(measured, exact, same)
    yield from widths(field, truth, measured, same, reach)


def range_of(samples: Array, truth: float) -> Range:
    return Range(*prediction_range(samples[np.isfinite(samples)]), truth)


def distances(measured: Measured, exact: Measured, same: dict[int, int]) -> Iterator[tuple[str, Range]]:
    """Yield the distance of every object to its nearest neighbour."""
    numbers = list(same)
    if len(numbers) < 2:
        return
    places = np.array([[measured.value[each, f"centroid_{name}"] for name in "yx"] for each in numbers])
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    for index, nearest in enumerate(apart.argmin(axis=1)):
        one, two = numbers[index], numbers[nearest]
        drawn = np.hypot(
            *(measured.samples[one, f"centroid_{n}"] - measured.samples[two, f"centroid_{n}"] for n in "yx")
        )
        true = math.hypot(
            *(exact.value[same[one], f"centroid_{n}"] - exact.value[same[two], f"centroid_{n}"] for n in "yx")
        )
        yield "distance", range_of(drawn, true)


def widths(
    field: Field, truth: Array, measured: Measured, same: dict[int, int], reach: int
) -> Iterator[tuple[str, Range]]:
    """Yield the FWHM of a row through the middle of every object, averaged over three rows."""
    for number in same:
        row, column = (round(measured.value[number, f"centroid_{name}"]) for name in "yx")
        rows = slice(max(0, row - 1), row + 2)
        columns = slice(max(0, column - reach), column + reach + 1)

        def width(image: Array, rows: slice = rows, columns: slice = columns) -> float:
            return width_at_half(image[rows, columns].astype(np.float64).mean(axis=0))

        true = width(truth)
        drawn = np.array([width(sample) for sample in field.samples])
        if np.isfinite(true) and np.isfinite(drawn).mean() > 0.5:
            yield "FWHM", range_of(drawn, true)


def calibrated_by_others(
    model: Model, sources: Sequence[EvaluationImage], scale: int
) -> dict[Path, Calibrations]:
    """Calibrate every image by the others, each original left out with a tenth of them."""
    files = [source.path for source in sources]
    known, settings = originals(files), model.card.training.get("settings")
    told = settings.get("degradation") if isinstance(settings, dict) else None
    degradation = Degradation.model_validate(told or {})
    names = sorted(set(known.values()))
    fold = {path: names.index(name) % FOLDS for path, name in known.items()}
    spreads = {path: spreads_of_file(model, path, scale, degradation, MANY, known[path]) for path in files}
    levels = [
        fit_levels([each for path in files if fold[path] != number for each in spreads[path]])
        for number in range(min(FOLDS, len(names)))
    ]
    return {path: levels[fold[path]] for path in files}


def monte_carlo(low: Array, scale: int, count: int, seed: int) -> Field:
    """Add noise to the input again and again, and interpolate."""
    generator = np.random.default_rng(seed)
    image = low.astype(np.float32)
    noise = estimate_noise(low)
    copies = np.stack([bicubic(image + generator.normal(0, noise, image.shape), scale) for _ in range(count)])
    (field,) = fields_of_arrays(bicubic(image, scale), copies, "YX")
    return field


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--cost", action="store_true", help="tell the cost of measuring alone")
    parser.add_argument("--model", default="microscopy")
    parser.add_argument("--domains", nargs="+", default=["fluorescence"])
    parser.add_argument("--limit", type=int, default=24, help="images of each domain")
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--card", action="store_true", help="the calibration of the card as it is")
    parser.add_argument("--alone", action="store_true", help="samples alone, without shared errors")
    options = parser.parse_args()
    model, console = load_model(options.model), Console(width=130)
    if options.cost:
        report_cost(console, model, options.samples)
        return
    if options.data is None:
        parser.error("the folder of the data is needed, or --cost")
    record = []
    for domain in options.domains:
        sources = find_sources([options.data / "val" / domain], options.limit)
        known: dict[int, dict[Path, Calibrations]] = {}
        for kind, scale in (CELLS[cell] for cell in options.cells):
            if scale not in known and not options.card:
                known[scale] = calibrated_by_others(model, sources, scale)
            ours: dict[str, list[list[Range]]] = defaultdict(list)
            rival: dict[str, list[list[Range]]] = defaultdict(list)
            start = time.perf_counter()
            for source in track(sources, f"{domain} {kind} ×{scale}", console=console, transient=True):
                pair = next(iter(made_pairs(source, scale, kind)))
                levels = known[scale][source.path] if scale in known else ()
                fields = drawn(model, pair, own_domain(f"val/{domain}", model), levels, options)
                truth = pair.truth if pair.truth.ndim == 2 else pair.truth.mean(axis=-1)
                for field, groups in zip(fields, (ours, rival), strict=True):
                    found: dict[str, list[Range]] = defaultdict(list)
                    for quantity, each in ranges(field, truth, Threshold(), REACH * scale // 2):
                        found[quantity].append(each)
                    for quantity, each_image in found.items():
                        groups[quantity].append(each_image)
            seconds = time.perf_counter() - start
            record += report(console, f"{domain} {kind} ×{scale}", ours, rival, seconds)
    report_cost(console, model, options.samples)
    if options.json:
        card = model.card
        told = {"model": card.name, "version": card.version, "samples": options.samples, "lines": record}
        write_json(options.json, told)


def drawn(
    model: Model, pair: Pair, domain: str, levels: Calibrations, options: argparse.Namespace
) -> tuple[Field, Field]:
    """Return the samples of the model, and those of Monte-Carlo noise."""
    settings = UpscaleSettings(
        scale=pair.scale,
        samples=options.samples,
        domain=domain,
        blur=pair.blur if model.card.network.conditioned else 0.0,
    )
    low = pair.low if pair.low.ndim == 2 else pair.low.mean(axis=-1)
    source = Source.of(low.astype(np.float32), "YX")
    job = UpscaleJob(source, settings, model=model)
    if levels:
        own = [interpolated(levels, noise_level("auto", scaling)) for scaling in job.scalings]
        job = UpscaleJob(source, settings, model=model, scalings=job.scalings, calibrations=own)
    (field,) = fields_of_job(job)
    shared = None if options.alone else SharedErrors.of(job)
    rival = monte_carlo(low, pair.scale, options.samples, zlib.crc32(pair.name.encode()))
    return field if shared is None else shared(field), rival


def report_cost(console: Console, model: Model, samples: int) -> None:
    """Time 100 discs on 512 x 512 pixels of the input: drawing alone, and drawing and measuring."""
    rows, columns = np.mgrid[:512, :512]
    discs = (rows % 51 - 25) ** 2 + (columns % 51 - 25) ** 2 < 150
    image = np.random.default_rng(0).poisson(20 + 80 * discs).astype(np.float32)
    settings = UpscaleSettings(samples=samples)
    drawing = both = math.inf
    for _ in range(4):  # in turns, for other work on the machine changes both
        job = UpscaleJob(Source.of(image, "YX"), settings, model=model, keep_samples=True)
        start = time.process_time()
        for _ in job:
            pass
        drawing, start = min(drawing, time.process_time() - start), time.process_time()
        objects = measure(job, "otsu")["object"].nunique() - 1
        both = min(both, time.process_time() - start)
    console.print(
        f"{objects} objects on {samples} samples: drawing {drawing:.2f} s, with measuring {both:.2f} s, "
        f"{both / drawing:.2f} times as long"
    )


def report(
    console: Console,
    where: str,
    ours: dict[str, list[list[Range]]],
    rival: dict[str, list[list[Range]]],
    seconds: float,
) -> list[dict[str, Any]]:
    table = Table("quantity", title=f"{where}, {seconds:.0f} s", box=box.SIMPLE_HEAD, title_justify="left")
    for heading in ("images", "inside, model", "inside, Monte Carlo", "width", "nearer to 90 %"):
        table.add_column(heading, justify="right")
    lines = []
    for quantity, images in ours.items():
        model, monte = coverage(images), coverage(rival.get(quantity, []))
        wide = median_width(images) / (median_width(rival.get(quantity, [])) or np.nan)
        nearer = abs(model - 0.9) < abs(monte - 0.9)
        lines.append(
            {"where": where, "quantity": quantity, "model": model, "monte_carlo": monte, "width": wide}
        )
        table.add_row(
            quantity,
            str(len(images)),
            f"{100 * model:.0f} %",
            f"{100 * monte:.0f} %",
            f"× {wide:.2f}" if np.isfinite(wide) else "–",
            "yes" if nearer else "no",
        )
    console.print(table)
    return [{key: finite(value) for key, value in line.items()} for line in lines]


def coverage(images: list[list[Range]]) -> float:
    shares = [np.mean([each.inside for each in image]) for image in images]
    return float(np.mean(shares)) if shares else np.nan


def median_width(images: list[list[Range]]) -> float:
    return float(np.median([each.width for image in images for each in image])) if images else np.nan


def finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    main()

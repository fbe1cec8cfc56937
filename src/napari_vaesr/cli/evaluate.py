"""``napari-vaesr evaluate``: images whose truth is known in; tables, JSON and plots of the scores out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from napari_vaesr.engine.settings import about
from napari_vaesr.errors import VaesrError

from . import options
from .console import ExitCode, Failures, free_to_write, out, report_note, spoken_errors

if TYPE_CHECKING:
    from napari_vaesr.engine.settings import UpscaleSettings
    from napari_vaesr.pairs.sources import EvaluationImage
    from napari_vaesr.trust.evaluation import Evaluation, ImageScores
    from napari_vaesr.trust.summary import Summary
    from napari_vaesr.zoo.registry import Model


def evaluate(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER]...", help="Folders of sharp images; each subfolder is a domain of its own."
        ),
    ] = None,
    pairs: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--pairs",
            metavar="LOW HIGH",
            help="Two folders instead: real low-res images, and high-res ones of the same names.",
        ),
    ] = None,
    model: options.Model = "microscopy",
    scales: Annotated[
        str | None, typer.Option("--scales", "-s", help="Such as 2,4; left out, all of the model's.")
    ] = None,
    samples: options.Samples = 16,
    degradation: Annotated[
        Literal["clean", "noisy"],
        typer.Option(
            help="How low-res images are made: by antialiased bicubic interpolation as in the published "
            "benchmarks, or blurred and noisy as from a microscope."
        ),
    ] = "clean",
    domain: Annotated[
        str,
        typer.Option(
            help=f"{about('domain')} Own is that of the folder's name, or any if the model does not know it."
        ),
    ] = "own",
    limit: Annotated[
        int | None, typer.Option(min=1, help="Images of each domain at most, evenly spaced.")
    ] = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    json: Annotated[
        Path | None, typer.Option("--json", help="Write all scores here, image by image too.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Folder for a reliability and a sparsification plot of each scale.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace outputs that exist.")] = False,
    debug: options.Debug = False,
) -> None:
    """Measure how good a model is, and how honest its uncertainty.

    Low-res images are made from sharp ones, upscaled, and compared with them, beside interpolation and
    deconvolution without any learning.

    Exit codes: 0 all is well, 1 some images failed, 2 wrong usage or bad input, 130 interrupted.
    """
    with spoken_errors(debug):
        from napari_vaesr.engine.settings import make_settings
        from napari_vaesr.pairs.images import why_passed
        from napari_vaesr.pairs.sources import find_pairs, find_sources

        if (pairs is None) == (not folders):
            raise VaesrError("Give folders of sharp images, or --pairs LOW HIGH, and not both.")
        if samples < 2:
            raise VaesrError("One sample has no uncertainty to score, give --samples 2 or more.")
        wanted = _parse_scales(scales)
        settings = make_settings(model=model, samples=samples, seed=seed, device=device, domain=domain)
        passed: list[Path] = []
        sources = find_pairs(*pairs, limit, passed) if pairs else find_sources(folders or [], limit, passed)
        if passed:
            report_note(f"{why_passed(passed)}.")
        loaded, chosen = _load(settings, wanted)
        _prepare_outputs(json, plots, chosen, force, sources)
        failures = Failures(len(sources), debug)
        evaluations = _evaluate(sources, loaded, chosen, settings, degradation, failures)
        if not evaluations:
            raise typer.Exit(ExitCode.BAD_INPUT)
        _report(evaluations, loaded, settings, "real pairs" if pairs else degradation, json, plots)
        failures.end("; the scores are of the others")


def _parse_scales(text: str | None) -> list[int] | None:
    if text is None:
        return None
    parts = text.replace(",", " ").split()
    if not parts or not all(part.isdecimal() for part in parts):
        raise VaesrError(f"The scales {text!r} are not whole numbers, give them as 2,4.")
    return list(dict.fromkeys(map(int, parts)))


def _load(settings: UpscaleSettings, wanted: list[int] | None) -> tuple[Model, list[int]]:
    """Load the model and check its scales before any image is opened."""
    from napari_vaesr.zoo.registry import load_model

    model = load_model(settings.model)
    for scale in wanted or []:
        if scale not in model.card.scales:
            known = ", ".join(map(str, model.card.scales))
            raise VaesrError(
                f"The model {model.card.name} cannot upscale {scale} times, please choose from {known}."
            )
    return model, wanted or list(model.card.scales)


def _plot_paths(folder: Path, scale: int) -> list[Path]:
    return [folder / f"{kind}_x{scale}.png" for kind in ("reliability", "sparsification", "blocks")]


def _prepare_outputs(
    json: Path | None,
    plots: Path | None,
    scales: Sequence[int],
    force: bool,
    sources: Sequence[EvaluationImage],
) -> None:
    """Refuse to replace what exists, and make the folders, before the long part begins."""
    planned = [json] if json else []
    planned += [path for scale in scales for path in _plot_paths(plots, scale)] if plots else []
    inputs = {each.resolve() for source in sources for each in (source.path, source.low) if each}
    for path in planned:
        if path.resolve() in inputs:
            raise VaesrError(f"{path} is an input as well as an output; choose another output.")
    free_to_write(planned, force)


def _evaluate(
    sources: Sequence[EvaluationImage],
    model: Model,
    scales: Sequence[int],
    settings: UpscaleSettings,
    degradation: Literal["clean", "noisy"],
    failures: Failures,
) -> list[Evaluation]:
    """Evaluate one image after the other; return what succeeded."""
    from napari_vaesr.pairs.sources import made_pairs, real_pairs
    from napari_vaesr.trust.evaluation import evaluate_pair
    from napari_vaesr.trust.rivals import RIVALS

    from .progress import progress_bars

    done: list[Evaluation] = []
    with progress_bars(quiet=False) as bars:
        for number, source in enumerate(sources, start=1):
            name = f"{source.path.name} ({number} of {len(sources)})"
            with failures.of(source.low or source.path), bars.follow(name) as progress:
                rivals = list(RIVALS)
                if source.low is None and degradation == "clean":
                    rivals.remove("Gaussian + bicubic")  # there is no noise to smooth
                made = (
                    real_pairs(source, scales)
                    if source.low
                    else (pair for scale in scales for pair in made_pairs(source, scale, degradation))
                )
                done += [evaluate_pair(pair, model, settings, rivals, progress) for pair in made]
    return done


def _report(
    evaluations: list[Evaluation],
    model: Model,
    settings: UpscaleSettings,
    degradation: str,
    json: Path | None,
    plots: Path | None,
) -> None:
    """Print the tables and write what was asked for."""
    from napari_vaesr.files.atomic import write_json
    from napari_vaesr.trust.plots import write_blocks, write_reliability, write_sparsification
    from napari_vaesr.trust.summary import summarise

    summaries = summarise(evaluations)
    card = model.card
    out().print(
        f"{card.name} version {card.version}, {settings.samples} samples, low-res images: {degradation}",
        markup=False,
    )
    out().print(_fidelity_table(summaries))
    out().print(_uncertainty_table(summaries))
    if json:
        from importlib.metadata import version

        content = {
            "version": version("napari-vaesr"),
            "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
            "degradation": degradation,
            "samples": settings.samples,
            "seed": settings.seed,
            "summaries": [summary.to_dict() for summary in summaries],
            "images": [_image_record(each) for each in evaluations],
        }
        write_json(json, _finite(content))
        out().print(str(json), markup=False)
    for scale in sorted({summary.scale for summary in summaries}) if plots else []:
        group = [summary for summary in summaries if summary.scale == scale]
        assert plots is not None
        writers = (write_reliability, write_sparsification, write_blocks)
        for write, path in zip(writers, _plot_paths(plots, scale), strict=True):
            write(path, group)
            out().print(str(path), markup=False)


def _image_record(evaluation: Evaluation) -> dict[str, Any]:
    from dataclasses import asdict

    scores = {method: asdict(each) for method, each in evaluation.scores.items()}
    return {
        "name": evaluation.name,
        "domain": evaluation.domain,
        "scale": evaluation.scale,
        "scores": scores,
    }


def _finite(content: Any) -> Any:
    """Replace what JSON has no number for, such as the PSNR of equal images, by null."""
    import math

    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _or_dash(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else f"{value:{form}}{unit}"


FIDELITY: dict[str, Callable[[ImageScores], str]] = {
    "PSNR": lambda scores: f"{scores.psnr:.2f}",
    "SSIM": lambda scores: f"{scores.ssim:.4f}",
    "MS-SSIM": lambda scores: _or_dash(scores.ms_ssim, ".4f"),
    "PSNR fit": lambda scores: f"{scores.affine_psnr:.2f}",
    "NRMSE fit": lambda scores: f"{scores.affine_nrmse:.4f}",
    "FRC": lambda scores: _or_dash(scores.frc, ".3f"),
    "detail": lambda scores: _or_dash(scores.resolution, ".2f", " px"),
    "LR-PSNR": lambda scores: f"{scores.low_res_psnr:.1f}",
}

UNCERTAINTY: dict[str, Callable[[Summary], str]] = {
    "coverage": lambda summary: f"{100 * summary.spread.coverage:.1f} %",
    "slope": lambda summary: f"{summary.spread.slope:.2f}",
    "offset": lambda summary: f"{summary.spread.offset:+.4f}",
    "Spearman": lambda summary: f"{summary.spread.spearman:.2f}",
    "Spearman\npartial": lambda summary: f"{summary.spread.partial:.2f}",
    "AUSE": lambda summary: f"{summary.spread.ause:.3f}",
    "AUSE\ngradient": lambda summary: f"{summary.spread.ause_gradient:.3f}",
    "AUSE\nconstant": lambda summary: f"{summary.spread.ause_constant:.3f}",
    "CRPS": lambda summary: f"{summary.spread.crps:.5f}",
    "CRPS\ngradient": lambda summary: f"{summary.spread.crps_gradient:.5f}",
    "CRPS\nconstant": lambda summary: f"{summary.spread.crps_constant:.5f}",
    "blocks\n4, 32": lambda summary: " ".join(
        _or_dash(summary.spread.blocks[index], ".2f") for index in (2, 5)
    ),
    "conformal": lambda summary: (
        "–" if summary.spread.conformal is None else f"× {summary.spread.conformal:.2f}"
    ),
}


def _fidelity_table(summaries: Sequence[Summary]) -> Table:
    table = Table(
        "images", "", "method", box=box.SIMPLE_HEAD, title="Likeness to the truth", title_justify="left"
    )
    for heading in FIDELITY:
        table.add_column(heading, justify="right", no_wrap=True)
    for summary in summaries:
        where = [f"{escape(summary.domain)} ({summary.images})", f"×{summary.scale}"]
        for method, scores in summary.scores.items():
            style = "bold" if method == "mean" else None
            table.add_row(*where, method, *(show(scores) for show in FIDELITY.values()), style=style)
            where = ["", ""]
        table.add_section()
    return table


def _uncertainty_table(summaries: Sequence[Summary]) -> Table:
    table = Table("images", "", box=box.SIMPLE_HEAD, title="Honesty of the uncertainty", title_justify="left")
    for heading in UNCERTAINTY:
        table.add_column(heading, justify="right", no_wrap=True)
    for summary in summaries:
        table.add_row(
            f"{escape(summary.domain)} ({summary.images})",
            f"×{summary.scale}",
            *(show(summary) for show in UNCERTAINTY.values()),
        )
    return table

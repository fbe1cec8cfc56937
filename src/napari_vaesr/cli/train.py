"""``napari-vaesr train``: a folder of images in, a model out."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from napari_vaesr.errors import VaesrError

from .console import ExitCode, err, out, spoken_errors
from .progress import progress_bars

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback

    from napari_vaesr.training.config import TrainingConfig
    from napari_vaesr.training.events import Verdict
    from napari_vaesr.training.fit import Supply
    from napari_vaesr.training.module import Training
    from napari_vaesr.training.validation import FixedPairs
    from napari_vaesr.zoo.registry import Model


def train(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGES...",
            help="Folders of sharp images, or image files; with --pairs LOW HIGH folders.",
        ),
    ],
    pairs: Annotated[
        bool,
        typer.Option(
            "--pairs",
            help="IMAGES are folders two by two, LOW HIGH LOW HIGH ...: real low-res images, and high-res "
            "ones of the same names.",
        ),
    ] = False,
    validate: Annotated[
        list[Path] | None,
        typer.Option(
            "--validate", "-v", help="Images to validate and calibrate on; left out, every tenth is held out."
        ),
    ] = None,
    hold_out: Annotated[
        Path | None,
        typer.Option(
            "--hold-out",
            help="A text file of image names, one a line, to validate and calibrate on and not to learn "
            "from them.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the model; left out, the recipe's.")] = None,
    recipe: Annotated[
        Literal["microscopy", "photo", "tiny"],
        typer.Option(help="The bundled model whose settings to start from."),
    ] = "microscopy",
    start: Annotated[
        str | None,
        typer.Option(
            help="Fine-tune this model, a name or path, gently instead of beginning with random weights."
        ),
    ] = None,
    begin_with: Annotated[
        str | None,
        typer.Option(
            help="Begin with the weights of this model, a name or path, instead of random ones, at the "
            "recipe's learning rates; its trunk may have fewer blocks."
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Learn the base from this model, a name or path, instead of the truth: for small networks."
        ),
    ] = None,
    over: Annotated[
        Path | None,
        typer.Option(
            help="Train a ladder over this network of other makers, which stays as it is: a .safetensors "
            "file that spandrel knows, TorchScript or a BioImage.IO package, at the recipe's degradation."
        ),
    ] = None,
    over_licence: Annotated[
        str, typer.Option(help="Licence of the network given by --over, for the card.")
    ] = "",
    over_authors: Annotated[str, typer.Option(help="Who made it, for the card.")] = "",
    over_source: Annotated[str, typer.Option(help="Where it comes from, for the card.")] = "",
    over_colours: Annotated[
        Literal["rgb", "luma"],
        typer.Option(help="What a network for colours sees of colour images: these, or their luma."),
    ] = "rgb",
    runs_code: Annotated[
        bool,
        typer.Option(
            "--runs-code",
            help="Trust the TorchScript given by --over: it brings code, which is run whenever the model is "
            "used.",
        ),
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="A JSON file of settings that replace the recipe's, see the docs.")
    ] = None,
    size: Annotated[
        Literal["tiny", "base", "conv_vae"] | None, typer.Option(help="Size of the network.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Length of the training in steps.")] = None,
    hours: Annotated[
        float | None, typer.Option(help="Length in hours of training, kept over interruptions.")
    ] = None,
    devices: Annotated[
        int, typer.Option(min=1, help="GPUs, or processes on a CPU, that share every batch.")
    ] = 1,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Processes that make patches for each device; left out, all cores but one where a GPU "
            "learns on Linux, and none elsewhere.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of patches, degradations and first weights.")] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="Folder of checkpoints and logs, resumed if it has any; left out, runs/NAME."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the finished model; left out, where all doors find it.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Train a model on a folder of images, or go on with a training that was stopped.

    Low-res images are made from the given ones on the fly, so only sharp images are needed; with --pairs they
    are real. Ctrl-C saves a checkpoint and stops; the same command goes on from there.
    """
    with spoken_errors(debug):
        try:
            from napari_vaesr.training.config import ModelUsed
            from napari_vaesr.training.export import export_model
            from napari_vaesr.training.fit import fit, newest_checkpoint
            from napari_vaesr.training.over import described_base
            from napari_vaesr.training.watch import Watch
            from napari_vaesr.training.workers import default_workers
        except ModuleNotFoundError as error:
            raise VaesrError(
                f'Training needs {error.name}: install it with pip install "napari-vaesr[train]".'
            ) from error
        from napari_vaesr.zoo.card import DataSource
        from napari_vaesr.zoo.registry import load_model, user_models

        if start is not None and begin_with is not None:
            raise VaesrError("--start fine-tunes and --begin-with trains in full: give one of them.")
        model = None if start is None else load_model(start)
        first = model if begin_with is None else load_model(begin_with)
        master = None if teacher is None else load_model(teacher)
        given: dict[str, Any] = {"name": name, "steps": steps, "hours": hours, "seed": seed}
        if over is not None:
            if start is not None or begin_with is not None:
                raise VaesrError("--over begins with another network: leave --start and --begin-with out.")
            named = name or f"{over.stem}-sure"
            given["name"] = named
            given["base"] = described_base(
                over,
                licence=over_licence,
                authors=over_authors,
                source=over_source,
                colours=over_colours,
                runs_code=runs_code,
                run=run or Path("runs") / named,
                progress=lambda text: err().print(text, markup=False),
            )
        settings = _settings(recipe, config, given, size, model)
        if model is not None:
            own = DataSource(name="your own", origin=", ".join(map(str, images)), licence="the owner's")
            settings = settings.model_copy(update={"sources": (*settings.sources, own)})
        elif first is not None:  # its images are behind these weights, too
            sources = dict.fromkeys((*settings.sources, *first.card.training_data))
            settings = settings.model_copy(
                update={"start": ModelUsed.of(first.card), "sources": tuple(sources)}
            )
        if master is not None:
            settings = settings.model_copy(update={"teacher": ModelUsed.of(master.card)})
        learn, checks, scored, settings = _material(images, pairs, validate, hold_out, settings)
        folder = run or Path("runs") / settings.name
        models = output or user_models()
        if (models / f"{settings.name}.json").exists() and newest_checkpoint(folder) is None:
            raise VaesrError(
                f"{models} has a model {settings.name} that this run has not made: choose another --name or "
                "--output, or remove that model."
            )
        if devices > 1 and start is not None:
            raise VaesrError("A model is fine-tuned on one device: leave --devices out.")
        with _progress() as follow:
            watch = Watch(folder, checks, model.network) if model is not None else None
            watchers = [follow] if watch is None else [follow, watch]
            module = fit(
                settings,
                learn,
                checks,
                folder,
                start=first,
                teacher=master,
                callbacks=watchers,
                devices=devices,
                workers=default_workers(devices) if workers is None else workers,
            )
        if not module.trainer.is_global_zero:  # one of the processes that the first has started
            raise typer.Exit(ExitCode.OK)
        if module.progress < 1:
            err().print(f"Stopped at step {module.steps_done}; the same command goes on from {folder}.")
            raise typer.Exit(ExitCode.INTERRUPTED)
        if watch is not None:
            err().print(_told(watch.verdict))
        err().print("Trained; now scoring and calibrating on the validation images.")
        command = shlex.join(["napari-vaesr", *sys.argv[1:]])
        with progress_bars(quiet=False) as rest, rest.follow("calibrating") as progress:
            weights = export_model(folder, models, scored, command=command, start=model, progress=progress)
        out().print(f"Model: {weights}", markup=False)
        out().print(f"Log: {folder / 'log'}", markup=False)
        using = settings.name if output is None else str(weights)
        out().print(f"Use it: napari-vaesr upscale IN OUT --model {shlex.quote(using)}", markup=False)


def _material(
    images: list[Path],
    pairs: bool,
    validate: list[Path] | None,
    listing: Path | None,
    settings: TrainingConfig,
) -> tuple[list[Path] | Supply, FixedPairs, list[Path] | FixedPairs, TrainingConfig]:
    """Return what is learnt from, pairs to validate on, what to score on at the end, and fitting settings."""
    from napari_vaesr.pairs.images import hold_out, hold_out_listed
    from napari_vaesr.pairs.recorded import read_recorded
    from napari_vaesr.training.recorded_patches import RecordedPatches, for_pairs, recorded_checks
    from napari_vaesr.training.validation import ValidationPairs

    if pairs:
        if validate or listing or len(images) % 2:
            raise VaesrError(
                "With --pairs give folders two by two, LOW HIGH, without --validate and --hold-out: the last "
                "tenth of the names is validated on."
            )
        folders = list(zip(images[::2], images[1::2], strict=True))
        recorded, held = read_recorded(folders, settings.network.scales, settings.intensity)
        own = for_pairs(settings, [*recorded, *held])
        if own.network.scales != settings.network.scales:
            scales = " and ".join(f"×{scale}" for scale in own.network.scales)
            err().print(f"Note: the pairs are of {scales}, so the model will make no other scale.")
        checks = recorded_checks(held, own)
        return partial(RecordedPatches, recorded, own), checks, checks, own
    if listing:
        learn, kept = hold_out_listed(images, listing)
        scored = [*kept, *(validate or [])]
    else:
        passed: list[Path] = []
        learn, scored = (images, validate) if validate else hold_out(images, passed=passed)
        if passed:
            err().print(f"Note: {len(passed)} results, masks and labels are passed over.")
    return learn, ValidationPairs(scored, settings), scored, settings


def _told(found: Verdict) -> str:
    """Say what a fine-tuning brought."""
    change = (
        f"from {found.start.score:.2f} dB to {found.best.score:.2f} dB ({found.gain:+.2f} dB) "
        f"at step {found.best.step}"
    )
    if found.gain > 0:
        return f"On the validation images it went {change}; these weights are kept."
    return f"[bold]Warning:[/] it did not help; on the validation images it went {change}."


def _settings(
    recipe: str,
    config: Path | None,
    given: dict[str, Any],
    size: str | None,
    start: Model | None = None,
) -> TrainingConfig:
    """Put together the recipe, or what fits the model started from, the file and the options.

    The later replace the earlier.
    """
    import json

    from napari_vaesr.training.config import RECIPES, checked_config, finetune_config
    from napari_vaesr.vae.config import PRESETS

    fields = (finetune_config(start.card) if start else RECIPES[recipe]).model_dump()
    base = given.pop("base", None)
    if base is not None:
        from napari_vaesr.training.over import OVER_SETTINGS, over_network

        if size == "conv_vae":
            raise VaesrError("A conv_vae stands on no other network: leave --size out.")
        fields |= {**OVER_SETTINGS, "network": over_network(base, size).model_dump()}
        size = None
    if start is not None and size is not None:
        raise VaesrError(f"The sizes are those of {start.card.name!r}: leave --size out.")
    own_name = given["name"] is not None and start is None
    if own_name or (config is not None and start is None):
        # What the recipe says of its own images and use does not hold for another model.
        fields |= {"title": "", "description": "", "sources": ()}
    asked: dict[str, Any] = {}
    if config is not None:
        try:
            asked = json.loads(config.read_text(encoding="utf-8"))
            for key, value in asked.items():
                # A group such as `degradation` changes what it names and keeps the rest.
                group = isinstance(value, dict) and isinstance(fields.get(key), dict)
                fields[key] = fields[key] | value if group else value
        except (OSError, ValueError, AttributeError) as error:
            raise VaesrError(f"The settings {config} cannot be read as a JSON object: {error}.") from error
    if size == "conv_vae":
        fields["network"] = PRESETS[size].model_dump()
    elif size is not None:  # what the network looks at and makes stays that of the recipe
        fields["network"] |= PRESETS[size].model_dump(include={"width", "blocks", "decoder_width", "levels"})
    factors = [len(fields["network"].get(name, ())) for name in ("scales", "row_factors")]
    if "scale_weights" not in asked and len(fields["scale_weights"] or ()) != sum(factors):
        fields["scale_weights"] = None  # the recipe's are of other factors
    fields |= {key: value for key, value in given.items() if value is not None}
    settings = checked_config(fields)
    if settings.steps is None and settings.hours is None:
        settings = settings.model_copy(update={"hours": 1.0 if start is None else 0.25})
    return settings


@contextmanager
def _progress() -> Iterator[Callback]:
    """Show how far a training is, and let Ctrl-C end it after the step in hand."""
    from lightning.pytorch import LightningModule, Trainer
    from lightning.pytorch.callbacks import Callback

    interrupted = False

    def interrupt(signal_number: int, frame: object) -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        interrupted = True
        err().print("Stopping after this step; press Ctrl-C again to stop at once.")

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
        console=err(),
        disable=int(os.environ.get("LOCAL_RANK", "0")) > 0,  # the first process tells for all
    )
    task = bars.add_task("training", total=1.0, state="")

    class Follow(Callback):
        def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: object) -> None:
            state = f"step {module.steps_done}"
            scores = [
                f"{name.removeprefix('psnr_mean_')} {float(value):.2f} dB"
                for name, value in sorted(trainer.callback_metrics.items())
                if name.startswith("psnr_mean_")
            ]
            bars.update(task, completed=cast("Training", module).progress, state=", ".join([state, *scores]))
            if trainer.world_size == 1:
                stop = interrupted
            else:  # all together, or the others would wait for ever
                stop = trainer.strategy.reduce_boolean_decision(interrupted, all=False)
            if stop:
                trainer.should_stop = True

    before = signal.signal(signal.SIGINT, interrupt)
    # Lightning's advice is for people who write training loops; here it would only break the bar.
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with bars, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield Follow()
    finally:
        signal.signal(signal.SIGINT, before)

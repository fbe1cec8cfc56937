"""``napari-vaesr train``: a folder of images in, a model out."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from napari_vaesr.errors import VaesrError, needing

from . import training_options
from .console import ExitCode, err, out, report_note, spoken_errors
from .progress import progress_bars

if TYPE_CHECKING:
    from napari_vaesr.cli.training_request import Prepared
    from napari_vaesr.training.events import Event, Verdict


def train(
    images: training_options.Images,
    pairs: training_options.Pairs = False,
    validate: training_options.Validate = None,
    hold_out: training_options.HoldOut = None,
    name: training_options.Name = None,
    recipe: training_options.Recipe = None,
    start: training_options.Start = None,
    begin_with: training_options.BeginWith = None,
    teacher: training_options.Teacher = None,
    over: training_options.Over = None,
    over_licence: training_options.OverLicence = "",
    over_authors: training_options.OverAuthors = "",
    over_source: training_options.OverSource = "",
    over_colours: training_options.OverColours = "rgb",
    runs_code: training_options.RunsCode = False,
    config: training_options.Config = None,
    size: training_options.Size = None,
    steps: training_options.Steps = None,
    hours: training_options.Hours = None,
    devices: training_options.Devices = 1,
    workers: training_options.Workers = None,
    seed: training_options.Seed = None,
    run: training_options.Run = None,
    output: training_options.Output = None,
    debug: training_options.Debug = False,
) -> None:
    """Train a model on a folder of images, or go on with a training that was stopped.

    Low-res images are made from the given ones on the fly, so only sharp images are needed; with --pairs they
    are real. Ctrl-C saves a checkpoint and stops; the same command goes on from there.
    """
    with spoken_errors(debug):
        with needing("train", "Training needs"):
            from napari_vaesr.cli.training_request import OtherNetwork, TrainingRequest

        if devices > 1 and start is not None:
            raise VaesrError("A model is fine-tuned on one device: leave --devices out.")
        other = None
        if over is not None:
            other = OtherNetwork(over, over_licence, over_authors, over_source, over_colours, runs_code)
        elif over_licence or over_authors or over_source or over_colours != "rgb" or runs_code:
            raise VaesrError("What is said of another network goes with --over: name its file there.")
        request = TrainingRequest(
            images,
            pairs=pairs,
            validate=validate,
            hold_out=hold_out,
            recipe=recipe,
            config=config,
            size=size,
            options={"name": name, "steps": steps, "hours": hours, "seed": seed},
            start=start,
            begin_with=begin_with,
            teacher=teacher,
            over=other,
            run=run,
            output=output,
        )
        prepared = request.prepare(lambda text: err().print(text, markup=False))
        _train(prepared, devices, workers)


def _train(prepared: Prepared, devices: int, workers: int | None) -> None:
    """Train, show how it goes, and make the model."""
    from napari_vaesr.engine.progress import Progress
    from napari_vaesr.training.claims import claimed
    from napari_vaesr.training.finish import finish_training
    from napari_vaesr.training.fit import fit, quiet_lightning
    from napari_vaesr.training.follow import Follow
    from napari_vaesr.training.watch import Watch
    from napari_vaesr.training.workers import default_workers

    folder, tuned, latest = prepared.folder, prepared.tuned, Progress(0, 0, "")
    first = int(os.environ.get("LOCAL_RANK", "0")) == 0  # of several processes, and tells for all
    with (
        quiet_lightning(),
        claimed(folder, prepared.models, prepared.settings.name),
        _interrupts() as interrupted,
        progress_bars(quiet=not first) as bars,
        bars.follow("training") as show,
    ):

        def listen(event: Event) -> None:
            nonlocal latest
            if isinstance(event, Progress):
                latest = event
                show(event)

        watch = None
        if tuned is not None:
            watch = Watch(folder, prepared.checks, tuned.network, listen, interrupted)
        follow = Follow(listen, interrupted)
        module = fit(
            prepared.settings,
            prepared.learn,
            prepared.checks,
            folder,
            start=prepared.start,
            teacher=prepared.teacher,
            callbacks=[follow] if watch is None else [follow, watch],
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
    if latest.message:  # not of a run that had ended
        err().print(f"{latest.message}.", markup=False)
    err().print("Trained; now scoring and calibrating on the validation images.")
    command = shlex.join(["napari-vaesr", *sys.argv[1:]])
    with progress_bars(quiet=False) as rest, rest.follow("calibrating") as progress:
        weights = finish_training(
            folder,
            prepared.models,
            prepared.scored,
            command=command,
            start=tuned,
            seen=prepared.seen(),
            progress=progress,
        )
    out().print(f"Model: {weights}", markup=False)
    out().print(f"Log: {folder / 'log'}", markup=False)
    if weights.stem != prepared.settings.name:
        report_note(
            f"another training has made a model {prepared.settings.name} meanwhile, so this one is "
            f"called {weights.stem}."
        )
    using = weights.stem if prepared.output is None else str(weights)
    out().print(f"Use it: napari-vaesr upscale IN OUT --model {shlex.quote(using)}", markup=False)


def _told(found: Verdict) -> str:
    """Say what a fine-tuning brought."""
    change = (
        f"from {found.start.score:.2f} dB to {found.best.score:.2f} dB ({found.gain:+.2f} dB) "
        f"at step {found.best.step}"
    )
    if found.gain > 0:
        return f"On the validation images it went {change}; these weights are kept."
    return f"[bold]Warning:[/] it did not help; on the validation images it went {change}."


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C end a training after the step in hand: what is yielded tells whether it was pressed."""
    pressed = False

    def interrupt(signal_number: int, frame: object) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        err().print("Stopping after this step; press Ctrl-C again to stop at once.")

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)

"""Run a training, resume it after a kill, and turn its checkpoint into a model."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from pydantic import ValidationError
from torch.utils.data import DataLoader, IterableDataset

from napari_vaesr.engine.device import choose_device
from napari_vaesr.errors import TryAgain, VaesrError
from napari_vaesr.files.atomic import atomic_path, is_full
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.module import LOG_EVERY, Training
from napari_vaesr.training.over import remember_base
from napari_vaesr.training.patches import Patches
from napari_vaesr.training.validation import FixedPairs, ValidationPairs
from napari_vaesr.training.workers import START_METHOD, leave_interrupts, notice_ended
from napari_vaesr.zoo.registry import Model

Supply = Callable[[int], IterableDataset[Batch]]
"""From the first step to a dataset of endless batches."""

KEPT = 2
"""Checkpoints of a run: the newest, and one before for where it is damaged."""

CHECKPOINT = re.compile(r"step=\d+(-v\d+)?\.ckpt")
"""How they are called; Lightning counts those of one step."""


def fit(
    config: TrainingConfig,
    train: Sequence[Path] | Supply,
    validate: Sequence[Path] | FixedPairs,
    run: Path,
    *,
    start: Model | None = None,
    teacher: Model | None = None,
    callbacks: Sequence[Callback] = (),
    precision: str = "auto",
    devices: int = 1,
    workers: int = 0,
) -> Training:
    """Train a network, going on from the run's newest checkpoint if there is one.

    Parameters
    ----------
    config : TrainingConfig
        The run's settings; at least one of `steps` and `hours` is set.
    train : sequence of Path, or callable
        Folders of images to learn from; or what supplies batches from a step on.
    validate : sequence of Path, or FixedPairs
        Folders of images to validate on, of other origin than those trained on; or pairs.
    run : Path
        Where the settings (``config.json``), checkpoints and CSV logs go.
    start : Model, optional
        Its weights are the first ones; its network has to be that of `config`, but for blocks that it may
        lack, and `config` names it in `start`.
    teacher : Model, optional
        Its base is learnt instead of the truth's; `config` names it in `teacher`.
    callbacks : sequence of lightning Callback
        Watchers of the run, such as a progress bar.
    precision : str
        ``auto``, or what Lightning's Trainer takes: bfloat16 where the processor has it, else float32.
    devices : int
        How many GPUs, or processes on a CPU, share every batch. Lightning starts the program again for each
        but the first; all of them return, and ``module.trainer.is_global_zero`` tells which is the first.
    workers : int
        How many further processes make the batches of each device; 0 makes them in the training's own.
        Supplies that are called have to share out their steps, as `Batches` do.

    Returns
    -------
    Training
        The module, at the end of the run.

    Raises
    ------
    VaesrError
        When the length of the run is missing, there are no images, the first weights do not fit, the run
        has other settings already, a worker ends, or the disk is full.
    """
    _check(config, start, teacher, devices)
    checkpoint = _prepared(run, config)
    module = Training(config, *(None if model is None else model.network for model in (start, teacher)))
    if config.pool is not None:
        remember_base(run / "base", module.network, module.averaged)
    first_step = 0
    if checkpoint is not None:
        first_step = torch.load(checkpoint, map_location="cpu", weights_only=True)["progress"]["steps"]
    trainer = _trainer(config, run, callbacks, precision, devices)
    batches = train(first_step) if callable(train) else Patches(train, config, first_step)
    pairs = validate if isinstance(validate, FixedPairs) else ValidationPairs(validate, config)
    with _room_told(run):
        _run(trainer, module, batches, pairs, checkpoint, workers)
        last = run / f"step={module.steps_done}.ckpt"
        trainer.save_checkpoint(last)
    if trainer.is_global_zero:
        _remove_older(last)
    return module


@contextmanager
def _room_told(run: Path) -> Iterator[None]:
    """Say that the disk of a run is full: what is said elsewhere names a temporary file on another."""
    try:
        yield
    except OSError as error:
        if not is_full(error):
            raise
        raise TryAgain(
            f"The disk of {run} is full, please make room: the run goes on from its last checkpoint."
        ) from error


def _run(
    trainer: lightning.Trainer,
    module: Training,
    batches: IterableDataset[Batch],
    pairs: FixedPairs,
    checkpoint: Path | None,
    workers: int,
) -> None:
    """Train to the end of the run."""
    with warnings.catch_warnings():
        # On a CPU patches are made in the training process on purpose: it needs all cores itself.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")
        loader = DataLoader(
            batches,
            batch_size=None,
            num_workers=workers,
            multiprocessing_context=START_METHOD if workers else None,
            worker_init_fn=leave_interrupts,
            pin_memory=torch.cuda.is_available(),
        )
        checks = DataLoader(pairs, batch_size=None)
        try:
            trainer.fit(module, loader, checks, ckpt_path=checkpoint, weights_only=True)
        except (RuntimeError, ConnectionError, EOFError) as error:
            # A worker that is killed is noticed as such, or while something of its making is fetched.
            if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
                raise
            notice_ended()
            raise VaesrError(
                "A process that makes patches has ended, perhaps for want of memory or of shared memory "
                "(/dev/shm): give fewer --workers; the run goes on from its last checkpoint."
            ) from error


def _check(config: TrainingConfig, start: Model | None, teacher: Model | None, devices: int) -> None:
    """Refuse what cannot be trained."""
    if config.steps is None and config.hours is None:
        raise VaesrError("A training needs a length: set steps or hours.")
    if start is not None and not config.network.extends(start.card.network):
        raise VaesrError(
            f"The weights of {start.card.name!r} do not fit the network asked for: leave its sizes as they "
            "are, or give a ladder_vae more blocks."
        )
    if teacher is not None and not set(config.network.factors) <= set(teacher.card.network.factors):
        raise VaesrError(
            f"The model {teacher.card.name!r} can't teach the factors {config.network.factors}: choose "
            "one that knows them all."
        )
    if config.batch % devices:
        raise VaesrError(
            f"A batch of {config.batch} cannot be shared by {devices} devices: choose a divisor."
        )


def _prepared(run: Path, config: TrainingConfig) -> Path | None:
    """Make the folder of a run, write the settings there, and return the checkpoint to go on from, if any."""
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = newest_checkpoint(run)
    # What was trained with other settings cannot go on with these; the length alone may change.
    settings = run / "config.json"
    if checkpoint is not None:
        try:
            before = TrainingConfig.model_validate_json(settings.read_bytes())
        except (OSError, ValidationError) as error:
            raise VaesrError(
                f"{settings} is missing or damaged, without which the run can't go on: use another folder."
            ) from error
        free: Any = dict.fromkeys(("steps", "hours", "title", "description", "sources", "subject"), True)
        free["network"] = {"orientations"}  # which no weights depend on
        if before.model_dump(exclude=free) != config.model_dump(exclude=free):
            raise VaesrError(
                f"{settings} has other settings than asked for: resume with those, or use another folder."
            )
    with atomic_path(settings) as temporary:  # it is needed to go on
        temporary.write_text(config.model_dump_json(indent=2) + "\n")
    return checkpoint


def _trainer(
    config: TrainingConfig, run: Path, callbacks: Sequence[Callback], precision: str, devices: int
) -> lightning.Trainer:
    return lightning.Trainer(
        max_epochs=-1,
        precision=_precision() if precision == "auto" else precision,  # type: ignore[arg-type]
        logger=CSVLogger(run, name="log"),
        callbacks=[
            # Named by our own count, for Lightning's has one for each of the two optimisers.
            ModelCheckpoint(
                run,
                filename="step={steps_done:.0f}",
                auto_insert_metric_name=False,
                monitor="steps_done",
                mode="max",
                save_top_k=KEPT,
            ),
            *callbacks,
        ],
        val_check_interval=config.validate_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=LOG_EVERY,
        devices=devices,
        # A step trains the head of one scale, and at first the base alone; the rest has no gradient then.
        strategy="ddp_find_unused_parameters_true" if devices > 1 else "auto",
        use_distributed_sampler=False,  # every process validates on everything, so the scores are whole
    )


def newest_checkpoint(run: Path) -> Path | None:
    """Find the newest checkpoint that can be read; one cut short by a kill is passed over."""
    for path in sorted(run.glob("*.ckpt"), key=lambda p: p.stat().st_mtime, reverse=True):
        try:
            torch.load(path, map_location="cpu", weights_only=True)
        except Exception:
            continue
        return path
    return None


def _remove_older(last: Path) -> None:
    """Remove what Lightning lost sight of where a run was stopped and gone on with; leave copies by hand."""
    own = [path for path in last.parent.glob("*.ckpt") if CHECKPOINT.fullmatch(path.name) and path != last]
    newest = sorted(own, key=lambda path: path.stat().st_mtime_ns)
    for path in newest[: len(newest) - (KEPT - 1)]:
        path.unlink(missing_ok=True)


def _precision() -> str:
    """Name Lightning's mixed precision for the device that it will choose."""
    return {"bfloat16": "bf16-mixed", "float16": "16-mixed"}.get(choose_device().precision, "32-true")


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advice, which is for people who write training loops, from the user."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

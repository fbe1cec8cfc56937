"""Watch a training that started from a model: compare it with its start, and keep the best weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import cast

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_vaesr.engine.progress import Progress
from napari_vaesr.errors import Cancelled, VaesrError
from napari_vaesr.files.atomic import atomic_path
from napari_vaesr.imaging.sampling import middle_part
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.training.events import Listen, Losses, Pictures, Validation, Verdict
from napari_vaesr.training.module import Training, validation_scores
from napari_vaesr.training.validation import FixedPairs
from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.config import Factor, factor_name
from napari_vaesr.vae.resize import upsample_bicubic

EVERY = 5
"""Steps between losses that are told."""

PICTURE = 96
"""Largest side of the pictures of a validation tile, in high-res pixels."""


class Watch(Callback):
    """Compares a training with its start at every validation, and keeps the best averaged weights.

    Parameters
    ----------
    run : Path
        The folder of the run; the checks go into ``checks.json``, the best weights into ``best.safetensors``.
    pairs : FixedPairs
        What it is validated on.
    start : SuperResolutionVAE
        The network that it started from.
    listen : callable
        Told about the check of the start, losses, verdicts and pictures, in the thread of the training.
    should_stop : callable
        Asked while the start is checked.
    """

    def __init__(
        self,
        run: Path,
        pairs: FixedPairs,
        start: SuperResolutionVAE,
        listen: Listen,
        should_stop: Callable[[], bool],
    ) -> None:
        self.folder, self.pairs, self.start = run, pairs, start
        self.listen, self.should_stop = listen, should_stop
        self.checks = read_checks(run)
        self._before: Tensor | None = None

    @property
    def verdict(self) -> Verdict:
        """What the checks so far say."""
        return Verdict(tuple(self.checks))

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Check the start, unless that was done before an interruption."""
        training = cast(Training, module)
        # What was checked after the checkpoint that the training goes on from is done again.
        self.checks = [check for check in self.checks if check.step <= training.steps_done]
        if not self.checks:
            self._add(Validation(step=0, scores=self._scores(trainer, training, first=True)))
        self.listen(self.verdict)
        self._show(training)

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: object) -> None:
        """Tell what the step lost."""
        training = cast(Training, module)
        if training.steps_done % EVERY == 0 or training.progress >= 1:
            self.listen(_losses(training))

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Take the scores down, and keep the weights if they are the best so far."""
        training = cast(Training, module)
        metrics = trainer.callback_metrics
        names = sorted({factor_name(pair.factor) for pair in self.pairs.pairs})
        self._take(
            training,
            Validation(
                step=training.steps_done,
                scores={name: float(metrics[f"psnr_mean_x{name}"]) for name in names},
            ),
        )

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Check the end of the run too, which seldom falls on a validation."""
        training = cast(Training, module)
        if training.progress >= 1 and self.checks[-1].step < training.steps_done:
            self._take(training, Validation(step=training.steps_done, scores=self._scores(trainer, training)))

    def _take(self, training: Training, check: Validation) -> None:
        best = self.verdict.best
        if best.step == 0 or check.score > best.score:
            state = {name: weight.contiguous() for name, weight in training.averaged.state_dict().items()}
            with atomic_path(self.folder / "best.safetensors") as temporary:
                save_file(state, temporary, {"step": str(check.step)})
        self._add(check)
        self.listen(self.verdict)
        self._show(training)

    def _add(self, check: Validation) -> None:
        self.checks.append(check)
        with atomic_path(self.folder / "checks.json") as temporary:
            temporary.write_bytes(_CHECKS.dump_json(self.checks))

    @torch.inference_mode()
    def _scores(self, trainer: Trainer, training: Training, first: bool = False) -> dict[str, float]:
        """Score the averaged weights as the validation does; at first, tell of it and stop when asked to."""
        scores: dict[str, list[float]] = {}
        with trainer.precision_plugin.val_step_context():
            for index, pair in enumerate(self.pairs.pairs):
                if first:
                    self.listen(Progress(index, len(self.pairs.pairs), "Checking the start"))
                    if self.should_stop():
                        raise Cancelled
                score = validation_scores(training.averaged, pair.to(training.device), index)["mean"]
                scores.setdefault(factor_name(pair.factor), []).append(score)
        return {name: fmean(values) for name, values in scores.items()}

    @torch.inference_mode()
    def _show(self, training: Training) -> None:
        """Make pictures of one tile by the start and by the present weights."""
        tile = _tile(self.pairs.pairs, training.config.network.factors)
        if self._before is None:
            self._before = _mean(self.start, tile)
        mean = _mean(training.averaged, tile.to(training.device))
        centre = tile.plane
        images = (upsample_bicubic(centre, tile.factor), self._before, mean, tile.high)
        low, before, now, truth = (each[0, 0].float().cpu().numpy() for each in images)
        self.listen(Pictures(low, before, now, truth, tile.factor[0]))


def _losses(training: Training) -> Losses:
    values = {name: float(value) for name, value in training.latest.items()}
    levels = tuple(values[name] for name in sorted(values) if name.startswith("kl_"))
    return Losses(training.steps_done, values.get("loss", 0.0), levels)


def _tile(pairs: Sequence[Batch], factors: Sequence[Factor]) -> Batch:
    """Cut the middle out of the pair, of the first of these factors that there is, with the most contrast."""
    first = min((pair.factor for pair in pairs), key=factors.index)
    pair = max((pair for pair in pairs if pair.factor == first), key=lambda pair: float(pair.high.std()))
    side = PICTURE // first[0] // 16 * 16
    rows, columns = (middle_part(size, side) for size in pair.low.shape[-2:])
    parts = zip((rows, columns), first, strict=True)
    fine = [slice(each.start * scale, each.stop * scale) for each, scale in parts]
    return pair._replace(low=pair.low[..., rows, columns], high=pair.high[..., fine[0], fine[1]])


def _mean(network: SuperResolutionVAE, pair: Batch) -> Tensor:
    """Return the mean of a few samples."""
    noise = network.antithetic_noise(pair.low, 8, torch.Generator().manual_seed(0))
    encoded = network.encode(pair.low, pair.factor, pair.conditions)
    return network.decode(encoded, noise).mean(dim=0)


_CHECKS = TypeAdapter(list[Validation])


def read_checks(run: Path) -> list[Validation]:
    """Read the checks of a run; none where there are none yet, or the file is damaged."""
    try:
        return _CHECKS.validate_json((run / "checks.json").read_bytes())
    except (OSError, ValidationError):
        return []


def best_weights(run: Path) -> dict[str, Tensor] | None:
    """Read the best weights that a watched run has kept, None where there are none.

    Raises
    ------
    VaesrError
        When the file is damaged.
    """
    path = run / "best.safetensors"
    if not path.exists():
        return None
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise VaesrError(f"The weights {path} are damaged: train on until the next check.") from error

"""Tell how far a training is, and stop it when asked to."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import cast

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from napari_vaesr.engine.progress import Progress
from napari_vaesr.training.module import Training

WHOLE = 1_000_000
"""What a whole run counts as: a run may be so many hours long, and the time left is reckoned from it."""


class Follow(Callback):
    """Tells after every step how far a training is, and ends it after a step when asked to.

    Parameters
    ----------
    progress : callable
        Called with every `Progress`, in the thread of the training.
    should_stop : callable, optional
        Asked after every step.
    """

    def __init__(
        self, progress: Callable[[Progress], None], should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        self.progress, self.should_stop = progress, should_stop
        self._pace: deque[tuple[int, float]] = deque(maxlen=100)

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: object) -> None:
        """Tell how far it is, and stop when asked to."""
        training = cast(Training, module)
        self._pace.append((training.steps_done, training.seconds_done))
        self.progress(Progress(int(WHOLE * training.progress), WHOLE, self._told(trainer)))
        stop = self.should_stop()
        if trainer.world_size > 1:  # all together, or the others would wait for ever
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        if stop:
            trainer.should_stop = True

    def _told(self, trainer: Trainer) -> str:
        """Name the step, the pace of late and the latest scores."""
        (first, began), (last, ended) = self._pace[0], self._pace[-1]
        pace = f", {(last - first) / (ended - began):.1f} per second" if ended > began else ""
        scores = [
            f"×{name.removeprefix('psnr_mean_x')} {float(value):.2f} dB"
            for name, value in sorted(trainer.callback_metrics.items())
            if name.startswith("psnr_mean_x")
        ]
        return f"Step {last}{pace}{': ' if scores else ''}{', '.join(scores)}"

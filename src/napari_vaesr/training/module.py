"""The Lightning module: one training step, its optimisers and its validation."""

from __future__ import annotations

import time
from math import cos, log10, pi
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_vaesr.engine.device import choose_device
from napari_vaesr.engine.upscaler import prepare_network
from napari_vaesr.pairs.degradation import Batch
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.muon import Muon
from napari_vaesr.trust.block_means import SIDES
from napari_vaesr.vae.base import Elbo, SuperResolutionVAE
from napari_vaesr.vae.build import build
from napari_vaesr.vae.config import Factor, factor_name
from napari_vaesr.vae.factor import shuffle
from napari_vaesr.zoo.bases import with_base

VALIDATION_SAMPLES = 8
SMALLEST_SPREAD = 1e-3
"""Added to the spread that scores are divided by; a quarter of a grey level of 8 bits."""

LOG_EVERY = 50
"""Steps between lines of the log."""


def psnr(estimate: Tensor, truth: Tensor, border: int) -> float:
    """Peak signal-to-noise ratio in dB for a peak of 1, without a border of so many pixels.

    Parameters
    ----------
    estimate, truth : Tensor of shape (..., Y, X)
        In unit intensity.
    border : int
        Pixels to leave out on every side, 1 or more.
    """
    inside = slice(border, -border)
    error = (estimate - truth)[..., inside, inside]
    return -10 * log10(float(error.square().mean().clamp(min=1e-10)))


def validation_scores(network: SuperResolutionVAE, batch: Batch, seed: int) -> dict[str, float]:
    """Return the PSNR in dB of the base, of the mean of a few samples and of one sample of a pair.

    The same seed draws the same samples, so that two networks can be compared.

    Parameters
    ----------
    network : SuperResolutionVAE
        In evaluation mode.
    batch : Batch
        Of one pair.
    seed : int
        Of the samples.
    """
    return _scored(network, batch, seed)[0]


def _scored(network: SuperResolutionVAE, batch: Batch, seed: int) -> tuple[dict[str, float], Tensor]:
    """Return `validation_scores` and, for each of `SIDES`, squared error and variance of block means."""
    low, high, factor, conditions = batch
    encoded = network.encode(low, factor, conditions)
    noise = network.antithetic_noise(low, VALIDATION_SAMPLES, torch.Generator().manual_seed(seed))
    samples = network.decode(encoded, noise)
    mean = samples.mean(dim=0)
    estimates = {"base": encoded.base, "mean": mean, "one": samples[0]}
    scores = {name: psnr(estimate, high, max(factor)) for name, estimate in estimates.items()}
    blocks = []
    for side in SIDES:
        error, apart = (block_means(part, side) for part in (mean - high, samples.flatten(0, 1) - mean))
        blocks.append(torch.stack([error.square().mean(), apart.square().mean()]))
    return scores, torch.stack(blocks)


def block_means(images: Tensor, side: int) -> Tensor:
    """Return the means of whole blocks of so many pixels a side, of images (batch, 1, height, width)."""
    return F.avg_pool2d(images, (min(side, images.shape[-2]), min(side, images.shape[-1])))


class Training(lightning.LightningModule):
    """Trains a super-resolution VAE on its evidence lower bound.

    The loss, in nats per high-res pixel, is ``base_weight * |base - truth| + NLL + KL + score_weight *
    CRPS``; all but the first term join in after the first `base_share` of the run, from when on a base that
    the bound does not move learns by its root mean square error in each patch. The learning rates follow
    a cosine whose end is the real end of the run, counted in steps or in hours of training; those of the
    ladder begin when it does.

    Parameters
    ----------
    config : TrainingConfig
        The run's settings.
    start : SuperResolutionVAE, optional
        A network whose weights are the first ones, of the same sizes but perhaps with fewer blocks in its
        trunk; it is not changed.
    teacher : SuperResolutionVAE, optional
        A network of any size whose base stands for the truth in the base's loss (knowledge distillation,
        Hinton et al., 2015); it is not changed. The ladder learns from the truth.

    Attributes
    ----------
    latest : dict of str to Tensor
        The loss and its terms at the latest step.
    """

    def __init__(
        self,
        config: TrainingConfig,
        start: SuperResolutionVAE | None = None,
        teacher: SuperResolutionVAE | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.automatic_optimization = False
        torch.manual_seed(config.seed)
        self.network = with_base(build(config.network))
        if start is not None:
            self.network.begin_with(start)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Judged as it will be used, before the run as after it.
        self.average = AveragedModel(self.network).eval()
        # In a tuple, or it would be trained and saved with the rest.
        self._teacher = None if teacher is None else (teacher,)
        self.steps_done = 0
        self.ladder_steps = 0
        self.seconds_done = 0.0
        self.latest: dict[str, Tensor] = {}
        self._clock: float | None = None
        self._blocks: dict[str, Tensor] = {}

    @property
    def averaged(self) -> SuperResolutionVAE:
        """The network with averaged weights: what is validated and kept."""
        return cast("SuperResolutionVAE", self.average.module)

    @property
    def progress(self) -> float:
        """How much of the run is done, from 0 to 1."""
        steps = self.steps_done / self.config.steps if self.config.steps else 0.0
        hours = self.seconds_done / 3600 / self.config.hours if self.config.hours else 0.0
        return min(1.0, max(steps, hours))

    @property
    def ladder_learns(self) -> bool:
        """Whether the run is past the share of it in which the base learns alone."""
        return self.progress >= self.config.base_share or not self.network.base_parts

    def configure_optimizers(self) -> Any:
        """Muon for the convolutions inside, AdamW for the first and last layers, 1 x 1 kernels and biases.

        What the base is made of and the rest, whose learning begins later, have groups of their own; so has
        the likelihood's sigma, which has far to go.
        """
        config = self.config
        muon: dict[tuple[float, float], list[Tensor]] = {}
        adam: dict[tuple[float, float], list[Tensor]] = {}
        for weight, role, is_base in self.network.weights():
            start = 0.0 if is_base else config.base_share
            if role == "inner":
                muon.setdefault((config.muon_rate, start), []).append(weight)
            else:
                peak = config.sigma_rate if role == "sigma" else config.adam_rate
                adam.setdefault((peak, start), []).append(weight)

        def groups(parts: dict[tuple[float, float], list[Tensor]]) -> list[dict[str, Any]]:
            # A network may have no weights of a kind; optimisers ask for a group all the same.
            kinds = parts or {(config.adam_rate, 0.0): []}
            return [
                {"params": p, "lr": peak, "peak": peak, "start": start} for (peak, start), p in kinds.items()
            ]

        return [
            Muon(groups(muon), lr=config.muon_rate),
            torch.optim.AdamW(groups(adam), betas=(0.9, 0.99), weight_decay=0.0),
        ]

    def training_step(self, batch: Batch, batch_index: int) -> None:
        """Take one step on both optimisers."""
        config, ladder_learns = self.config, self.ladder_learns
        loss, values = self._loss(batch) if ladder_learns else self._base_loss(batch)
        muon, adam = cast("list[LightningOptimizer]", self.optimizers())
        muon.zero_grad()
        adam.zero_grad()
        self.manual_backward(loss)
        for group in [*muon.param_groups, *adam.param_groups]:
            group["lr"] = group["peak"] * self._rate(group["start"])
        for group in adam.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], config.clip)
        # One bad batch must not ruin a run of hours.
        if torch.isfinite(self._over_devices(loss.detach())):
            muon.step()
            adam.step()
        # Young averages forget faster, or the initial weights would linger.
        decay = min(config.average, (1 + self.steps_done) / (10 + self.steps_done))
        self.average.multi_avg_fn = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        self.average.update_parameters(self.network)
        self.latest = {"loss": loss.detach()} | {name: value.detach() for name, value in values.items()}
        self.steps_done += 1
        self.ladder_steps += ladder_learns
        now = time.monotonic()
        self.seconds_done += now - (self._clock or now)
        self._clock = now
        if self.trainer.world_size > 1:  # all stop at the same step, by the clock of the first
            self.seconds_done = self.trainer.strategy.broadcast(self.seconds_done)
        if self.steps_done % LOG_EVERY == 0:
            self.log_dict({**self.latest, "rate": self._rate(0.0), "hours": self.seconds_done / 3600})
        if self.progress >= 1:
            self.trainer.should_stop = True

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Take this process's share of a batch that several devices learn from.

        All processes make the same batches, of the same scales, so the mean of their gradients is that of the
        whole batch, and a run goes on alike on another number of devices.
        """
        if self.trainer.world_size == 1 or not self.trainer.training:
            return batch
        mine = slice(self.trainer.global_rank, None, self.trainer.world_size)
        return Batch(batch.low[mine], batch.high[mine], batch.factor, batch.conditions[mine])

    def on_train_start(self) -> None:
        """Draw other latents on every device; a run that has ended learns nothing more."""
        if self.trainer.world_size > 1:
            torch.manual_seed(self.config.seed + self.trainer.global_rank)
        if self.progress >= 1:
            self.trainer.should_stop = True

    def _over_devices(self, value: Tensor) -> Tensor:
        """Return the mean over all devices that share the batch."""
        if self.trainer.world_size == 1:
            return value
        return cast("Tensor", self.trainer.strategy.reduce(value, reduce_op="mean"))

    def _base_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss while the base learns alone, and what to log."""
        base = self.network.encode(batch.low, batch.factor, batch.conditions).base
        error = (base - self._target(batch)).abs().mean()
        return self.config.base_weight * error, {f"base_error_x{factor_name(batch.factor)}": error}

    @torch.no_grad()
    def _target(self, batch: Batch) -> Tensor:
        """Return what the base is to be: the truth, or the teacher's base."""
        if self._teacher is None:
            return batch.high
        low = batch.low
        network = prepare_network(self._teacher[0], choose_device(str(low.device)))
        with torch.autocast(low.device.type, enabled=False):
            return network.encode(low, batch.factor, batch.conditions).base

    def _loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of everything, and what to log."""
        config = self.config
        low, high, factor, conditions = batch
        elbo = self.network.elbo(low, high, factor, conditions)
        pixels = high[0].numel()
        kl = torch.zeros(())
        for level, nats in zip(config.network.levels, elbo.kl, strict=True):
            positions = low.shape[-2] * low.shape[-1] / level.stride**2
            kl = kl + nats.clamp(min=config.free_bits) * positions / pixels
        error = (elbo.base - self._target(batch)).abs()
        annealed = min(1.0, (self.ladder_steps + 1) / max(1, config.anneal))
        score = self._score(elbo, high, factor) if config.score_weight else torch.zeros(())
        loss = elbo.nll + annealed * kl + config.score_weight * score
        if config.base_weight:  # without it the base stays as it is, safe from the weight decay too
            loss = loss + config.base_weight * self._joint_base_loss(error)
        levels = {f"kl_{index}": nats for index, nats in enumerate(elbo.kl)}
        name = factor_name(factor)
        values = {
            f"base_error_x{name}": error.mean(),
            "nll": elbo.nll,
            "score": score,
            f"sigma_x{name}": elbo.sigma,
        }
        return loss, {**values, **levels}

    def _joint_base_loss(self, error: Tensor) -> Tensor:
        """Return what the base learns by beside the ladder.

        Absolute errors learn faster, but their best answer is the median; the base is to be the mean. So it
        is the root mean square of each patch: clean patches, whose errors are small, count as much as noisy
        ones.
        """
        if not self.network.base_parts:
            return error.mean()
        return (error.square().mean(dim=(-3, -2, -1)) + SMALLEST_SPREAD**2).sqrt().mean()

    def _score(self, elbo: Elbo, high: Tensor, factor: Factor) -> Tensor:
        """Return how well two samples from the prior foretell the truth and the means of its blocks.

        The bound teaches the posterior, which sees the truth; this teaches what is drawn without it. The
        fair estimate of the continuous ranked probability score (Ferro, 2014) is right in expectation for
        two samples; divided by their spread in the neighbourhood, a score stays proper, and faint detail
        counts as much as strong. It is averaged over the means of blocks of several sizes
        (`TrainingConfig.score_blocks`), so that samples are right about areas, too. One half of the batch is
        enough.
        """
        half = (len(high) + 1) // 2
        encoded = elbo.encoded.first(half)
        grid = [side // times for side, times in zip(high.shape[-2:], factor, strict=True)]
        noise = [
            torch.randn(2, half, level.channels, *(n // level.stride for n in grid), device=high.device)
            for level in self.network.levels
        ]
        residuals = shuffle(self.network.residuals(encoded, noise), factor)
        base = encoded.base.detach() if self.network.base_parts else encoded.base
        # The samples and the truth as one batch, for they are all averaged alike.
        pixels = torch.cat([residuals.flatten(0, 1), high[:half] - base])
        scores = []
        for side in self.config.score_blocks:
            one, other, truth = block_means(pixels, side).chunk(3)
            apart = (one - other).abs()
            score = 0.5 * ((one - truth).abs() + (other - truth).abs() - apart)
            wide = [min(7, size - 1 + size % 2) for size in apart.shape[-2:]]
            around = [size // 2 for size in wide]
            spread = F.avg_pool2d(apart.detach(), wide, 1, around, count_include_pad=False)
            # The mean of many pixels is surer than one.
            scores.append((score / (spread + SMALLEST_SPREAD / side)).mean())
        relative: Tensor = torch.stack(scores).mean()
        return relative

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Log the PSNR of the base, of the mean of a few samples and of one sample."""
        name = factor_name(batch.factor)
        scores, blocks = _scored(self.averaged, batch, batch_index)
        for what, value in scores.items():
            self.log(f"psnr_{what}_x{name}", value, on_epoch=True, on_step=False, batch_size=1)
        self._blocks[name] = self._blocks.get(name, torch.zeros(())) + blocks.cpu()
        self.log("steps_done", float(self.steps_done), on_epoch=True, on_step=False, batch_size=1)

    def on_validation_epoch_end(self) -> None:
        """Log the root mean square error of block means over what the samples say of it: 1 is right."""
        for name, sums in self._blocks.items():
            for side, (error, said) in zip(SIDES, sums, strict=True):
                self.log(f"blocks_{side}_x{name}", float((error / said.clamp(min=1e-12)).sqrt()))
        self._blocks.clear()

    def on_validation_end(self) -> None:
        """Do not count the time of validation as training."""
        self._clock = None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep how far the run is."""
        checkpoint["progress"] = {
            "steps": self.steps_done,
            "ladder_steps": self.ladder_steps,
            "seconds": self.seconds_done,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the run was."""
        self.steps_done = checkpoint["progress"]["steps"]
        self.ladder_steps = checkpoint["progress"]["ladder_steps"]
        self.seconds_done = checkpoint["progress"]["seconds"]

    def _rate(self, start: float) -> float:
        """Return the share of the peak learning rate that holds now for what learns from `start` on."""
        steps = self.steps_done if start == 0 else self.ladder_steps
        rise = min(1.0, (steps + 1) / max(1, self.config.warmup))
        along = max(0.0, self.progress - start) / max(1 - start, 1e-9)
        return rise * (0.01 + 0.99 * 0.5 * (1 + cos(pi * along)))

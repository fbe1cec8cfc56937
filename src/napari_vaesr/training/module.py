"""The Lightning module: one training step, its optimisers and its validation."""

from __future__ import annotations

import time
from math import cos, log10, pi
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.muon import Muon
from napari_vaesr.vae.base import SuperResolutionVAE
from napari_vaesr.vae.build import build

Pair = tuple[Tensor, Tensor, int]

VALIDATION_SAMPLES = 8
LOG_EVERY = 50
"""Steps between lines of the log."""


def antithetic_noise(
    network: SuperResolutionVAE, low: Tensor, samples: int, generator: torch.Generator | None = None
) -> list[Tensor]:
    """Draw latent noise for planes (batch, frames, height, width), in antithetic pairs, without a place."""
    noise = []
    for level in network.levels:
        size = (low.shape[-2] // level.stride, low.shape[-1] // level.stride)
        one = torch.randn(samples // 2, len(low), level.channels, *size, generator=generator).to(low.device)
        noise.append(torch.stack([one, -one], dim=1).flatten(0, 1))
    return noise


def psnr(estimate: Tensor, truth: Tensor, border: int) -> float:
    """Peak signal-to-noise ratio in dB for a peak of 1, without a border of so many pixels."""
    inside = slice(border, -border)
    error = (estimate - truth)[..., inside, inside]
    return -10 * log10(float(error.square().mean().clamp(min=1e-10)))


def validation_scores(network: SuperResolutionVAE, pair: Pair, seed: int) -> dict[str, float]:
    """Return the PSNR in dB of the base, of the mean of a few samples and of one sample of a pair.

    The same seed draws the same samples, so that two networks can be compared.
    """
    low, high, scale = pair
    encoded = network.encode(low, scale)
    noise = antithetic_noise(network, low, VALIDATION_SAMPLES, torch.Generator().manual_seed(seed))
    samples = network.decode(encoded, noise)
    estimates = {"base": encoded.base, "mean": samples.mean(dim=0), "one": samples[0]}
    return {name: psnr(estimate, high, scale) for name, estimate in estimates.items()}


class Training(lightning.LightningModule):
    """Trains a super-resolution VAE on its evidence lower bound.

    The loss, in nats per high-res pixel, is ``base_weight * |base - truth| + NLL + KL``; the last two join
    in after the first `base_share` of the run. The learning rates follow a cosine whose end is the real end
    of the run, counted in steps or in hours of training; those of the ladder begin when it does.

    Parameters
    ----------
    config : TrainingConfig
        The run's settings.
    start : SuperResolutionVAE, optional
        A network of the same sizes whose weights are the first ones; it is not changed.

    Attributes
    ----------
    latest : dict of str to Tensor
        The loss and its terms at the latest step.
    """

    def __init__(self, config: TrainingConfig, start: SuperResolutionVAE | None = None) -> None:
        super().__init__()
        self.config = config
        self.automatic_optimization = False
        torch.manual_seed(config.seed)
        self.network = build(config.network)
        if start is not None:
            self.network.load_state_dict(start.state_dict())
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedModel(self.network)
        self.steps_done = 0
        self.ladder_steps = 0
        self.seconds_done = 0.0
        self.latest: dict[str, Tensor] = {}
        self._clock: float | None = None

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

        Either has a group for what the base is made of and one for the rest, whose learning begins later.
        """
        inside: tuple[list[Tensor], list[Tensor]] = ([], [])
        rest: tuple[list[Tensor], list[Tensor]] = ([], [])
        for name, weight in self.network.named_parameters():
            is_inner = (
                weight.ndim == 4 and weight.shape[-1] > 1 and "head" not in name and "entry" not in name
            )
            part = int(name.partition(".")[0] not in self.network.base_parts)
            (inside if is_inner and min(weight.shape[:2]) >= 8 else rest)[part].append(weight)
        return [
            Muon([{"params": weights} for weights in inside], lr=self.config.muon_rate),
            torch.optim.AdamW(
                [{"params": weights} for weights in rest],
                lr=self.config.adam_rate,
                betas=(0.9, 0.99),
                weight_decay=0.0,
            ),
        ]

    def training_step(self, batch: Pair, batch_index: int) -> None:
        """Take one step on both optimisers."""
        config, ladder_learns = self.config, self.ladder_learns
        loss, values = self._loss(*batch) if ladder_learns else self._base_loss(*batch)
        muon, adam = cast("list[LightningOptimizer]", self.optimizers())
        muon.zero_grad()
        adam.zero_grad()
        self.manual_backward(loss)
        rates = (self._rate(0.0), self._rate(config.base_share if self.network.base_parts else 0.0))
        for optimizer, peak in ((muon, config.muon_rate), (adam, config.adam_rate)):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = peak * rate
        for group in adam.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], config.clip)
        # One bad batch must not ruin a run of hours.
        if torch.isfinite(loss):
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
        if self.steps_done % LOG_EVERY == 0:
            self.log_dict({**self.latest, "rate": rates[0], "hours": self.seconds_done / 3600})
        if self.progress >= 1:
            self.trainer.should_stop = True

    def _base_loss(self, low: Tensor, high: Tensor, scale: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss while the base learns alone, and what to log."""
        error = (self.network.encode(low, scale).base - high).abs().mean()
        return self.config.base_weight * error, {f"base_error_x{scale}": error}

    def _loss(self, low: Tensor, high: Tensor, scale: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of everything, and what to log."""
        config, elbo = self.config, self.network.elbo(low, high, scale)
        pixels = high[0].numel()
        kl = torch.zeros(())
        for level, nats in zip(config.network.levels, elbo.kl, strict=True):
            positions = low.shape[-2] * low.shape[-1] / level.stride**2
            kl = kl + nats.clamp(min=config.free_bits) * positions / pixels
        base = (elbo.base - high).abs().mean()
        annealed = min(1.0, (self.ladder_steps + 1) / max(1, config.anneal))
        loss = config.base_weight * base + elbo.nll + annealed * kl
        levels = {f"kl_{index}": nats for index, nats in enumerate(elbo.kl)}
        values = {"loss": loss, f"base_error_x{scale}": base, "nll": elbo.nll, f"sigma_x{scale}": elbo.sigma}
        return loss, {**values, **levels}

    def validation_step(self, batch: Pair, batch_index: int) -> None:
        """Log the luma PSNR of the base, of the mean of a few samples and of one sample."""
        scale = batch[2]
        for name, value in validation_scores(self.averaged, batch, batch_index).items():
            self.log(f"psnr_{name}_x{scale}", value, on_epoch=True, on_step=False, batch_size=1)
        self.log("steps_done", float(self.steps_done), on_epoch=True, on_step=False, batch_size=1)

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

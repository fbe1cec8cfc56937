"""The residual conditional ladder VAE: a base plus a residual drawn through a ladder of latents.

    F = trunk(y)                                       plain convolutions at low resolution
    b = bicubic(y) + shuffle(conv(F))                  the base
    z_l ~ N(0, prior_l(F))                             coarse to fine
    x = b + (r(F, z) - r(F, -z)) / 2                   one sample, r = shuffle(conv(decoder))

The residual is odd in the latents, so samples lie around the base on both sides alike, and the mean of
antithetic ones is the base itself: nothing is lost to the chance of the draw.

Where the input can be taken at its word (`NetworkConfig.consistent`), bicubic(y) is sharpened until its
downscaling is y, and the corrections of the base and of the samples lose what downscaling would see of them.

A conditioned network is told the noise's standard deviation at every pixel and the blur of the optics, as
further planes of its first layer, as FFDNet (Zhang et al., 2018a) and SRMD (Zhang et al., 2018b) do: it need
not guess whether fine grain is texture or noise. Where it is told that there is neither, it is consistent.

The base may be the mean over several orientations of y (`NetworkConfig.orientations`), as in the geometric
self-ensemble of Timofte et al. (2016).

The conditional prior follows Sohn et al. (2015), the top-down ladder Sønderby et al. (2016) and the
posterior relative to the prior Vahdat and Kautz (2020). The trunk's blocks are those of EDSR (Lim et al.,
2017): no normalisation and no pooling over the image, so that the reach of a pixel is known and tiles can
be exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_vaesr.vae.base import Elbo, Encoded, Inputs, SuperResolutionVAE
from napari_vaesr.vae.config import Factor, NetworkConfig, factor_name
from napari_vaesr.vae.consistent import consistent_base, consistent_residual, reach_of, taken_at_word
from napari_vaesr.vae.factor import shuffle, unshuffle
from napari_vaesr.vae.fused import convolve, convolve_add_relu, convolve_rectify, rectify, rectify_
from napari_vaesr.vae.orientations import ORIENTATIONS
from napari_vaesr.vae.resize import upsample_bicubic
from napari_vaesr.vae.trunk import ResidualBlock, Trunk, conv3x3, noise_map

RESIDUAL_UNIT = 0.04
"""A typical standard deviation of ``x - b``, intensities in [0, 1]: brings the posterior's input near 1."""


LADDER_BLOCKS = 2
"""Residual blocks between the trunk's features and the ladder."""

Draw = Callable[[int, Tensor | None], Tensor]
"""From a level and the coarser level's message to latents."""


def bounded_exp(x: Tensor) -> Tensor:
    """Exponential of an argument kept within 5 of zero, against overflow early in training."""
    return torch.exp(x.clamp(-5.0, 5.0))


def over_samples(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a layer for (batch, ...) to a tensor (samples, batch, ...)."""
    y = layer(x.flatten(0, 1))
    return y.reshape(*x.shape[:2], *y.shape[1:])


class Rung(nn.Module):
    """One level of the ladder: the prior and the posterior of its latents, and the state they lead to.

    Latents are drawn around zero: any other mean would only repeat what the features and the message
    already add.
    """

    def __init__(self, width: int, channels: int, message: int) -> None:
        super().__init__()
        self.prior = nn.Conv2d(width, channels, 1)
        self.mix = conv3x3(channels + message, width, gain=0.3)
        self.evidence = conv3x3(2 * width + message, width)
        self.posterior = conv3x3(width, 2 * channels, gain=0.1)
        nn.init.normal_(self.prior.weight, std=0.01)

    def prior_scale(self, features: Tensor) -> Tensor:
        """Return the prior's standard deviation, computed once for all samples.

        Parameters
        ----------
        features : Tensor of shape (batch, width, height, width)
            Of the plane, on the level's grid.

        Returns
        -------
        Tensor of shape (batch, channels, height, width)
            From exp(-5) to exp(5).
        """
        return bounded_exp(self.prior(features))

    def forward(self, latents: Tensor, message: Tensor | None, features: Tensor) -> Tensor:
        """Return the decoder's state, (samples, batch, width, height, width).

        Parameters
        ----------
        latents : Tensor of shape (samples, batch, channels, height, width)
            Of this level.
        message : Tensor or None
            From the coarser level, on the same grid; None for the coarsest.
        features : Tensor of shape (batch, width, height, width)
            Of the plane, on the same grid.
        """
        latents = latents if message is None else torch.cat([latents, message], dim=2)
        samples, batch = latents.shape[:2]
        if samples > 1:
            features = features.repeat(samples, 1, 1, 1)
        planes = latents.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        state = convolve_add_relu(self.mix, planes, features)
        return state.reshape(samples, batch, *state.shape[1:])


class Descent(nn.Module):
    """From one level's state to a message for the next level.

    It is made on the coarse grid and repeated, for what happens on the fine grid is paid for every sample.
    """

    def __init__(self, width: int, channels: int, step: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(width, channels, 1)
        self.step = step
        nn.init.normal_(self.layer.weight, std=0.05)

    def forward(self, state: Tensor) -> Tensor:
        """From (samples, batch, width, height, width) to channels on a grid `step` times finer."""
        return over_samples(lambda x: F.interpolate(self.layer(x), scale_factor=self.step), state)


class LadderVAE(SuperResolutionVAE):
    """The model of this project. See the module's docstring for its equations.

    Parameters
    ----------
    config : NetworkConfig
        `width` and `blocks` size the trunk, `decoder_width` the part repeated per sample, `levels` the
        latents.
    """

    base_parts: ClassVar[tuple[str, ...]] = ("trunk", "base_head")
    is_odd: ClassVar[bool] = True

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width, narrow = config.width, config.decoder_width
        strides = [level.stride for level in config.levels]
        if strides[-1] != 1:
            raise ValueError("the finest latent level of a ladder_vae has stride 1")
        self.steps = [upper // lower for upper, lower in pairwise(strides)]

        names = {factor_name(factor): factor[0] * factor[1] for factor in config.factors}

        def heads(inputs: int) -> nn.ModuleDict:
            return nn.ModuleDict({name: conv3x3(inputs, count, gain=0.1) for name, count in names.items()})

        self.trunk = Trunk(config)
        self.base_head = heads(width)

        def patches() -> nn.ModuleList:
            return nn.ModuleList(nn.Conv2d(narrow, narrow, n, stride=n) for n in self.steps)

        # The ladder reads the trunk but does not move it, so it has blocks of its own.
        self.narrow = conv3x3(width, narrow)
        self.blocks = nn.Sequential(*(ResidualBlock(narrow) for _ in range(LADDER_BLOCKS)))
        # From the finest level to the coarsest: aligned patches, so that every latent knows its own pixels.
        self.coarsen = patches()
        messages = [0, *(level.channels for level in config.levels[1:])]
        self.rungs = nn.ModuleList(
            Rung(narrow, level.channels, message)
            for level, message in zip(config.levels, messages, strict=True)
        )
        self.descents = nn.ModuleList(
            Descent(narrow, level.channels, step)
            for level, step in zip(config.levels[1:], self.steps, strict=False)
        )
        self.residual_head = heads(narrow)

        # The posterior alone sees the truth; none of this is used for upscaling.
        self.truth = nn.ModuleDict({name: conv3x3(count, narrow) for name, count in names.items()})
        self.coarsen_truth = patches()
        self.log_sigma = nn.ParameterDict({name: nn.Parameter(torch.tensor(-3.5)) for name in names})

    def begin_with(self, start: SuperResolutionVAE) -> None:
        """Take over weights; what is new here adds nothing at first (Net2Net, Chen et al., 2016).

        Inputs that the other one has not enter with weights of 0, and so do further blocks. Heads of further
        factors begin as they are.
        """
        own, taken = self.state_dict(), dict(start.state_dict())
        entry, before = torch.zeros_like(own["trunk.entry.weight"]), start.config
        for name, weights in zip(before.input_names, taken["trunk.entry.weight"].unbind(dim=1), strict=True):
            entry[:, self.config.input_names.index(name)] = weights
        taken["trunk.entry.weight"] = entry
        # The other one may know more factors.
        self.load_state_dict(own | {name: each for name, each in taken.items() if name in own})
        for block in list(self.trunk.blocks)[before.blocks :]:
            nn.init.zeros_(cast(ResidualBlock, block).second.weight)

    @property
    def receptive_radius(self) -> int:
        """How far, in low-res pixels, a pixel of the result can look in any direction."""
        return self.trunk.reach + max(map(self.trunk_reach, self.config.factors), default=0)

    def sample_reach(self, factor: Factor) -> int:
        """How far what is done for every sample looks, and what the base does beyond the trunk."""
        reach = sum(level.stride for level in self.levels)  # the 3 x 3 that mixes latents in, on each grid
        reach += self.levels[0].stride - 1  # a coarse cell sees all of its pixels
        if self.config.consistent:
            reach += reach_of(factor)
        return reach + 1  # the heads

    def trunk_reach(self, factor: Factor) -> int:
        """How far the 3 x 3 that narrows the features looks, the ladder's own blocks, and what follows."""
        return 1 + 2 * LADDER_BLOCKS + self.sample_reach(factor)

    def _encode(self, inputs: Inputs, factor: Factor) -> Encoded:
        """Compute the base and the features of every level; see `SuperResolutionVAE`."""
        features, base, word = self._base(inputs, factor)
        return self._climb(features, base, factor, word)

    def _base(self, inputs: Inputs, factor: Factor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the trunk's features, the deterministic estimate and whose word is taken."""
        entering = self._entering(inputs)
        others = ORIENTATIONS[1 : self.config.orientations]
        # A training turns its patches at random, so that one orientation stands for all.
        is_turned = not self.training and all(each.keeps(factor) for each in others)
        views = []
        for orientation in others if is_turned else ():
            view = shuffle(self._looked_at(orientation.apply(entering), factor)[1], factor)
            views.append(unshuffle(orientation.undo(view), factor).float())
        features, correction = self._looked_at(entering, factor)
        if views:
            correction = torch.stack([correction.float(), *views]).mean(dim=0).to(correction.dtype)
        if not self.config.consistent:
            base = upsample_bicubic(inputs.plane, factor) + shuffle(correction.float(), factor)
            return features, base, None
        word = taken_at_word(inputs.told, factor)
        return features, consistent_base(inputs.plane, correction, factor, word), word

    def _entering(self, inputs: Inputs) -> Tensor:
        """Return what enters the trunk, scaled to about 1."""
        shifted = 4 * (inputs.planes - 0.5)
        if not inputs.told:
            return shifted
        slope, intercept, *others = (each[..., None, None].to(shifted) for each in inputs.told.values())
        noise = noise_map(inputs.plane, slope, intercept)
        return torch.cat([shifted, 10 * noise, *(each.expand_as(noise) for each in others)], dim=1)

    def _looked_at(self, inputs: Tensor, factor: Factor) -> tuple[Tensor, Tensor]:
        """Return the trunk's features and what they would change, (batch, rows * columns, height, width)."""
        features: Tensor = self.trunk(inputs.to(self.dtype).contiguous(memory_format=torch.channels_last))
        return features, convolve(cast(nn.Conv2d, self.base_head[factor_name(factor)]), features)

    def _climb(self, features: Tensor, base: Tensor, factor: Factor, word: Tensor | None) -> Encoded:
        """Compute what the ladder needs of the trunk's features, the same for all samples."""
        finest = convolve_rectify(self.narrow, features)
        for block in self.blocks:
            finest = block(finest, reuse=True)
        finest = finest.contiguous(memory_format=torch.channels_last)
        ladder = self._pyramid(finest, self.coarsen)
        priors = (self._rung(level).prior_scale(features) for level, features in enumerate(ladder))
        return Encoded(base, (*ladder, *priors), factor, word)

    def residuals(self, encoded: Encoded, noise: Sequence[Tensor]) -> Tensor:
        """Draw from the prior; see `SuperResolutionVAE`."""
        if encoded.base.device.type != "cpu":
            return self._drawn(encoded, noise)
        # A CPU is fastest with one sample at a time, for more do not fit its caches.
        one_by_one = zip(*(torch.split(part, 1) for part in noise), strict=True)
        return torch.cat([self._drawn(encoded, one) for one in one_by_one])

    def _drawn(self, encoded: Encoded, noise: Sequence[Tensor]) -> Tensor:
        priors = encoded.features[len(self.rungs) :]
        latents = [prior * part.to(prior.dtype) for prior, part in zip(priors, noise, strict=True)]
        opposite = [-part for part in latents]
        there = self._descend(encoded, lambda level, message: latents[level])
        back = self._descend(encoded, lambda level, message: opposite[level])
        return self._odd(there, back, encoded)

    def _odd(self, there: Tensor, back: Tensor, encoded: Encoded) -> Tensor:
        """Return the residual, float32, from the decoder's states at the latents and at their opposite.

        The head is linear, so it is applied once, to half their difference, in which its bias cancels.
        """
        difference = there.sub_(back).mul_(0.5) if not torch.is_grad_enabled() else (there - back) / 2
        head = cast(nn.Conv2d, self.residual_head[factor_name(encoded.factor)])
        residual = over_samples(lambda x: F.conv2d(x, head.weight, padding=head.padding), difference)
        if not self.config.consistent:
            return residual.float()
        return torch.stack(
            [consistent_residual(each, encoded.factor, encoded.word) for each in residual]
        ).float()

    def _elbo(self, inputs: Inputs, high: Tensor, factor: Factor) -> Elbo:
        """Evaluate the bound for the residual that the base leaves; see `SuperResolutionVAE`."""
        name = factor_name(factor)
        features, base, word = self._base(inputs, factor)
        # The base and the trunk learn from the base's own loss: the bound explains what they leave and does
        # not move them. Its gradient grows as sigma falls, and would drown theirs.
        read = features.detach() if self.base_parts else features
        encoded = self._climb(read, base, factor, word)
        residual = high - base.detach()
        unit = unshuffle(residual / RESIDUAL_UNIT, factor).to(self.dtype)
        truth = self._pyramid(rectify(self.truth[name](unit)), self.coarsen_truth)
        kl: list[Tensor] = []

        drawn: list[Tensor] = []

        def draw(level: int, message: Tensor | None) -> Tensor:
            rung = self._rung(level)
            parts = [encoded.features[level][None], truth[level][None]]
            seen = torch.cat(parts if message is None else [*parts, message], dim=2)
            evidence = over_samples(lambda x: rung.posterior(rectify_(rung.evidence(x))), seen)
            shift, log_ratio = evidence.float().chunk(2, dim=2)
            ratio = bounded_exp(log_ratio)
            # KL between two Gaussians, the posterior's mean and deviation in units of the prior's deviation.
            density = 0.5 * (shift**2 + ratio**2 - 1) - ratio.log()
            kl.append(density.sum(dim=2).mean())
            drawn.append(
                encoded.features[len(self.rungs) + level] * (shift + ratio * torch.randn_like(shift))
            )
            return drawn[-1]

        there = self._descend(encoded, draw)
        back = self._descend(encoded, lambda level, message: -drawn[level])
        mean = shuffle(self._odd(there, back, encoded)[0], factor)
        log_sigma = self.log_sigma[name].clamp(min=-7.0)
        error = (residual - mean) * torch.exp(-log_sigma)
        nll = (0.5 * error**2).mean() + log_sigma + 0.9189385  # log sqrt(2 pi)
        return Elbo(encoded, base + mean, nll, tuple(kl), log_sigma.exp())

    def _rung(self, level: int) -> Rung:
        return cast(Rung, self.rungs[level])

    def _pyramid(self, finest: Tensor, coarsen: nn.ModuleList) -> tuple[Tensor, ...]:
        """Features of every level, coarsest first, from those of the finest."""
        features = [finest]
        for layer in reversed(coarsen):
            features.append(rectify(layer(features[-1])))
        return tuple(reversed(features))

    def _descend(self, encoded: Encoded, draw: Draw) -> Tensor:
        """Walk the ladder from coarse to fine; return the decoder's state, (samples, batch, width, ...)."""
        state: Tensor | None = None
        message: Tensor | None = None
        for level in range(len(self.rungs)):
            if state is not None:
                message = self.descents[level - 1](state)
            features = encoded.features[level]
            state = self._rung(level)(draw(level, message).to(features.dtype), message, features)
        assert state is not None
        return state

"""What every super-resolution VAE here can do: encode once, decode many samples, and say what its ELBO is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_vaesr.vae.config import Conditions, Factor, Level, NetworkConfig
from napari_vaesr.vae.factor import as_factor, shuffle

Role = Literal["inner", "outer", "sigma"]
"""What weights are, for an optimiser: kernels of convolutions inside, all others, the likelihood's std."""


class Inputs(NamedTuple):
    """What a network is given of a batch.

    Attributes
    ----------
    planes : Tensor
        As many as it looks at, (batch, frames, height, width).
    plane : Tensor
        The one among them that is upscaled, (batch, 1, height, width).
    told : mapping of str to Tensor
        What it is told of it, (batch, 1) each, by the names of `NetworkConfig.told`.
    """

    planes: Tensor
    plane: Tensor
    told: Mapping[str, Tensor]


@dataclass(frozen=True)
class Encoded:
    """All that does not depend on the latents, computed once and shared by every sample.

    Attributes
    ----------
    base : Tensor
        The deterministic estimate, (batch, 1, rows * height, columns * width), float32.
    features : tuple of Tensor
        What the decoder needs besides the latents; private to the architecture.
    factor : (int, int)
        The factor of rows and columns that the planes were encoded for.
    word : Tensor or None
        Which planes are taken at their word, (batch, ...), and how; private to the architecture, as features
        are. None: all alike, as the network is made.
    chroma : Tensor or None
        Where the network sees colours, the blue and the red difference of the result, (batch, 2, rows *
        height, columns * width), float32.
    """

    base: Tensor
    features: tuple[Tensor, ...]
    factor: Factor
    word: Tensor | None = None
    chroma: Tensor | None = None

    def first(self, count: int) -> Encoded:
        """Return what belongs to the first planes of the batch."""
        word = None if self.word is None else self.word[:count]
        features = tuple(part[:count] for part in self.features)
        return Encoded(self.base[:count], features, self.factor, word)


@dataclass(frozen=True)
class Elbo:
    """The terms of the evidence lower bound (Kingma and Welling, 2014) and what comes with them.

    Attributes
    ----------
    encoded : Encoded
        What samples from the prior can be drawn from, the base among it.
    mean : Tensor
        The reconstruction from posterior latents, (batch, 1, rows * height, columns * width), float32.
    nll : Tensor
        Negative log-likelihood in nats per high-res pixel, a scalar.
    kl : tuple of Tensor
        KL(q || p) of every level in nats per latent position, scalars, coarsest first.
    sigma : Tensor
        The likelihood's learned standard deviation, a scalar.
    """

    encoded: Encoded
    mean: Tensor
    nll: Tensor
    kl: tuple[Tensor, ...]
    sigma: Tensor

    @property
    def base(self) -> Tensor:
        """The deterministic estimate, (batch, 1, rows * height, columns * width), float32."""
        return self.encoded.base


class SuperResolutionVAE(nn.Module, ABC):
    """A network from low-res planes in [0, 1] to samples of the high-res plane.

    Planes are (batch, frames, height, width), float32; height and width are multiples of `alignment`. The one
    in the middle is upscaled; where a neighbour is missing, it is repeated.
    Weights may be bfloat16 or float16: what decides a pixel's value (interpolation, sums) stays float32.
    """

    config: NetworkConfig

    base_parts: ClassVar[tuple[str, ...]] = ()
    """Names of the modules that make the base and that the bound does not move; empty where all is one."""

    is_odd: ClassVar[bool] = False
    """Whether the opposite noise gives the opposite residual, so that one of an antithetic pair is enough."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """The latent levels, coarsest first."""
        return self.config.levels

    @property
    def alignment(self) -> int:
        """Tile origins and sizes are multiples of this, in low-res pixels, so that latent grids coincide."""
        return lcm(*(level.stride for level in self.levels))

    def begin_with(self, start: SuperResolutionVAE) -> None:
        """Take over the weights of a network whose sizes these extend (`NetworkConfig.extends`).

        What this one has besides changes nothing at first, so that both compute the same.
        """
        own = self.state_dict()
        # The other one may know more scales.
        taken = {name: each for name, each in start.state_dict().items() if name in own}
        self.load_state_dict(own | taken)

    def weights(self) -> Iterator[tuple[nn.Parameter, Role, bool]]:
        """Yield all weights, each with its role and whether it is one that the base is made of.

        First and last layers, which are called ``entry`` and ``head``, and narrow ones are `outer`.
        """
        for name, weight in self.named_parameters():
            is_base = not self.base_parts or name.partition(".")[0] in self.base_parts
            is_kernel = weight.ndim == 4 and weight.shape[-1] > 1 and min(weight.shape[:2]) >= 8
            if is_kernel and "head" not in name and "entry" not in name:
                yield weight, "inner", is_base
            else:
                yield weight, "sigma" if "sigma" in name else "outer", is_base

    @property
    def sees_colours(self) -> bool:
        """Whether it makes more of an image with colours than of its luma; see `encode_colours`."""
        return False

    def encode_colours(self, colours: Tensor) -> Encoded:
        """Do as `encode` for images (batch, 3, height, width), where the network sees colours."""
        raise NotImplementedError

    def seen(self, planes: Tensor) -> Tensor:
        """Return the planes, (batch, frames, height, width), that this network looks at.

        It looks around the middle one, which stands for those that are missing.
        """
        offsets, reach = self.config.offsets, planes.shape[1] // 2
        first, last = max(offsets[0], -reach), min(offsets[-1], reach)
        there, own = planes[:, reach + first : reach + last + 1], middle(planes)
        before, after = first - offsets[0], offsets[-1] - last
        if not before and not after:
            return there
        sides = [own.expand(-1, count, -1, -1) for count in (before, after)]
        return torch.cat([sides[0], there, sides[1]], dim=1)

    @property
    @abstractmethod
    def receptive_radius(self) -> int:
        """How far, in low-res pixels, a pixel of the result can look in any direction."""

    def sample_reach(self, factor: Factor) -> int | None:
        """Return how far `residuals` and the base look at what was encoded, in low-res pixels.

        Where it is known, what they do not look at is left out. None: it is not, and all of it is kept.
        """
        return None

    def trunk_reach(self, factor: Factor) -> int | None:
        """Return how far all that comes after the features of ``trunk`` looks at them, as `sample_reach`.

        None: the network has no such part, `napari_vaesr.vae.trunk.Trunk`, that could leave something out.
        """
        return None

    def encode(self, planes: Tensor, factor: int | Factor, conditions: Tensor | None = None) -> Encoded:
        """Compute everything that all samples share.

        Parameters
        ----------
        planes : Tensor
            (batch, frames, height, width), of any odd number of frames; see `seen`.
        factor : int or (int, int)
            One of the configured factors of rows and columns; a number stands for both.
        conditions : Tensor, optional
            What a conditioned network is told of each plane, in columns as `Conditions` names them, (batch,
            4); the last may be missing. Left out, all are 0: neither noise nor blur. Other networks take no
            notice.
        """
        return self._encode(self._given(planes, conditions), as_factor(factor))

    def _given(self, planes: Tensor, conditions: Tensor | None) -> Inputs:
        """Return what this network sees of planes, and is told of them."""
        if conditions is None:
            conditions = planes.new_zeros(len(planes), 0)
        columns = F.pad(conditions, (0, len(Conditions._fields) - conditions.shape[1]))
        told = {name: columns[:, Conditions._fields.index(name), None] for name in self.config.told}
        return Inputs(self.seen(planes), middle(planes), told)

    @abstractmethod
    def _encode(self, inputs: Inputs, factor: Factor) -> Encoded:
        """Do as `encode`, with what the network sees and is told."""

    @abstractmethod
    def residuals(self, encoded: Encoded, noise: Sequence[Tensor]) -> Tensor:
        """Turn standard normal noise into what samples add to the base.

        Sums over samples are taken of these, low-res pixel by low-res pixel, for it is faster to bring the
        channels to their places once than for every sample.

        Parameters
        ----------
        encoded : Encoded
            The result of `encode` for a batch of planes.
        noise : sequence of Tensor
            For each level (samples, batch, channels, height / stride, width / stride), already times the
            temperature.

        Returns
        -------
        Tensor
            (samples, batch, rows * columns, height, width), float32: the high-res pixels within each low-res
            one, in the order of `shuffle`.
        """

    def decode(self, encoded: Encoded, noise: Sequence[Tensor]) -> Tensor:
        """Turn standard normal noise into samples.

        Parameters
        ----------
        encoded, noise
            As for `residuals`.

        Returns
        -------
        Tensor
            (samples, batch, 1, rows * height, columns * width), float32.
        """
        return encoded.base + shuffle(self.residuals(encoded, noise), encoded.factor)

    def antithetic_noise(
        self, low: Tensor, samples: int, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Draw noise for planes, in antithetic pairs and without a place.

        Parameters
        ----------
        low : Tensor of shape (batch, frames, height, width)
            What is encoded; tells size and device.
        samples : int
            How many, even.
        generator : torch.Generator, optional
            Of the CPU.

        Returns
        -------
        list of Tensor
            For each level, (samples, batch, channels, height / stride, width / stride).
        """
        noise = []
        for level in self.levels:
            size = (low.shape[-2] // level.stride, low.shape[-1] // level.stride)
            one = torch.randn(samples // 2, len(low), level.channels, *size, generator=generator)
            one = one.to(low.device)
            noise.append(torch.stack([one, -one], dim=1).flatten(0, 1))
        return noise

    def elbo(self, low: Tensor, high: Tensor, factor: int | Factor, conditions: Tensor | None = None) -> Elbo:
        """Evaluate the bound's terms, sampling the posterior once (the reparameterised gradient estimator).

        Parameters
        ----------
        low : Tensor
            (batch, frames, height, width).
        high : Tensor
            The truth, (batch, 1, rows * height, columns * width).
        factor, conditions
            As for `encode`.
        """
        return self._elbo(self._given(low, conditions), high, as_factor(factor))

    @abstractmethod
    def _elbo(self, inputs: Inputs, high: Tensor, factor: Factor) -> Elbo:
        """Do as `elbo`, with what the network sees and is told."""

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return next(self.parameters()).dtype


def middle(planes: Tensor) -> Tensor:
    """Return the plane that is upscaled, (batch, 1, height, width), of all that are looked at."""
    return planes[:, planes.shape[1] // 2, None]

"""What a network is made of. No torch here, so that model cards can be read without it."""

from __future__ import annotations

from itertools import pairwise
from math import lcm
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    Tag,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

Factor = tuple[int, int]
"""How many times more rows and columns; (3, 1) makes three rows of every one and leaves the columns."""


def factor_name(factor: Factor) -> str:
    """Name a factor as the weights and the cards do: ``2`` of both axes, ``3x1`` of rows alone."""
    rows, columns = factor
    return str(rows) if rows == columns else f"{rows}x{columns}"


Scale = Annotated[int, Field(ge=1, le=64)]


class Conditions(NamedTuple):
    """What a conditioned network is told of a plane, in the order in which it takes it.

    Attributes
    ----------
    slope, intercept : float
        Of the noise's variance, which is ``slope * intensity + intercept`` in unit intensity.
    blur : float
        To be undone, the standard deviation in low-res pixels.
    sections : float
        What each row is that alone become more: -1 where it is thin, 1 where it is an average over all the
        way to the next, 0 where that is not known or no rows become more.
    """

    slope: float = 0.0
    intercept: float = 0.0
    blur: float = 0.0
    sections: float = 0.0


class ActivationBytes(NamedTuple):
    """Estimate of the memory that a network takes for every low-res pixel, in bytes.

    Attributes
    ----------
    encoding : int
        While a plane is encoded.
    kept : int
        Of what all samples share, with the running moments of the samples.
    each : int
        Of one sample while it is decoded.
    """

    encoding: int
    kept: int
    each: int


class Level(BaseModel):
    """One level of latent variables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stride: int = Field(ge=1, le=1024, description="Low-res pixels between neighbouring latent positions.")
    channels: int = Field(ge=1, le=4096, description="Latent channels (z_dim) at every position.")


class NetworkConfig(BaseModel):
    """The architecture of a super-resolution VAE, enough to build it again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: Literal["ladder_vae", "conv_vae"] = Field(
        default="ladder_vae", description="The ladder of docs/how-it-works.md, or the tutorial's plain VAE."
    )
    scales: tuple[Scale, ...] = Field(
        default=(2, 3, 4),
        max_length=64,
        description="Factors of rows and columns alike that the network can make.",
    )
    row_factors: tuple[Scale, ...] = Field(
        default=(),
        max_length=64,
        description="Factors of the rows alone that it can make: with rows along Z, the planes in between.",
    )
    frames: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Low-res planes the first layer looks at: the one that is upscaled, in the middle, and "
        "its neighbours along another axis.",
    )
    conditioned: bool = Field(
        default=False,
        description="Whether the network is told the noise of the input and the blur of the optics.",
    )
    sections: bool = Field(
        default=False,
        description="Whether it is told, too, where rows alone become more, if each is thin or an average "
        "over all the way to the next.",
    )
    width: int = Field(default=64, ge=1, le=65536, description="Channels of the trunk.")
    blocks: int = Field(
        default=7, ge=0, le=1000, description="Residual blocks of two 3x3 convolutions in the trunk."
    )
    decoder_width: int = Field(
        default=32, ge=1, le=65536, description="Channels of the part repeated for every sample."
    )
    levels: tuple[Level, ...] = Field(
        default=(Level(stride=2, channels=8), Level(stride=1, channels=4)),
        min_length=1,
        max_length=16,
        description="Latent levels from the coarsest to the finest.",
    )

    consistent: bool = Field(
        default=False,
        description="Whether the input is taken at its word: what downsampling would see of the result is "
        "brought to the input. Right for clean images, wrong for noisy or blurred ones; a conditioned "
        "network does it where it is told that there is no noise and no blur to undo.",
    )
    orientations: Literal[1, 2, 4, 8] = Field(
        default=1,
        description="In how many orientations a ladder's trunk looks at a plane; the base is the mean of all "
        "answers. It costs that many times the trunk, in use and not in training.",
    )

    @field_validator("frames")
    @classmethod
    def _one_is_in_the_middle(cls, frames: int) -> int:
        if frames % 2 == 0:
            raise ValueError("the plane that is upscaled lies in the middle, so frames has to be odd")
        return frames

    @field_validator("row_factors")
    @classmethod
    def _rows_become_more(cls, factors: tuple[int, ...]) -> tuple[int, ...]:
        if min(factors, default=2) < 2:
            raise ValueError("factors along rows are 2 or more")
        return factors

    @field_validator("levels")
    @classmethod
    def _each_stride_divides_the_one_before(cls, levels: tuple[Level, ...]) -> tuple[Level, ...]:
        for upper, lower in pairwise(levels):
            if upper.stride % lower.stride or upper.stride == lower.stride:
                raise ValueError(
                    "latent levels go from coarse to fine, each stride a divisor of the one before"
                )
        return levels

    @property
    def factors(self) -> tuple[Factor, ...]:
        """All (rows, columns) that the network can make: squares first, then rows alone."""
        return (*((scale, scale) for scale in self.scales), *((rows, 1) for rows in self.row_factors))

    def along(self, name: str) -> tuple[int, ...]:
        """Return the factors of one pass along an axis of an image, by its letter.

        Along ``Y`` it makes what it makes along ``X``; along any other, rows play that axis.
        """
        return self.scales if name in "YX" else self.row_factors

    @property
    def whole_side(self) -> int:
        """Sides that are multiples of this, in high-res pixels, hold whole latents at every factor."""
        sides = (side for factor in self.factors for side in factor)
        return lcm(*sides) * lcm(*(level.stride for level in self.levels))

    def making(self, scales: tuple[int, ...]) -> NetworkConfig:
        """Return the same network, but for these factors of rows and columns alike, and no others."""
        return self.model_copy(update={"scales": scales, "row_factors": ()})

    @property
    def told(self) -> tuple[str, ...]:
        """Which of `Conditions` it is told."""
        if not self.conditioned:
            return ()
        return tuple(name for name in Conditions._fields if name != "sections" or self.sections)

    @property
    def offsets(self) -> range:
        """Where the planes that it looks at lie, counted from the one that is upscaled."""
        return range(-(self.frames // 2), self.frames // 2 + 1)

    @property
    def reach(self) -> int:
        """How many planes on either side have to be there for those that it looks at."""
        return max(map(abs, self.offsets))

    @property
    def input_names(self) -> tuple[int | str, ...]:
        """What enters the first layer: frames by their distance, the noise, and what else it is told."""
        noise_and_more = ("noise", *self.told[2:]) if self.told else ()
        return (*self.offsets, *noise_and_more)

    @property
    def inputs(self) -> int:
        """How many planes enter the first layer."""
        return len(self.input_names)

    def activation_bytes(self, factor: Factor, itemsize: int) -> ActivationBytes:
        """Return what the network takes for every low-res pixel where it makes a factor.

        Parameters
        ----------
        factor : (int, int)
            How many times more rows and columns it makes.
        itemsize : int
            Bytes of a number in the precision that it runs in.
        """
        image = 4 * factor[0] * factor[1]  # of float32
        latents = sum(4 * level.channels // level.stride**2 for level in self.levels)
        trunk, decoder = 4 * self.width * itemsize, 2 * self.decoder_width * itemsize
        return ActivationBytes(
            encoding=trunk + (3 + self.orientations) * image,
            kept=decoder + 4 * image,
            each=2 * decoder + 4 * latents + 4 * image,
        )

    def extends(self, other: NetworkConfig) -> bool:
        """Tell whether a network of these sizes can begin with the weights of one of the other's.

        They are the same sizes, save that scales may be left out and that what has no weights, the number of
        orientations and consistency, may be another. A ladder may also have more blocks in its trunk, more
        frames, factors along rows, and be told what the other is not.
        """
        free: dict[str, Any] = {"orientations": self.orientations, "consistent": self.consistent}
        if set(self.scales) <= set(other.scales):
            free["scales"] = self.scales
        if set(self.row_factors) <= set(other.row_factors):
            free["row_factors"] = self.row_factors
        if self.architecture == "ladder_vae":
            free["blocks"] = max(self.blocks, other.blocks)
            free["frames"] = max(self.frames, other.frames)
            free["conditioned"] = self.conditioned or other.conditioned
            free["sections"] = self.sections or other.sections
            free["row_factors"] = self.row_factors
        return self == other.model_copy(update=free)


class BaseNetwork(BaseModel):
    """A network of other makers, as a model over it needs to know it; the weights are a file of their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(max_length=200, description="Name of its file, by which people know it.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of its file.")
    form: Literal["spandrel", "torchscript"] = Field(
        default="spandrel",
        description="Weights that spandrel knows the network of, or a graph that brings its own code.",
    )
    network: str = Field(default="", max_length=200, description="Kind of network, such as SwinIR.")
    licence: str = Field(
        default="", max_length=200, description="Licence of its weights; empty where it is not known."
    )
    authors: str = Field(default="", max_length=1000, description="Who made it; empty where not known.")
    source: str = Field(
        default="", max_length=1000, description="Where it comes from; empty where not known."
    )
    factor: int = Field(ge=2, le=64, description="How many times more rows and columns it makes.")
    colours: Literal["grey", "luma", "rgb"] = Field(
        default="grey",
        description="grey: it has one channel. luma: it has three, and sees a grey plane, or the luma of "
        "colours, in each of them. rgb: it has three, and sees colours as they are, and grey in each.",
    )
    multiple: int = Field(
        default=1,
        ge=1,
        le=1024,
        description="Low-res pixels; height and width of what it sees, and places of tiles, are multiples.",
    )
    smallest: int = Field(default=1, ge=1, le=4096, description="Smallest side that it takes.")
    square: bool = Field(default=False, description="Whether what it sees has to be square.")
    halo: int = Field(
        default=0, ge=0, le=4096, description="Low-res pixels around a tile, beyond which it hardly looks."
    )
    tolerance: FiniteFloat = Field(
        default=0.0,
        ge=0,
        description="Largest difference between tiles with that halo and the whole that was found, in unit "
        "intensity.",
    )
    precisions: tuple[Literal["bfloat16", "float16"], ...] = Field(
        default=(), description="Number formats in which it stays what it is; float32 is one always."
    )
    bytes_per_pixel: int = Field(
        default=0, ge=0, le=2**24, description="Memory that it takes for every low-res pixel."
    )

    @property
    def may_be_shared(self) -> bool:
        """Whether its licence is known, so that it can be given away under it."""
        return self.licence.strip().lower() not in ("", "unknown", "none")


class OverConfig(NetworkConfig):
    """A ladder over another network, which stays as it is; `blocks` is of its own small trunk."""

    architecture: Literal["over"] = "over"  # type: ignore[assignment]
    base: BaseNetwork = Field(description="The network that it stands on.")

    @model_validator(mode="after")
    def _makes_what_the_base_makes(self) -> OverConfig:
        if self.scales != (self.base.factor,):
            raise ValueError(f"the base makes {self.base.factor} times as many rows and columns alone")
        if (self.frames, self.orientations, self.row_factors) != (1, 1, ()) or (
            self.conditioned or self.sections or self.consistent
        ):
            raise ValueError("a network over another one sees one plane in one way and is told nothing")
        return self

    @property
    def inputs(self) -> int:
        """Planes that enter the first layer: the input and the pixels that the base makes of each of its."""
        return 1 + self.base.factor**2

    def activation_bytes(self, factor: Factor, itemsize: int) -> ActivationBytes:
        """Return what a ladder takes, and the base with it while a plane is encoded."""
        own = super().activation_bytes(factor, itemsize)
        return own._replace(encoding=own.encoding + self.base.bytes_per_pixel)


def _kind(value: Any) -> str:
    """Tell configurations apart by their architecture."""
    known = value.get("architecture") if isinstance(value, dict) else getattr(value, "architecture", None)
    return "over" if known == "over" else "own"


AnyNetwork = Annotated[
    Annotated[NetworkConfig, Tag("own")] | Annotated[OverConfig, Tag("over")], Discriminator(_kind)
]
"""The configuration of any architecture, told apart by its name."""


def field_name(problem: ErrorDetails) -> str:
    """Name the field of a card or of settings that is not valid, without the kind of its network."""
    path = [str(part) for part in problem["loc"]]
    if path[0] == "network" and len(path) > 1 and path[1] in ("own", "over"):
        del path[1]
    return ".".join(path)


Size = Literal["tiny", "base", "conv_vae"]
"""A name of `PRESETS`."""

SIZES = {"width", "blocks", "decoder_width", "levels"}
"""Fields of a configuration that say how large a ladder is, and nothing of what it looks at and makes."""

PRESETS: dict[Size, NetworkConfig] = {
    "tiny": NetworkConfig(width=32, blocks=3, decoder_width=16),
    "base": NetworkConfig(),
    "conv_vae": NetworkConfig(
        architecture="conv_vae", width=64, blocks=0, decoder_width=64, levels=(Level(stride=8, channels=32),)
    ),
}
"""Named sizes: ``tiny`` and ``base`` (95 and 644 thousand weights at work when upscaling, the posterior's
being left aside) and the baseline ``conv_vae`` (4.4 million)."""

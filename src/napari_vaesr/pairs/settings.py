"""What can be set for low-res images that are made. No torch here."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

Range = tuple[float, float]


class Degradation(BaseModel):
    """How a low-res plane is made from a high-res one, on the fly.

    Every patch draws its own values, uniformly within the ranges unless said otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    blur: Range = Field(
        default=(0.0, 0.0),
        description="Standard deviation of a Gaussian point spread function, in low-res pixels, "
        "before downsampling. A conditioned network is told.",
    )
    own_blur: Range = Field(
        default=(0.0, 0.0),
        description="The same for a point spread function that stays: the truth is blurred by it, too.",
    )
    axial: Range = Field(
        default=(0.0, 2.5),
        description="The same along rows that play Z, in high-res pixels, where rows alone become more.",
    )
    own: float = Field(
        default=0.5, ge=0, le=1, description="Share of the patches with a point spread function that stays."
    )
    thick: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Share of the patches whose rows, where they alone become more, are averaged instead of "
        "left out.",
    )
    sharp: float = Field(default=0.0, ge=0, le=1, description="Share of the patches that get no blur.")
    photons: Range | None = Field(
        default=None,
        description="Photons at intensity 1, drawn log-uniformly; shot noise is Poisson of them. "
        "None: no shot noise.",
    )
    read_noise: Range = Field(
        default=(0.0, 0.0),
        description="Standard deviation of Gaussian camera noise, intensities being in [0, 1].",
    )
    clean: float = Field(default=1.0, ge=0, le=1, description="Share of the patches that get no noise.")
    clipped: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the noisy patches whose noise is cut off at the ends of the patch's range, "
        "as 8-bit files cut it off.",
    )
    reduce: Range = Field(
        default=(1.0, 1.0),
        description="How many times the sharp patch is made smaller first, truth included, drawn "
        "log-uniformly: finer and more varied detail from few images.",
    )
    quantised: bool = Field(
        default=False,
        description="Whether low-res patches are rounded to the 256 levels of an image file.",
    )
    gain: Range = Field(
        default=(1.0, 1.0),
        description="Factor on the patch's intensities, truth included, so that dim ones are seen.",
    )
    offset: Range = Field(default=(0.0, 0.0), description="Added to the patch's intensities, truth included.")

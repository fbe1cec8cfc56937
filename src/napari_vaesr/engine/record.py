"""What decides the pixels of a result: kept with it, and enough to make it again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError
from pydantic import model_validator as validator

from napari_vaesr.engine.acquisition import Noise, noise_level
from napari_vaesr.engine.calibrations import calibrations_of
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.intensity import IntensityScaling
from napari_vaesr.imaging.region import Region
from napari_vaesr.zoo.calibration import Calibration
from napari_vaesr.zoo.card import ModelCard

SCHEMA = 2
"""Version of what a record holds. Records of version 1 do not tell theirs, and number the planes."""

UNDECIDING = frozenset({"model", "tile", "memory"})
"""Settings that change no pixel, the model's name among them: its weights do."""

CHOSEN = ("device", "precision")
"""Settings of which a record tells what the program chose; others that are auto stay so in there."""

Lengths = Annotated[tuple[int, ...], Field(min_length=2)]


def _read_region(value: Any) -> Region:
    if isinstance(value, Region):
        return value
    return Region({str(name): range(*part) for name, part in value.items()})


def _plain_region(region: Region) -> dict[str, list[int]]:
    return {name: [part.start, part.stop] for name, part in region.items()}


class ModelVersion(BaseModel):
    """Which model; the hash is that of its weights."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    sha256: str


class RecordedInput(BaseModel):
    """What is known of the image."""

    model_config = ConfigDict(frozen=True)

    shape: Lengths
    dtype: str


class Record(BaseModel):
    """How a result was made.

    Two records are equal where all that decides a pixel is: the fields of `deciding`, and not when, by which
    version or in which tiles it was computed.

    Attributes
    ----------
    schema_version : int
        Of the record itself.
    version, torch : str
        Of this package and of PyTorch.
    model : ModelVersion
        Name, version and SHA-256 of the weights.
    network : str
        Hash of what the weights fill; empty in older records.
    settings : UpscaleSettings
        Those asked for, device, precision and tile as they were used.
    device_reason : str
        Why there.
    halo : int
        Low-res pixels around a tile that decide its pixels.
    axes : str
        Letters of the image's axes.
    input : RecordedInput
        Its shape and dtype.
    intensity : tuple of IntensityScaling
        One for each channel of the image.
    noise : tuple of Noise
        What the network was told of the noise of each channel, in the image's own unit; empty where it is not
        told.
    calibration : tuple of Calibration
        One for each channel of the image.
    alike_planes : float or None
        How alike samples of neighbouring planes are, as the model's card had it; None in older records.
    extent : Region
        The part that was upscaled, in low-res pixels, every axis but ``S`` named.
    keep_samples : bool
        Whether samples were kept.
    messages : tuple of str
        What the user was told.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = SCHEMA
    version: str = ""
    torch: str = ""
    model: ModelVersion
    network: str = ""
    settings: UpscaleSettings
    device_reason: str = ""
    halo: int = 0
    axes: str
    input: RecordedInput
    intensity: tuple[IntensityScaling, ...]
    noise: tuple[Noise, ...] = ()
    calibration: tuple[Calibration, ...] = ()
    alike_planes: float | None = None
    extent: Annotated[Region, PlainValidator(_read_region), PlainSerializer(_plain_region)]
    keep_samples: bool = False
    messages: tuple[str, ...] = ()

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Record:
        """Read what `plain` wrote, of this version or an older one; what else is there is passed over.

        Raises
        ------
        VaesrError
            When something is missing, or nothing that we wrote.
        """
        lacking = [name for name, field in cls.model_fields.items() if field.is_required()]
        lacking = sorted(name for name in lacking if name not in told)
        if lacking:
            raise VaesrError(
                f"The record lacks {', '.join(lacking)}, please give one as Result.record has it."
            )
        if int(told.get("schema_version", 1)) > SCHEMA:
            raise VaesrError(
                "The record was made by a newer version of napari-vaesr, please install that one."
            )
        try:
            return cls.model_validate(dict(told))
        except ValidationError as error:
            problem = error.errors()[0]
            if isinstance(cause := problem.get("ctx", {}).get("error"), VaesrError):
                raise cause from None
            where = ".".join(map(str, problem["loc"])) or "extent"
            raise VaesrError(f"The record's {where} can't be read: {problem['msg']}.") from error

    @validator(mode="before")
    @classmethod
    def _of_version_1(cls, told: Any) -> Any:
        """Turn numbers of planes into ranges along their axes."""
        if not isinstance(told, Mapping) or "rows" not in told["extent"]:
            return told
        axes = Axes.parse(str(told["axes"]), told["input"]["shape"])
        parts = {"Y": range(*told["extent"]["rows"]), "X": range(*told["extent"]["columns"])}
        numbers = told["extent"]["planes"]
        region = Region(parts) if numbers is None else _ranges(axes, numbers, parts)
        return {**told, "extent": region.of(axes.lengths)}

    def plain(self) -> dict[str, Any]:
        """Return the record ready for JSON."""
        return self.model_dump(mode="json")

    @property
    def image_axes(self) -> Axes:
        """Axes of the image."""
        return Axes.parse(self.axes, self.input.shape)

    @property
    def region(self) -> Region:
        """The part that was upscaled, without the axes that are whole."""
        lengths = self.image_axes.lengths
        return self.extent.of(lengths).less_whole(lengths)

    @property
    def channels(self) -> range:
        """Which channels of the image were upscaled: its positions along ``C``, or a single one."""
        return self.extent.get("C", range(len(self.intensity)))

    @property
    def bright(self) -> list[tuple[float, float]]:
        """Intensities that the network sees as 0 and as 1, for each channel upscaled."""
        scalings = [self.intensity[index] for index in self.channels]
        return [(scaling.offset, scaling.offset + scaling.gain) for scaling in scalings]

    @property
    def deciding(self) -> dict[str, Any]:
        """All that decides a pixel, by names that people know, ready for JSON."""
        told = self.plain()
        settings = {name: value for name, value in told["settings"].items() if name not in UNDECIDING}
        return {
            "image": told["input"],
            "axes": told["axes"],
            **settings,
            "device": self.settings.device.partition(":")[0],
            "model": self.model.sha256,
            "network": self.network,
            # Shared errors are added to samples by those who measure them.
            "calibration": [{**each, "shared": None} for each in told["calibration"]],
            "alike_planes": self.alike_planes,
            "intensities": told["intensity"],
            "extent": told["extent"],
        }

    def differences(self, other: Record) -> list[str]:
        """Name what decides a pixel and is another in another record."""
        mine, theirs = self.deciding, other.deciding
        different = [name for name, value in mine.items() if theirs[name] != value]
        # Older records do not tell all.
        unsaid = [name for name in ("network", "alike_planes") if {mine[name], theirs[name]} & {"", None}]
        return [name for name in different if name not in unsaid]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and not self.differences(other)

    def __hash__(self) -> int:
        return hash((self.model, self.settings.seed, self.input, self.extent))

    def asked_again(self, settings: UpscaleSettings, card: ModelCard, region: Region, axes: str) -> Record:
        """Return the record that a result of the same image would have, were it made with these choices now.

        What is left to the program, such as the device, and the intensities are as they were.

        Parameters
        ----------
        settings : UpscaleSettings
            What would be asked for, settled.
        card : ModelCard
            Of the model that would be used.
        region : Region
            The part that would be upscaled, low-res pixels.
        axes : str
            One letter of ``TCZYXS`` per axis of the image.
        """
        used, asked = self.settings.model_dump(), settings.model_dump()
        left = {name: used[name] for name in CHOSEN if asked[name] == "auto"}
        noises = [noise_level(settings.noise, each) for each in self.intensity]
        scale = settings.factors.fitted(self.image_axes.lengths)
        return self.model_copy(
            update={
                "model": ModelVersion(name=card.name, version=card.version, sha256=card.sha256),
                "network": network_hash(card),
                "settings": settings.model_copy(update={**left, "scale": scale.setting}),
                "calibration": calibrations_of(card, settings.factors, noises, settings.domain),
                "alike_planes": card.alike_planes,
                "axes": axes,
                "extent": region.of(self.image_axes.lengths),
            }
        )


def network_hash(card: ModelCard) -> str:
    """Return a hash of what a model's weights fill, for the same weights in another network differ."""
    return hashlib.sha256(card.network.model_dump_json().encode()).hexdigest()[:16]


def _ranges(axes: Axes, numbers: Sequence[int], parts: Mapping[str, range]) -> Region:
    """Return the region that planes make up, by their numbers."""
    places = [axes.plane_coordinates(number) for number in numbers]
    ranges = dict(parts)
    for name in axes.loop_names:
        indices = {place[name] for place in places}
        ranges[name] = range(min(indices), max(indices) + 1)
    region = Region(ranges)
    if list(axes.planes_of(region.of(axes.lengths))) != list(numbers):
        raise VaesrError("The planes of this result have gaps between them, so they are no range.")
    return region

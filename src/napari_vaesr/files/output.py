"""What a result's file holds, however it is stored, and how its parts are written in any order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.units import find_unit
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.region import Region

KEY = "napari_vaesr"
"""Under which name a Zarr group's attributes, or a layer's metadata, tell how a result was made."""

FARTHEST = 1e300
"""Distances stay below this, so that none of a result's is infinite; in any unit."""

FLOAT32: np.dtype[Any] = np.dtype(np.float32)


@dataclass(frozen=True)
class OutputImage:
    """The image that is written: every plane of the source becomes a few channels.

    Attributes
    ----------
    axes : Axes
        The source's axes without ``S``, with ``Y`` and ``X`` as long as they are written. ``C`` counts the
        source's channels.
    channel_names : tuple of str
        Names of all channels written: those of the source's first channel, then of the second, and so on;
        for example ``("DNA mean", "DNA std", "actin mean", "actin std")``.
    dtype : dtype
        Type to write.
    pixel_size : mapping of str to float
        Distance between the pixels written, by axis letter.
    units : mapping of str to str
        Unit of these distances, in any usual spelling; pixels where there is none.
    offset : mapping of str to float
        Where the centre of the first pixel is, in the same units, by axis letter; at 0 by default.
    windows : tuple of (float, float)
        For every channel the intensities to show as dark and as bright, or nothing.
    name : str
        Name of the image.
    colours : tuple of str
        For every channel its colour as ``"00FF00"``, empty for grey; or nothing.
    icc : bytes or None
        The colour profile, where the format has a place for it: in a TIFF.
    dots : (float, float) or None
        Pixels per meter along X and Y for a printer, where no pixel size is known.
    annotation : mapping
        More to be known of it, ready for JSON, where the format has a place for that: in an OME-TIFF.
    """

    axes: Axes
    channel_names: tuple[str, ...]
    dtype: np.dtype[Any] = FLOAT32
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    offset: Mapping[str, float] = field(default_factory=dict)
    windows: tuple[tuple[float, float], ...] = ()
    name: str = ""
    colours: tuple[str, ...] = ()
    icc: bytes | None = None
    dots: tuple[float, float] | None = None
    annotation: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sources = self._source_channels
        if not self.channel_names or len(self.channel_names) % sources:
            raise ValueError(
                f"{len(self.channel_names)} names do not name the channels of {sources} channels."
            )
        for name, value in [*self.pixel_size.items(), *self.offset.items()]:
            if not abs(value) < FARTHEST:
                raise VaesrError(
                    f"The pixel size or the place along {name} is {value}, please correct that of the source."
                )

    @property
    def _source_channels(self) -> int:
        return self.axes.lengths.get("C", 1)

    @property
    def together(self) -> int:
        """How many channels are made of each plane of the source."""
        return len(self.channel_names) // self._source_channels

    @property
    def dots_per_meter(self) -> tuple[float, float] | None:
        """Pixels per meter along X and Y: from the pixel size where it is a length, else as told."""
        units = [find_unit(self.units.get(name, "")) for name in "XY"]
        sizes = [self.pixel_size.get(name, 0.0) for name in "XY"]
        if all(unit is not None for unit in units) and all(size > 0 for size in sizes):
            across, down = (1 / (size * unit.factor) for size, unit in zip(sizes, units, strict=True) if unit)
            return across, down
        return self.dots

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels."""
        pixels = self.axes.plane_count * self.axes.height * self.axes.width
        return pixels * self.together * self.dtype.itemsize

    def first_channel(self, plane: int) -> int:
        """Return the first of the channels that are made of this plane."""
        return self.axes.channel_of(plane) * self.together

    def plane_of(self, region: Region) -> int:
        """Return the number of the plane that a region is a part of."""
        return self.axes.plane_number({name: part.start for name, part in region.items()})


@dataclass(frozen=True)
class Output(ABC):
    """A file that takes the parts of a result in any order, also from several processes at once.

    Attributes
    ----------
    path : Path
        The file, or the folder.
    image : OutputImage
        What it holds.
    """

    path: Path
    image: OutputImage

    @abstractmethod
    def write(self, region: Region, channels: npt.NDArray[Any]) -> None:
        """Write a part of what is made of a plane.

        Parameters
        ----------
        region : Region
            Where the part is, in pixels of the result; a single index along every axis but ``Y`` and ``X``,
            ``C`` counting the source's channels.
        channels : array of shape (channels, rows, columns)
            For example its mean and its std.
        """

    @abstractmethod
    def read(self, plane: int) -> npt.NDArray[Any]:
        """Return what was made of a plane, shape (channels, Y, X)."""

    @abstractmethod
    def settle(self, region: Region) -> None:
        """Wait until a part that was written would outlast a power failure, with arguments as for `write`."""

    @abstractmethod
    def stored(self, region: Region) -> int | None:
        """Return a checksum of a part as it is on the disk, with arguments as for `write`.

        None where it is not there, or not all of it.
        """

    @abstractmethod
    def laid_out(self) -> dict[str, Any]:
        """Return how it is laid out, with a checksum of all that describes the parts, ready for JSON."""

    @abstractmethod
    def finish(self, record: Mapping[str, Any]) -> None:
        """Do what is left to do when all parts are written; `record` tells how the image was made."""

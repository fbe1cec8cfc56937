"""OME-Zarr 0.5 written in any order: one file for each block of a plane and each level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import BloscCodec

from napari_vaesr.centres import to_larger
from napari_vaesr.files.atomic import sync
from napari_vaesr.files.output import KEY, Output, OutputImage
from napari_vaesr.files.units import spell_out
from napari_vaesr.imaging.region import Region
from napari_vaesr.imaging.tiling import chunk_side

LONGEST_CHUNK = 512
"""Side up to which pixels are packed together, and so the least that a viewer reads at once."""

SMALLEST_LEVEL = 256
"""Levels are added until both sides of a plane are no longer than this."""

SMALLEST_BLOCK = 32
"""No level is reduced so much that a block of it is smaller than this."""

ORDER = "TCZYX"
TYPES = {"T": "time", "C": "channel"}
_opening = Lock()

COLOURS = ("FF00FF", "00FF00", "00FFFF", "FFFF00", "FF0000", "0000FF")
"""Of the first channels; a lone channel is grey."""


@dataclass(frozen=True)
class ZarrOutput(Output):
    """An OME-Zarr image with levels for quick looks.

    The channels of a block, such as its mean and its std, are one shard: a single file, written at once, with
    chunks inside that can be read one by one. A block makes its part of every level, so that nothing is read
    again and blocks can be written in any order by any process.

    Attributes
    ----------
    block : (int, int)
        Height and width of a block in pixels of the result; all parts written are such blocks, cut at the
        lower and right border.
    """

    block: tuple[int, int]

    @classmethod
    def create(cls, path: Path, image: OutputImage, block: tuple[int, int]) -> ZarrOutput:
        """Lay out a new image.

        Parameters
        ----------
        path : Path
            A folder that does not exist yet.
        image : OutputImage
            What it will hold.
        block : (int, int)
            Height and width of the parts that are written, pixels of the result.
        """
        output = cls(path, image, block)
        group = zarr.create_group(path, attributes={"ome": output._metadata()})
        lengths = image.axes.lengths | {"C": len(image.channel_names)}
        for level in range(output.levels):
            reduced = {"Y": _reduced(image.axes.height, level), "X": _reduced(image.axes.width, level)}
            shard = dict(zip("YX", (side >> level for side in block), strict=True))
            chunk = {name: chunk_side(side, LONGEST_CHUNK) for name, side in shard.items()}
            group.create_array(
                str(level),
                shape=[(lengths | reduced)[name] for name in output.names],
                shards=tuple((shard | {"C": image.together}).get(name, 1) for name in output.names),
                chunks=tuple(chunk.get(name, 1) for name in output.names),
                dtype=image.dtype,
                compressors=BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
                dimension_names=[name.lower() for name in output.names],
            )
        return output

    @property
    def names(self) -> str:
        """Letters of the axes written, in the order that OME-Zarr wants."""
        return "".join(name for name in ORDER if name in self.image.axes.names or name == "C")

    @property
    def levels(self) -> int:
        """How many resolutions there are, the full one included."""
        count = 1
        while (
            max(_reduced(self.image.axes.height, count - 1), _reduced(self.image.axes.width, count - 1))
            > SMALLEST_LEVEL
            and min(self.block) >> count >= SMALLEST_BLOCK
            and all(side % (1 << count) == 0 for side in self.block)
        ):
            count += 1
        return count

    def write(self, region: Region, channels: npt.NDArray[Any]) -> None:
        """Write a block, and its part of every level; see `Output`."""
        place = self._place(self.image.plane_of(region))
        part = np.asarray(channels, dtype=self.image.dtype)
        for shard in self._shards(region):  # else Zarr would read it, and it may be damaged
            shard.unlink(missing_ok=True)
        for level, array in enumerate(self._arrays):
            if level:
                part = _halved(part)
            top, left = region["Y"].start >> level, region["X"].start >> level
            within = {"Y": slice(top, top + part.shape[1]), "X": slice(left, left + part.shape[2])}
            array[tuple((place | within)[name] for name in self.names)] = _arranged(part, self.names)

    def settle(self, region: Region) -> None:
        """Wait until a part would outlast a power failure; see `Output`."""
        for shard in self._shards(region):
            sync(shard)
            for folder in shard.parents:  # their names, too, up to the first that holds other parts already
                sync(folder)
                if sum(1 for _ in islice(folder.iterdir(), 2)) > 1:
                    break

    def stored(self, region: Region) -> int | None:
        """Return a checksum of the files of a part; see `Output`."""
        return _checksum(self._shards(region))

    def laid_out(self) -> dict[str, Any]:
        """Return a checksum of the description of every level; see `Output`."""
        # The image's own description is written anew in the end.
        levels = (self.path / str(level) / "zarr.json" for level in range(self.levels))
        return {"checksum": _checksum(levels)}

    def _shards(self, region: Region) -> Iterator[Path]:
        """Yield the file of a part at every level."""
        place = {name: part.start for name, part in self._place(self.image.plane_of(region)).items()}
        place["C"] //= self.image.together
        place |= {"Y": region["Y"].start // self.block[0], "X": region["X"].start // self.block[1]}
        for level in range(self.levels):
            yield self.path.joinpath(str(level), "c", *(str(place[name]) for name in self.names))

    def read(self, plane: int) -> npt.NDArray[Any]:
        """Return what was made of a plane; see `Output`."""
        place = self._place(plane) | {"Y": slice(None), "X": slice(None)}
        pixels = np.asarray(self._arrays[0][tuple(place[name] for name in self.names)])
        return pixels.reshape(self.image.together, self.image.axes.height, self.image.axes.width)

    def finish(self, record: Mapping[str, Any]) -> None:
        """Add how the image was made, and remove what a process that was killed has left behind."""
        for leftover in self.path.rglob("*.partial"):
            leftover.unlink()
        (self.path / "zarr.json").unlink(missing_ok=True)
        zarr.create_group(self.path, attributes={"ome": self._metadata(), KEY: dict(record)})
        sync(self.path / "zarr.json")

    def _place(self, plane: int) -> dict[str, slice]:
        place = {
            name: slice(index, index + 1) for name, index in self.image.axes.plane_coordinates(plane).items()
        }
        first = self.image.first_channel(plane)
        return place | {"C": slice(first, first + self.image.together)}

    @cached_property
    def _arrays(self) -> list[zarr.Array[Any]]:
        # Empty chunks are written too: what is not there has not been computed. An array takes this setting
        # from the program's when it is opened, which only one thread may change at a time.
        with _opening, zarr.config.set({"array.write_empty_chunks": True}):
            return [zarr.open_array(self.path / str(level), mode="r+") for level in range(self.levels)]

    def _metadata(self) -> dict[str, Any]:
        """Describe the image. https://ngff.openmicroscopy.org/0.5/ ."""
        image = self.image
        axes = []
        for name in self.names:
            unit = spell_out(image.units.get(name, "")) if name != "C" else None
            kind = {"name": name.lower(), "type": TYPES.get(name, "space")}
            axes.append(kind | ({"unit": unit} if unit else {}))
        datasets = []
        for level in range(self.levels):
            factor = {"Y": 1 << level, "X": 1 << level}
            size = {name: float(image.pixel_size.get(name, 1.0)) for name in self.names}
            # The first pixel of a reduced level lies amid those that it was made of.
            start = {
                name: float(image.offset.get(name, 0.0)) + to_larger(0, factor.get(name, 1)) * size[name]
                for name in self.names
            }
            transformations = [
                {"type": "scale", "scale": [size[name] * factor.get(name, 1) for name in self.names]},
                {"type": "translation", "translation": [start[name] for name in self.names]},
            ]
            datasets.append({"path": str(level), "coordinateTransformations": transformations})
        multiscale = {
            "name": image.name,
            "axes": axes,
            "datasets": datasets,
            "type": "mean",
            "metadata": {"description": "Each level averages 2 x 2 pixels of the one before."},
        }
        metadata: dict[str, Any] = {"version": "0.5", "multiscales": [multiscale]}
        if image.windows:
            metadata["omero"] = {"channels": self._channels()}
        return metadata

    def _channels(self) -> list[dict[str, Any]]:
        """How to show every channel at first: those made of one channel of the source have one colour."""
        image = self.image
        return [
            {
                "label": name,
                "color": self._colour(number),
                "active": number % image.together == 0,
                "window": {"min": low, "max": high, "start": low, "end": high},
            }
            for number, (name, (low, high)) in enumerate(zip(image.channel_names, image.windows, strict=True))
        ]

    def _colour(self, number: int) -> str:
        """Return the colour of a channel: its source's, else one of ours, and grey for a lone one."""
        image = self.image
        if number < len(image.colours) and image.colours[number]:
            return image.colours[number]
        alone = len(image.channel_names) == image.together
        return "FFFFFF" if alone or image.colours else COLOURS[number // image.together % len(COLOURS)]


def _checksum(files: Iterable[Path]) -> int | None:
    checksum = 0
    for file in files:
        if file.is_symlink() or not file.is_file():
            return None
        checksum = crc32(file.read_bytes(), checksum)
    return checksum


def _reduced(length: int, level: int) -> int:
    """Return the length of an axis after so many halvings, rounded up."""
    return -(-length // (1 << level))


def _halved(part: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Average 2 x 2 pixels; at an odd border the last row or column counts twice."""
    _, height, width = part.shape
    if height % 2 or width % 2:
        part = np.pad(part, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge")
    corners = part[:, ::2, ::2] + part[:, 1::2, ::2] + part[:, ::2, 1::2] + part[:, 1::2, 1::2]
    halved: npt.NDArray[Any] = corners * part.dtype.type(0.25)
    return halved


def _arranged(part: npt.NDArray[Any], names: str) -> npt.NDArray[Any]:
    """Give a (C, Y, X) part the axes of the array, those of length 1 included."""
    kept = dict(zip("CYX", part.shape, strict=True))
    return part.reshape([kept.get(name, 1) for name in names])

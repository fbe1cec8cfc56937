"""A result in a file: which channels are what of it, how it is laid out, and how it is opened again.

Of every plane the file holds its mean, or the colours of it, and then the maps of its uncertainty, as one
channel after the other. What they are is written into the file, with the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_vaesr.engine.passes import Pass
from napari_vaesr.engine.record import Record
from napari_vaesr.engine.result import Piece, map_names, result_dtype
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.atomic import atomic_folder, atomic_path
from napari_vaesr.files.image_file import ImageFile
from napari_vaesr.files.output import Output, OutputImage
from napari_vaesr.files.tiff_output import TiffOutput
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.colour import COLOURS
from napari_vaesr.imaging.region import Region
from napari_vaesr.imaging.tiling import round_up

if TYPE_CHECKING:
    from napari_vaesr.engine.job import UpscaleJob

PARTS = "layers"
"""Where a file tells its parts, beside the record."""

BLOCK = 1024
"""Side of the pieces that an OME-Zarr is written in where all of it is there, in pixels."""


@dataclass(frozen=True)
class Part:
    """One of the images that make up a result.

    Attributes
    ----------
    role : str
        ``mean``, a kind of uncertainty, ``lower`` or ``upper``.
    dtype : str
        Of its pixels; the file may hold them as wider numbers.
    channels : int
        How many channels of the file it takes: 3 or 4 for colours, else 1.
    axes : str
        Its axes, less ``S``.
    attributes : mapping
        How it was shown, if it was saved from a viewer.
    """

    role: str
    dtype: str
    channels: int = 1
    axes: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of its channels."""
        if self.channels == 1:
            return [self.role]
        return [f"{colour} {self.role}" for colour in COLOURS[: self.channels]]


def parts_of(job: UpscaleJob) -> list[Part]:
    """Return what a job's result consists of: its mean, and the maps of its uncertainty, if it has any."""
    axes = job.result_axes.without_samples().names
    maps = map_names(job.settings.uncertainty) if job.settings.has_spread else ()
    mean = Part("mean", str(result_dtype(job.source.dtype)), job.axes.lengths.get("S", 1), axes)
    return [mean, *(Part(role, "float32", 1, axes) for role in maps)]


def output_image(
    parts: Sequence[Part], axes: Axes, prefixes: Sequence[str], told: Mapping[str, Any], **about: Any
) -> OutputImage:
    """Describe the file that holds a result.

    Parameters
    ----------
    parts : sequence of Part
        In the order of their channels.
    axes : Axes
        Of the result, less ``S``.
    prefixes : sequence of str
        What begins the names of the channels made of each channel of the source.
    told : mapping
        The record, and what else is known of the result, ready for JSON.
    **about
        Further fields of `OutputImage`.
    """
    names = [name for part in parts for name in part.names]
    return OutputImage(
        axes=axes,
        channel_names=tuple(prefix + name for prefix in prefixes for name in names),
        annotation={**told, PARTS: [asdict(part) for part in parts]},
        **about,
    )


def as_channels(planes: Iterable[npt.NDArray[Any]], dtype: npt.DTypeLike = np.float32) -> npt.NDArray[Any]:
    """Return the parts of one plane as channels.

    Parameters
    ----------
    planes : iterable of array of shape (Y, X) or (Y, X, S)
        Such as mean and std.
    dtype : dtype
        Of the channels.

    Returns
    -------
    array of shape (C, Y, X)
        Colours are channels of their own.
    """
    channels = [np.moveaxis(plane, -1, 0) if plane.ndim == 3 else plane[np.newaxis] for plane in planes]
    return np.concatenate(channels, dtype=dtype, casting="unsafe")


def as_planes(channels: npt.NDArray[Any], parts: Sequence[Part]) -> list[npt.NDArray[Any]]:
    """Return the parts of one plane as they were before they became channels.

    Parameters
    ----------
    channels : array of shape (C, Y, X)
        As from `as_channels`.
    parts : sequence of Part
        How many channels each has, and its dtype.

    Returns
    -------
    list of array of shape (Y, X) or (Y, X, S)
    """
    planes, first = [], 0
    for part in parts:
        own = channels[first : first + part.channels].astype(part.dtype)
        planes.append(own[0] if part.channels == 1 else np.moveaxis(own, 0, -1))
        first += part.channels
    return planes


@dataclass(frozen=True)
class ResultFile:
    """The file of a result, as a place for the pieces of its last pass: a `napari_vaesr.engine.stream.Store`.

    Attributes
    ----------
    output : Output
        The file: the mean, or its colours, and its uncertainty as float32 channels.
    step : Pass
        The last pass.
    """

    output: Output
    step: Pass

    def put(self, piece: Piece) -> None:
        """Write a piece, plane by plane."""
        inside = piece.region.enlarged(self.step.factors).seen_from(self.step.result_region)
        own = self.step.result_axes.of_region(inside)
        outline = own.without_samples()
        everything = slice(None)
        for number in range(own.plane_count):
            place = own.plane_coordinates(number)
            at = inside.changed({name: inside[name][index : index + 1] for name, index in place.items()})
            parts = [own.read_plane(piece.mean, number, everything, everything)]
            parts += [outline.read_plane(each, number, everything, everything) for each in piece.maps]
            self.output.write(at, as_channels(parts))
            self.output.settle(at)

    def stored(self, block: Region) -> int | None:
        """Return a checksum of a block; see `Store`."""
        made = block.enlarged(self.step.factors).seen_from(self.step.result_region)
        whole = self.step.result_axes.without_samples()
        checksum = 0
        for number in whole.planes_of(made):
            plane = whole.region(number, *(made[name] for name in whole.plane))
            own = self.output.stored(plane)
            if own is None:
                return None
            checksum = checksum * 31 + own & 0xFFFFFFFF
        return checksum


def lay_out(path: Path, image: OutputImage, block: tuple[int, int]) -> Output:
    """Make the file for a result, or the folder of a Zarr, whose parts can then be written in any order.

    Parameters
    ----------
    path : Path
        Ends with ``.zarr`` for an OME-Zarr; anything else is an OME-TIFF.
    image : OutputImage
        What it will hold.
    block : (int, int)
        Height and width of the pieces that will be written, in pixels of the result; a TIFF takes any.
    """
    from napari_vaesr.files.zarr_output import ZarrOutput

    return ZarrOutput.create(path, image, block) if _is_zarr(path) else TiffOutput.create(path, image)


def reopen(
    path: Path, image: OutputImage, block: tuple[int, int], laid_out: Mapping[str, Any]
) -> Output | None:
    """Open what `lay_out` made for the same image, to go on with it.

    Parameters
    ----------
    path, image, block
        As they were given.
    laid_out : mapping
        What `Output.laid_out` told then.

    Returns
    -------
    Output or None
        None where its description, without which parts are worth nothing, is damaged or gone.
    """
    from napari_vaesr.files.zarr_output import ZarrOutput

    try:
        output: Output = (
            ZarrOutput(path, image, block)
            if _is_zarr(path)
            else TiffOutput(path, image, laid_out["start"], laid_out["stop"])
        )
        return output if output.laid_out() == laid_out else None
    except (OSError, KeyError):
        return None


def write_whole(path: str | PathLike[str], image: OutputImage, planes: Iterable[npt.NDArray[Any]]) -> None:
    """Write a result plane by plane, of which only one is in memory at a time; whole or not at all.

    Parameters
    ----------
    path : path
        As for `lay_out`.
    image : OutputImage
        What the file will hold.
    planes : iterable of array of shape (channels, Y, X)
        One for every plane of the image, in their order.

    Raises
    ------
    VaesrError
        When it can't be written; see `atomic_path`.
    ValueError
        When `planes` are too few, too many, or of another shape.
    """
    axes, count = image.axes, image.axes.plane_count
    expected = (image.together, axes.height, axes.width)
    height, width = block = round_up(min(axes.height, BLOCK), 32), round_up(min(axes.width, BLOCK), 32)
    with (atomic_folder if _is_zarr(path) else atomic_path)(path) as temporary:
        output = lay_out(temporary, image, block)
        number = -1
        for number, plane in enumerate(planes):
            if plane.shape != expected or number >= count:
                raise ValueError(f"Plane {number + 1} of {count} has shape {plane.shape} and not {expected}.")
            for top in range(0, axes.height, height):
                for left in range(0, axes.width, width):
                    part = plane[:, top : top + height, left : left + width]
                    rows, columns = range(top, top + part.shape[1]), range(left, left + part.shape[2])
                    output.write(axes.region(number, rows, columns), part)
        if number + 1 != count:
            raise ValueError(f"There are {number + 1} planes and not {count}.")
        output.finish(image.annotation)


def stored_parts(image: ImageFile) -> list[tuple[Part, Any]] | None:
    """Return the parts of a result with their pixels, lazily, or None of an image that is no result.

    Parameters
    ----------
    image : ImageFile
        As `read_image` opens it.

    Returns
    -------
    list of (Part, dask Array)
        Axes are those of the part, in its order, and the last are the colours of it, if it has any.
    """
    import dask.array as da

    parts = _told_parts(image)
    if parts is None:
        return None
    pixels = da.asarray(image.data)  # type: ignore[no-untyped-call]
    together = sum(part.channels for part in parts)
    found: list[tuple[Part, Any]] = []
    first = 0
    for part in parts:
        wanted = part.axes
        if "C" in wanted:
            own = _with_axes(pixels, image.axes, wanted, slice(first, None, together))
        elif part.channels > 1:
            own = _with_axes(pixels, image.axes, wanted + "C", slice(first, first + part.channels))
        else:
            own = _with_axes(pixels, image.axes, wanted, first)
        found.append((part, own.astype(part.dtype)))
        first += part.channels
    return found


def _told_parts(image: ImageFile) -> list[Part] | None:
    told = image.annotation
    if PARTS not in told:
        return _parts_by_name(image)
    parts = [Part(**part) for part in told[PARTS]]
    # What was saved from a viewer by version 0.1 tells no axes.
    return [
        part if part.axes else replace(part, axes=layer_axes(told["axes"], len(part.attributes["scale"])))
        for part in parts
    ]


def _parts_by_name(image: ImageFile) -> list[Part] | None:
    """Return the parts of a result that the command line of version 0.1 wrote, by their channels' names."""
    try:
        record = Record.read(image.annotation)
    except VaesrError:
        return None
    if not image.channel_names:
        return None
    names = image.channel_names[: len(image.channel_names) // len(record.channels)]
    colours = sum(name.endswith(" mean") for name in names) if "S" in record.axes else 1
    axes = record.axes.replace("S", "")
    mean = Part("mean", str(result_dtype(record.input.dtype)), colours, axes)
    return [mean, *(Part(name.split()[-1], "float32", 1, axes) for name in names[colours:])]


def layer_axes(axes: str, ndim: int) -> str:
    """Return the axes of a part of a result, less ``S``: those of the source or of one of its channels.

    Parameters
    ----------
    axes : str
        Letters of the source's axes.
    ndim : int
        How many the part has.

    Raises
    ------
    VaesrError
        When it has another number of axes.
    """
    own = axes.replace("S", "")
    if len(own) != ndim:
        own = own.replace("C", "")
    if len(own) != ndim:
        raise VaesrError(f"The layer has {ndim} axes and not those of its source, {axes}.")
    return own


def _with_axes(pixels: Any, names: str, wanted: str, channels: int | slice) -> Any:
    """Take channels and bring the axes into an order; axes of length 1 may be missing in a file."""
    for name in "C" + wanted:
        if name not in names:
            pixels, names = pixels[np.newaxis], name + names
    pixels = pixels[tuple(channels if name == "C" else slice(None) for name in names)]
    if isinstance(channels, int):
        names = names.replace("C", "")
    return pixels.transpose([names.index(name) for name in wanted])


def _is_zarr(path: str | PathLike[str]) -> bool:
    return fspath(path).lower().endswith(".zarr")

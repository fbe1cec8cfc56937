"""What is known of an opened image, and how it is named and told apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.place import Place
from napari_vaesr.files.units import comparable
from napari_vaesr.imaging.axes import Source

Series = str | int | None
"""Which image of a file is meant: its name or its number from 0; the first if None."""


class UnknownAxes(VaesrError):
    """The file doesn't name its axes; the message asks for them.

    Attributes
    ----------
    shape : tuple of int
        That of the image.
    """

    def __init__(self, message: str, shape: Sequence[int]) -> None:
        super().__init__(message)
        self.shape = tuple(shape)


@dataclass(frozen=True)
class ImageFile:
    """An opened image file.

    Attributes
    ----------
    path : Path or Address
        Where it is.
    name : str
        File name without its ending.
    data : array
        The pixels; a Dask array that reads them when they are needed, but for small formats.
    axes : str
        One letter of ``TCZYXS`` per axis of `data`.
    pixel_size : dict of str to float
        Distance between pixels by axis letter, where the file tells.
    units : dict of str to str
        Unit of that distance by axis letter, spelled out (``"micrometer"``); none means pixels.
    channel_names : tuple of str
        One per position of ``C``, or empty.
    offset : dict of str to float
        Where the centre of the first pixel is, in the units above, by axis letter; at 0 where it isn't told.
    annotation : dict
        What this package wrote into the file beyond that: how a result was made, and the look of its layers.
    colours : tuple of str
        One per channel as ``"00FF00"``, empty where a channel has none; or empty altogether.
    windows : tuple of ((float, float) or None)
        Intensities to show as dark and as bright, one per channel; or empty.
    series : str
        Which of the images in the file this is; empty where it is the only one.
    notes : tuple of str
        What the user should know of how it was read: sentences.
    icc : bytes or None
        The colour profile.
    dots : (float, float) or None
        Pixels per meter along X and Y as a printer would take them; often 72 to an inch and untrue.
    """

    path: Place
    name: str
    data: Any
    axes: str
    pixel_size: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    offset: dict[str, float] = field(default_factory=dict)
    annotation: dict[str, Any] = field(default_factory=dict)
    colours: tuple[str, ...] = ()
    windows: tuple[tuple[float, float] | None, ...] = ()
    series: str = ""
    notes: tuple[str, ...] = ()
    icc: bytes | None = None
    dots: tuple[float, float] | None = None

    @property
    def source(self) -> Source:
        """Pixels, axes, and the sizes of pixels along axes that can be compared, in the unit of ``X``."""
        return Source.of(self.data, self.axes, comparable(self.pixel_size, self.units))


def chosen_series(path: Place, names: Sequence[str], series: Series) -> int:
    """Return the number of the image that is meant.

    Parameters
    ----------
    path : Place
        The file, for messages.
    names : sequence of str
        Of its images, as they are told apart.
    series : str, int or None
        The image in the file, by its name or from 0 on; None: the first.

    Raises
    ------
    VaesrError
        When there is none of that name or number.
    """
    if series is None:
        return 0
    if isinstance(series, str) and series in names:
        return list(names).index(series)
    text = str(series).strip()
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    raise VaesrError(
        f"{path} holds no image {series!r}, please choose one of {_listed(names)}, by its name or from 0 on."
    )


def told_apart(names: Iterable[str]) -> list[str]:
    """Return the names of images so that each is meant by its own: the first of several alike keeps it.

    Examples
    --------
    >>> told_apart(["field", "field", "other"])
    ['field', 'field 1', 'other']
    """
    listed = list(names)
    own, found = set(listed), dict[str, None]()
    for number, name in enumerate(listed):
        apart = name
        while apart in found or (apart != name and apart in own):
            apart = f"{apart} {number}"
        found[apart] = None
    return list(found)


def told_of_others(path: Place, names: Sequence[str], series: Series) -> list[str]:
    """Return the sentence that tells of a file's other images, where nobody has chosen one.

    Parameters
    ----------
    path : Place
        The file.
    names : sequence of str
        Of its images.
    series : str, int or None
        The image that was chosen; None: none was.
    """
    if series is not None or len(names) < 2:
        return []
    return [
        f"{path.name} holds {len(names)} images ({_listed(names)}) and this is the first: choose another by "
        "its series (--series on the command line)."
    ]


def _listed(names: Sequence[str]) -> str:
    shown = [repr(name) for name in names[:8]]
    return ", ".join(shown) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def image_name(path: Place, series: str = "", joint: str = " ") -> str:
    """Return what to call an image, from the name of its file without what names the format.

    ``cells`` for ``cells.ome.tif``, ``cells scene B`` for one of several images in there, and ``plate A1 0``
    for the folder ``plate.zarr/A/1/0`` or for ``A/1/0`` in a plate.

    Parameters
    ----------
    path : Place
        The file.
    series : str
        The image in there, empty for the only one.
    joint : str
        What stands between the parts of the name.
    """
    inside = [part for part in series.split("/") if part]
    if isinstance(path, Path):
        parts = path.parts
        stores = [number for number, part in enumerate(parts[:-1]) if part.lower().endswith(".zarr")]
        if stores:  # the numbers of fields and levels say nothing without their plate
            path, inside = Path(*parts[: stores[-1] + 1]), [*parts[stores[-1] + 1 :], *inside]
    name = path.name
    ending = Path(name).suffix
    name = name[: -len(ending)] if ending else name
    for suffix in (".zarr", ".ome"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    if len(inside) >= 2 and inside[0].isalpha() and inside[1].isdecimal():
        inside[:2] = ["".join(inside[:2])]  # the well
    return joint.join([name, *inside])


def ask_for_axes(path: Place, shape: Sequence[int], known: str = "") -> UnknownAxes:
    """Return the error that asks for the axes of an image that doesn't tell them.

    Parameters
    ----------
    path : Place
        The image, for the message.
    shape : sequence of int
        How long its axes are.
    known : str
        What the file tells of them, if anything.
    """
    from napari_vaesr.imaging.axes import MEANING

    says = f"only says {known!r} about" if known else "doesn't name"
    return UnknownAxes(
        f"{path} has the shape {tuple(shape)} and {says} its axes, please give one letter for each, "
        f"such as ZYX for a z-stack, with --axes on the command line ({MEANING}).",
        shape,
    )

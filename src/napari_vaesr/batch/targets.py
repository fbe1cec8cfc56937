"""Which file is written for which input, decided before anything is computed."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vaesr.batch.inputs import chosen_inputs, expanded, images_of
from napari_vaesr.engine.progress import Progress
from napari_vaesr.engine.record import Record
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import can_read, parts_in_files, read_image
from napari_vaesr.files.image_file import image_name
from napari_vaesr.files.partial import partial_folder
from napari_vaesr.files.place import Place, as_place, file_state, is_same_state
from napari_vaesr.imaging.region import Factors, Region

if TYPE_CHECKING:
    from napari_vaesr.engine.settings import UpscaleSettings
    from napari_vaesr.zoo.card import ModelCard

TIFF_SUFFIXES = (".ome.tif", ".ome.tiff", ".tif", ".tiff")
"""TIFF files that hold mean and std as channels."""

ZARR_SUFFIXES = (".ome.zarr", ".zarr")
"""OME-Zarr folders that do the same."""

LONGEST_NAME = 255 - 18
"""Bytes of a file's name, less those that its name has more while it is written."""

STATE = "input_file"
"""Where the record beside an output tells size and time of the file that it was made from."""

OUTPUT_SUFFIXES = (*TIFF_SUFFIXES, *ZARR_SUFFIXES, ".png")
"""Outputs that can be written; ``.png`` for a single 2-D image."""


@dataclass(frozen=True)
class Target:
    """One input and the files that are made from it.

    Attributes
    ----------
    source
        The image to upscale.
    output
        The OME-TIFF or OME-Zarr with mean and std, or the PNG with the mean.
    series
        Which of the images in the source, by name or number; the first if None.
    """

    source: Place
    output: Path
    series: str | None = None

    @property
    def title(self) -> str:
        """What to call the input in messages."""
        return f"{self.source.name} {self.series or ''}".strip()

    @property
    def is_png(self) -> bool:
        """Whether the output is a PNG, which holds the mean alone."""
        return self.output.suffix.lower() == ".png"

    @property
    def is_zarr(self) -> bool:
        """Whether the output is an OME-Zarr, which is a folder."""
        return self.output.name.lower().endswith(ZARR_SUFFIXES)

    @property
    def record(self) -> Path:
        """The JSON record of how the output was made: ``a.json`` of ``a.ome.tif``, else ``a.zarr.json``."""
        return self._beside(".json")

    @property
    def figure(self) -> Path:
        """The picture of input, mean and std side by side."""
        return self._beside(".figure.png")

    @property
    def std(self) -> Path:
        """The uncertainty beside a PNG, which has no room for it."""
        return self.output.with_name(_stem(self.output) + ".std.tif")

    def files(self, spread: bool, figure: bool) -> list[Path]:
        """Return everything that will be written, `spread` telling whether there is an uncertainty."""
        beside = [self.std] if self.is_png and spread else []
        return [self.output, *beside, self.record, *([self.figure] if figure else [])]

    def named(self) -> dict[str, str]:
        """Return what the record calls the input and the output."""
        series = {"series": self.series} if self.series else {}
        return {"input": str(self.source), **series, "output": str(self.output)}

    def _beside(self, suffix: str) -> Path:
        # Another output may differ in its ending alone, and has a record of its own.
        is_usual = self.output.name.lower().endswith(TIFF_SUFFIXES[0])
        return self.output.with_name((_stem(self.output) if is_usual else self.output.name) + suffix)


def plan_targets(
    inputs: Sequence[str],
    output: str,
    factors: Factors,
    series: str | None = None,
    notes: list[str] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[Target]:
    """Pair every input with its output.

    Parameters
    ----------
    inputs
        Files, folders and glob patterns.
    output
        A file for one input; a folder for several, for a folder or a pattern, or when it ends with a
        separator.
    factors
        Part of the names that are made up in a folder: ``cells.tif`` becomes ``cells_x2.ome.tif``.
    series
        Which of the images in a file: a name, a number, or ``all``. Left out, it is all of a plate and the
        first of other files.
    notes
        Gets what the user should know: that results among the inputs are passed over.
    progress
        Called as inputs are looked at, which takes seconds for thousands. What it raises stops that.

    Returns
    -------
    list of Target
        One for each input, in sorted order.

    Raises
    ------
    VaesrError
        Nothing is found, the output has no known suffix, two inputs would write the same file, or a name is
        too long.
    """
    named = {expanded(text) for text in inputs}
    found = chosen_inputs(inputs, [] if notes is None else notes, progress)
    sources = [each for place in found for each in images_of(place, series)]
    path = as_place(output)
    if not isinstance(path, Path):
        raise VaesrError(f"Results are written on this machine, please choose a path instead of {output}.")
    path = path.expanduser()
    one_file = len(inputs) == 1 and len(sources) == 1 and found[0] in named
    named_zarr = _suffix(path) in ZARR_SUFFIXES
    if one_file and (named_zarr or not (path.is_dir() or output.endswith(("/", os.sep)))):
        if not _suffix(path):
            raise VaesrError(
                f"The output {output} should end with .ome.tif, .zarr or .png, or with / to name a folder."
            )
        targets = [Target(sources[0][0], path, sources[0][1])]
    else:
        if path.exists() and not path.is_dir():
            raise VaesrError(f"With several inputs the output must be a folder, and {output} is a file.")
        if named_zarr or (_suffix(path) and not path.is_dir()):
            raise VaesrError(
                f"With several inputs the output must be a folder; {output} is named like a file. One of the "
                "images in a file is chosen with --series."
            )
        targets = [
            Target(place, path / f"{_made_up(place, name)}_{factors.suffix}.ome.tif", name)
            for place, name in sources
        ]

    _refuse_collisions(targets)
    _refuse_long_names(targets)
    return targets


def _made_up(place: Place, series: str | None) -> str:
    """Return the name of an output without its ending, of letters that every disk knows."""
    if not series:
        return image_name(place, "", "_")
    parts = (re.sub(r"[^\w.+-]+", "_", part).strip("_") for part in series.split("/"))
    return image_name(place, "/".join(parts), "_")


@dataclass(frozen=True)
class Inputs:
    """All files that are to be read, and the folders around them, so that no output is one of them."""

    files: frozenset[str]
    around: frozenset[str]

    @classmethod
    def of(cls, targets: Sequence[Target], force: bool) -> Inputs:
        """Return those of some targets; of very many it takes a while, so that it is done once for all.

        Parameters
        ----------
        targets : sequence of Target
            What is to be made.
        force : bool
            Whether files that exist may be replaced: only then it matters what else an input is spread over.
        """
        sources = dict.fromkeys(target.source for target in targets)
        parts = (part for each in sources for part in parts_in_files(each)) if force else ()
        files = {os.path.realpath(each) for each in (*sources, *parts)}
        around = (str(folder) for each in files for folder in Path(each).parents)
        return cls(frozenset(files), frozenset(around))


def refuse_overwriting(
    targets: Sequence[Target],
    spread: bool,
    figure: bool,
    force: bool,
    how: str = "pass --force",
    read: Inputs | None = None,
) -> None:
    """Make sure that nothing which exists is lost.

    No output may be an input, nor lie in one or around one.

    Parameters
    ----------
    targets : sequence of Target
        What would be written.
    spread : bool
        Whether there is an uncertainty, which some formats keep in a file of its own.
    figure : bool
        Whether figures are written, too.
    force : bool
        Allow to replace results.
    how : str
        What the message tells to do to replace them all the same.
    read : Inputs, optional
        All that are to be read; left out, those of these targets.

    Raises
    ------
    VaesrError
        A file that would be written exists and ``force`` is not set, or an output is one of the inputs.
    """
    read = Inputs.of(targets, force) if read is None else read
    for target in targets:
        begun = partial_folder(target.output).exists()
        for path in target.files(spread, figure):
            place = os.path.realpath(path)  # of links that lead to themselves, too
            if place in read.files:
                raise VaesrError(f"{path} is an input as well as an output; choose another output.")
            if place in read.around or read.files & set(map(str, Path(place).parents)):
                raise VaesrError(f"{path} and an input lie one inside the other; choose another output.")
            if path.is_dir() and not (path == target.output and target.is_zarr and can_read(path)):
                raise VaesrError(f"{path} is a folder; choose another name for the output.")
            if target.is_zarr and path == target.output and path.is_file():
                raise VaesrError(f"{path} is a file, and a Zarr is a folder; choose another name for it.")
            # What lies beside an output that was begun has been asked about then, or is its own.
            if path.exists() and not force and (path == target.output or not begun):
                raise VaesrError(f"{path} exists already; {how} to replace it.")


def is_made(
    target: Target,
    axes: str | None,
    settings: UpscaleSettings,
    card: ModelCard,
    extent: Region,
    figure: bool,
) -> bool:
    """Tell whether an earlier run has made all files of a target just so, and since the input changed.

    Only the record is read, and of the input its voxel size where that decides the scale. What was left to
    the program then, such as the device, is not asked about.

    Parameters
    ----------
    target : Target
        The input, and the files of its result.
    axes : str or None
        One letter of ``TCZYXS`` per axis; None: as the file tells.
    settings : UpscaleSettings
        What would be asked for now.
    card : ModelCard
        Of the model that would be used.
    extent : Region
        The part that would be upscaled, low-res pixels.
    figure : bool
        Whether a figure belongs to the files.
    """
    try:
        told = json.loads(target.record.read_text(encoding="utf-8"))
        state, written = file_state(target.source), target.record.stat().st_mtime_ns
        # A file may be moved into the place of another, and be older; records of 0.2 do not tell.
        is_same = is_same_state(state, told[STATE]) if STATE in told else written > state["time"]
        record = Record.read(told)
        if not settings.is_settled:  # then the scale is the image's own
            settings = settings.settled(read_image(target.source, axes, target.series).source, card)
        return (
            is_same
            and told["files"] == target.named()
            and record == record.asked_again(settings, card, extent, axes.upper() if axes else record.axes)
            and all(path.exists() for path in target.files(settings.has_spread, figure))
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False  # no record, or not one of ours


def _refuse_collisions(targets: Sequence[Target]) -> None:
    """Two inputs of the same name would overwrite each other in the output folder."""
    taken: dict[Path, Target] = {}
    for target in targets:
        other = taken.setdefault(target.output, target)
        if other is not target:
            raise VaesrError(
                f"{other.source} and {target.source} would both be written to {target.output}; "
                "upscale them into different folders."
            )


def _refuse_long_names(targets: Sequence[Target]) -> None:
    for target in targets:
        for path in target.files(spread=True, figure=True):
            if len(os.fsencode(path.name)) > LONGEST_NAME:
                raise VaesrError(
                    f"The name {path.name} of an output is longer than the {LONGEST_NAME} letters that there "
                    "is room for: rename the input, or choose another output."
                )


def _suffix(path: Path) -> str:
    """Return the longest output suffix of a path, or an empty string."""
    name = path.name.lower()
    return next((suffix for suffix in OUTPUT_SUFFIXES if name.endswith(suffix) and name != suffix), "")


def _stem(path: Path) -> str:
    """Return the file name without what names its format."""
    suffix = _suffix(path)
    return path.name[: -len(suffix)] if suffix else path.stem

"""Which file is written for which input, decided before anything is computed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vaesr.engine.record import Record
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import can_read, expand_inputs, image_name
from napari_vaesr.files.partial import partial_folder
from napari_vaesr.imaging.region import Factors, Region

if TYPE_CHECKING:
    from napari_vaesr.engine.settings import UpscaleSettings
    from napari_vaesr.zoo.card import ModelCard

TIFF_SUFFIXES = (".ome.tif", ".ome.tiff", ".tif", ".tiff")
"""TIFF files that hold mean and std as channels."""

ZARR_SUFFIXES = (".ome.zarr", ".zarr")
"""OME-Zarr folders that do the same."""

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
    """

    source: Path
    output: Path

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
        """The JSON record of how the output was made."""
        return self._beside(".json")

    @property
    def figure(self) -> Path:
        """The picture of input, mean and std side by side."""
        return self._beside(".figure.png")

    @property
    def std(self) -> Path:
        """The uncertainty beside a PNG, which has no room for it."""
        return self._beside(".std.tif")

    def files(self, spread: bool, figure: bool) -> list[Path]:
        """Return everything that will be written, `spread` telling whether there is an uncertainty."""
        beside = [self.std] if self.is_png and spread else []
        return [self.output, *beside, self.record, *([self.figure] if figure else [])]

    def _beside(self, suffix: str) -> Path:
        return self.output.with_name(_stem(self.output) + suffix)


def plan_targets(inputs: Sequence[str], output: str, factors: Factors) -> list[Target]:
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

    Returns
    -------
    list of Target
        One for each input, in sorted order.

    Raises
    ------
    VaesrError
        Nothing is found, the output has no known suffix, or two inputs would write the same file.
    """
    sources = expand_inputs(list(inputs))
    path = Path(output).expanduser()
    one_file = len(inputs) == 1 and sources == [Path(inputs[0]).expanduser()]
    named_zarr = _suffix(path) in ZARR_SUFFIXES
    if one_file and (named_zarr or not (path.is_dir() or output.endswith(("/", os.sep)))):
        if not _suffix(path):
            raise VaesrError(
                f"The output {output} should end with .ome.tif, .zarr or .png, or with / to name a folder."
            )
        targets = [Target(sources[0], path)]
    else:
        if path.exists() and not path.is_dir():
            raise VaesrError(f"With several inputs the output must be a folder, and {output} is a file.")
        if named_zarr or (_suffix(path) and not path.is_dir()):
            raise VaesrError(
                f"With several inputs the output must be a folder; {output} is named like a file."
            )
        targets = [Target(source, path / f"{_stem(source)}_{factors.suffix}.ome.tif") for source in sources]

    _refuse_collisions(targets)
    return targets


def refuse_overwriting(targets: Sequence[Target], spread: bool, figure: bool, force: bool) -> None:
    """Make sure that nothing which exists is lost.

    Raises
    ------
    VaesrError
        A file that would be written exists and ``force`` is not set, or an output is one of the inputs.
    """
    inputs = {target.source.resolve() for target in targets}
    for target in targets:
        begun = partial_folder(target.output).exists()
        for path in target.files(spread, figure):
            if path.resolve() in inputs:
                raise VaesrError(f"{path} is an input as well as an output; choose another output.")
            if path.is_dir() and not (path == target.output and target.is_zarr and can_read(path)):
                raise VaesrError(f"{path} is a folder; choose another name for the output.")
            if target.is_zarr and path == target.output and path.is_file():
                raise VaesrError(f"{path} is a file, and a Zarr is a folder; choose another name for it.")
            # What lies beside an output that was begun has been asked about then, or is its own.
            if path.exists() and not force and (path == target.output or not begun):
                raise VaesrError(f"{path} exists already; pass --force to replace it.")


def is_made(
    target: Target, axes: str | None, settings: UpscaleSettings, card: ModelCard, extent: Region, figure: bool
) -> bool:
    """Tell whether an earlier run has made all files of a target just so, and since the input changed.

    Only the record is read. What was left to the program then, such as the device, is not asked about.
    """
    try:
        told = json.loads(target.record.read_text(encoding="utf-8"))
        is_newer = target.record.stat().st_mtime_ns > target.source.stat().st_mtime_ns
        record = Record.read(told)
        return (
            is_newer
            and told["files"] == {"input": str(target.source), "output": str(target.output)}
            and record == record.asked_again(settings, card, extent, axes.upper() if axes else record.axes)
            and all(path.exists() for path in target.files(settings.has_spread, figure))
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False  # no record, or not one of ours


def _refuse_collisions(targets: Sequence[Target]) -> None:
    """Two inputs of the same name would overwrite each other in the output folder."""
    taken: dict[Path, Path] = {}
    for target in targets:
        other = taken.setdefault(target.output, target.source)
        if other != target.source:
            raise VaesrError(
                f"{other} and {target.source} would both be written to {target.output}; "
                "upscale them into different folders."
            )


def _suffix(path: Path) -> str:
    """Return the longest output suffix of a path, or an empty string."""
    name = path.name.lower()
    return next((suffix for suffix in OUTPUT_SUFFIXES if name.endswith(suffix) and name != suffix), "")


def _stem(path: Path) -> str:
    """Return the file name without what names its format."""
    suffix = _suffix(path)
    return path.name[: -len(suffix)] if suffix else image_name(path)

"""Patches from folders of images, held in memory as they are on disk."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from napari_vaesr.errors import VaesrError
from napari_vaesr.files.made import is_mask, is_result
from napari_vaesr.files.tiff import open_series
from napari_vaesr.training.batches import Batch, Batches, scale_odds, turned
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.degradation import degrade, neighboured
from napari_vaesr.training.told import shown
from napari_vaesr.vae.config import Factor

FloatArray = NDArray[np.float64]

SUFFIXES = {".png", ".tif", ".tiff", ".jpg", ".jpeg"}


def find_images(places: Sequence[Path], passed: list[Path] | None = None) -> list[Path]:
    """List image files: those named, and all below the folders named but results, masks and labels.

    Parameters
    ----------
    places : sequence of Path
        Files and folders.
    passed : list of Path, optional
        Gets what is passed over.

    Raises
    ------
    VaesrError
        When a place does not exist or there is no image.
    """
    files: list[Path] = []
    for place in places:
        if not place.exists():
            raise VaesrError(f"{place} does not exist: give a folder of images or an image file.")
        if place.is_file():
            files.append(place)
        else:
            files += with_intensities(place, SUFFIXES, passed)
    if not files:
        listed = " and ".join(map(str, places))
        raise VaesrError(f"{listed} holds no PNG, TIFF or JPEG image: give another folder.")
    return sorted(set(files))


def with_intensities(
    folder: Path, suffixes: Collection[str], passed: list[Path] | None = None
) -> Iterator[Path]:
    """Yield the images below a folder, without results of upscalings, masks and labels; see `find_images`."""
    for path in visible_files(folder):
        if path.suffix.lower() not in suffixes:
            continue
        if not (is_result(path) or is_mask(path, folder)):
            yield path
        elif passed is not None:
            passed.append(path)


def visible_files(folder: Path) -> Iterator[Path]:
    """Yield what lies below a folder, without what is hidden: macOS's ``._cells.tif``, unfinished results."""
    for path in folder.rglob("*"):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def hold_out(
    places: Sequence[Path], every: int = 10, passed: list[Path] | None = None
) -> tuple[list[Path], list[Path]]:
    """Split image files into those to train on and every tenth, to validate on; one file serves for both."""
    files = find_images(places, passed)
    held = files[every // 2 :: every] or files[-1:]
    left = set(files) - set(held)
    return sorted(left) or files, held


def load_planes(places: Sequence[Path], smallest: int) -> dict[str, list[NDArray[np.generic]]]:
    """Read images as grey planes, grouped by the folder they lie in; see `load_stacks`."""
    groups = load_stacks(places, smallest)
    return {name: [plane for stack in stacks for plane in stack] for name, stacks in groups.items()}


def load_stacks(places: Sequence[Path], smallest: int) -> dict[str, list[NDArray[np.generic]]]:
    """Read images as grey stacks of neighbouring planes, grouped by the folder they lie in.

    Parameters
    ----------
    places : sequence of Path
        PNG, TIFF or JPEG files, or folders of them. Colour is turned to luma.
    smallest : int
        Images with a shorter side than this are left out.

    Returns
    -------
    dict
        By folder, arrays (planes, Y, X); single images have one plane.

    Raises
    ------
    VaesrError
        When there is nothing to train on, or a file cannot be read.
    """
    groups: dict[str, list[NDArray[np.generic]]] = {}
    for path in find_images(places):
        for stack in grey_stacks(path):
            if min(stack.shape[1:]) >= smallest:
                groups.setdefault(path.parent.name, []).append(stack)
    if not groups:
        listed = " and ".join(map(str, places))
        raise VaesrError(f"{listed} holds no image of {smallest} pixels a side or more: give larger images.")
    return groups


def grey_planes(path: Path) -> list[NDArray[np.generic]]:
    """Read all planes of an image file, whatever their axes; see `grey_stacks`."""
    return [plane for stack in grey_stacks(path) for plane in stack]


def grey_stacks(path: Path) -> list[NDArray[np.generic]]:
    """Read an image file as stacks of neighbouring planes, along Z or else time; colour as its luma.

    Returns
    -------
    list of array
        (planes, Y, X) each, one for every channel and whatever else there is.

    Raises
    ------
    VaesrError
        When it can't be read, or a value is NaN or infinite.
    """
    try:
        stacks = _stacks(path)
    except Exception as error:
        raise VaesrError(f"{path} cannot be read as an image: remove it or replace it.") from error
    if any(stack.dtype.kind == "f" and not np.isfinite(stack).all() for stack in stacks):
        raise VaesrError(f"{path} holds NaN or infinite values: replace them, or leave the image out.")
    return stacks


def _stacks(path: Path) -> list[NDArray[np.generic]]:
    axes = "YX"
    if path.suffix.lower() in {".tif", ".tiff"}:
        file, series = open_series(path, 0)  # the image that is in this file, and not in another of its kind
        with file:
            image, axes = np.asarray(series.asarray()), str(series.axes)
        if "S" in axes:  # colour, before or behind the pixels
            image = np.moveaxis(image, axes.index("S"), -1)
        is_colour = "S" in axes
        axes = axes.replace("S", "")
    else:
        with Image.open(path) as picture:
            image = np.asarray(picture.convert("RGB") if picture.mode in {"P", "CMYK"} else picture)
        is_colour = image.ndim == 3
    if is_colour and image.shape[-1] >= 3:
        luma = image[..., :3].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        image = luma.round().astype(image.dtype) if image.dtype.kind == "u" else luma
    elif is_colour:  # grey with alpha
        image = image[..., 0]
    others = axes[: image.ndim - 2]
    along = next((axis for axis in "ZTIQ" if axis in others and image.shape[others.index(axis)] > 1), None)
    image = image[None] if along is None else np.moveaxis(image, others.index(along), -3)
    return (
        list(image.reshape(-1, *image.shape[-3:])) if along else list(image.reshape(-1, 1, *image.shape[-2:]))
    )


def value_range(plane: NDArray[np.generic]) -> tuple[float, float]:
    """Return the intensities that become 0 and 1: 0 and 255 for 8 bits, else the plane's extremes."""
    return (0.0, 255.0) if plane.dtype == np.uint8 else (float(plane.min()), float(plane.max()))


def to_unit(plane: NDArray[np.generic], limits: tuple[float, float] | None = None) -> NDArray[np.float32]:
    """Bring a plane to [0, 1], or a part of it by the `value_range` of the whole."""
    low, high = limits or value_range(plane)
    return ((plane.astype(np.float32) - low) / (high - low or 1.0)).astype(np.float32)


def _detail(patch: NDArray[np.float32]) -> float:
    """Return how much pixels differ from the next ones along a row and a column, on average."""
    return float(np.abs(np.diff(patch, axis=0)).mean() + np.abs(np.diff(patch, axis=1)).mean())


class Patches(Batches):
    """Batches of patches of images, degraded.

    A subfolder is drawn in proportion to the square root of its pixels, so that small domains are not
    drowned, or as `TrainingConfig.folder_weights` says; then a stack in proportion to its pixels, a plane, a
    place, and one of the eight flips and rotations. Of several such patches (`TrainingConfig.choices`) the
    one with most detail is taken.
    Planes that are too small for a patch of the largest factor serve the smaller ones. Single planes get made
    neighbours, where the network looks at some.

    Raises
    ------
    VaesrError
        As `load_stacks`, or when the weights name other folders than there are.
    """

    def __init__(self, places: Sequence[Path], config: TrainingConfig, first_step: int = 0) -> None:
        super().__init__(config, first_step)
        factors = config.network.factors
        groups = load_stacks(places, smallest=config.patch * min(max(factor) for factor in factors))
        weights = config.folder_weights
        if weights is not None and set(weights) != set(groups):
            raise VaesrError(
                f"The setting 'folder_weights' names {', '.join(weights)}, and the images that are large "
                f"enough to learn from lie in {', '.join(groups)}: give one weight for each."
            )
        self.weights = None if weights is None else np.array([weights[name] for name in groups])
        self.groups = list(groups.values())
        self.limits = [[value_range(stack) for stack in stacks] for stacks in self.groups]
        self.odds = {factor: self._odds(config.patch * max(factor)) for factor in factors}
        self.scale_odds = scale_odds(config, [self.odds[factor] is not None for factor in factors])

    def batch(self, step: int) -> Batch:
        """Make the batch of one step; the same step gives the same batch."""
        config, frames = self.config, self.config.network.frames
        rng = self.random(step)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        factor = config.network.factors[rng.choice(len(self.scale_odds), p=self.scale_odds)]
        patches = [self._chosen(rng, factor) for _ in range(config.batch)]
        high = torch.from_numpy(np.stack([patch[len(patch) // 2] for patch in patches]))[:, None]
        high = neighboured(high, frames, float(factor[1]), generator)
        for index, patch in enumerate(patches):
            if len(patch) == frames:
                high[index] = torch.from_numpy(patch)
        low, high, conditions = degrade(high, factor, config.degradation, generator)
        return shown(Batch(low, high, factor, conditions), config, generator)

    def _odds(self, side: int) -> tuple[FloatArray, list[FloatArray]] | None:
        """Return how likely each group is, and each of its stacks, for patches of so many pixels a side."""
        sizes = [
            np.array([stack.size * (min(stack.shape[1:]) >= side) for stack in stacks], float)
            for stacks in self.groups
        ]
        between = np.sqrt([size.sum() for size in sizes])
        if self.weights is not None:
            between = self.weights * (between > 0)
        if not between.any():
            return None
        return between / between.sum(), [size / max(size.sum(), 1) for size in sizes]

    def _chosen(self, rng: np.random.Generator, factor: Factor) -> NDArray[np.float32]:
        """Draw a patch, or a few and take the one with most detail."""
        return max(
            (self._patch(rng, factor) for _ in range(self.config.choices)),
            key=lambda patch: _detail(patch[len(patch) // 2]),
        )

    def _patch(self, rng: np.random.Generator, factor: Factor) -> NDArray[np.float32]:
        """Draw (frames, Y, X) of a stack that has as many planes, else one plane, (1, Y, X)."""
        odds = self.odds[factor]
        assert odds is not None
        between, within = odds
        group = rng.choice(len(self.groups), p=between)
        index = rng.choice(len(self.groups[group]), p=within[group])
        stack, sides = self.groups[group][index], [self.config.patch * each for each in factor]
        frames = self.config.network.frames if len(self.groups[group][index]) > 1 else 1
        reach = frames // 2
        middle = int(rng.integers(len(stack)))
        # Beyond the ends of a stack the last planes come again.
        planes = stack[np.clip(np.arange(middle - reach, middle + reach + 1), 0, len(stack) - 1)]
        least, most = self.config.degradation.reduce
        largest = min(most, min(stack.shape[1:]) / max(sides))
        times = least * (largest / least) ** rng.random() if largest >= least else 1.0
        # Turned first: rows and columns of a patch may differ in number.
        flip, turns = bool(rng.integers(2)), int(rng.integers(4))
        wide = [round(side * times) for side in (sides if turns % 2 == 0 else sides[::-1])]
        row, column = (int(rng.integers(size - w + 1)) for size, w in zip(stack.shape[1:], wide, strict=True))
        part = planes[:, row : row + wide[0], column : column + wide[1]]
        patches = [turned(to_unit(plane, self.limits[group][index]), flip, turns) for plane in part]
        if patches[0].shape != tuple(sides):
            patches = [
                np.asarray(Image.fromarray(patch).resize(sides[::-1], Image.Resampling.BICUBIC))
                for patch in patches
            ]
        return np.stack(patches)

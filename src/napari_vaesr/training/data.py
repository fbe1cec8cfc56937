"""Patches from folders of images, held in memory as they are on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

from napari_vaesr.errors import VaesrError
from napari_vaesr.training.batches import Batches, Pair, scale_odds, turned
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.degradation import degrade

FloatArray = NDArray[np.float64]

SUFFIXES = {".png", ".tif", ".tiff", ".jpg", ".jpeg"}


def find_images(places: Sequence[Path]) -> list[Path]:
    """List image files: those named, and all below the folders named.

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
            files += (path for path in visible_files(place) if path.suffix.lower() in SUFFIXES)
    if not files:
        listed = " and ".join(map(str, places))
        raise VaesrError(f"{listed} holds no PNG, TIFF or JPEG image: give another folder.")
    return sorted(set(files))


def visible_files(folder: Path) -> Iterator[Path]:
    """Yield what lies below a folder, without what is hidden: macOS's ``._cells.tif``, unfinished results."""
    for path in folder.rglob("*"):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def hold_out(places: Sequence[Path], every: int = 10) -> tuple[list[Path], list[Path]]:
    """Split image files into those to train on and every tenth, to validate on; one file serves for both."""
    files = find_images(places)
    held = files[every // 2 :: every] or files[-1:]
    left = set(files) - set(held)
    return sorted(left) or files, held


def load_planes(places: Sequence[Path], smallest: int) -> dict[str, list[NDArray[np.generic]]]:
    """Read images as grey planes, grouped by the folder they lie in.

    Parameters
    ----------
    places : sequence of Path
        PNG, TIFF or JPEG files, or folders of them. Colour is turned to luma; every plane of a stack counts.
    smallest : int
        Planes with a shorter side than this are left out.

    Raises
    ------
    VaesrError
        When there is nothing to train on, or a file cannot be read.
    """
    groups: dict[str, list[NDArray[np.generic]]] = {}
    for path in find_images(places):
        for plane in grey_planes(path):
            if min(plane.shape) >= smallest:
                groups.setdefault(path.parent.name, []).append(plane)
    if not groups:
        listed = " and ".join(map(str, places))
        raise VaesrError(f"{listed} holds no image of {smallest} pixels a side or more: give larger images.")
    return groups


def grey_planes(path: Path) -> list[NDArray[np.generic]]:
    """Read all planes of an image file, whatever their axes, colour as its luma.

    Raises
    ------
    VaesrError
        When it can't be read, or a value is NaN or infinite.
    """
    try:
        planes = _planes(path)
    except Exception as error:
        raise VaesrError(f"{path} cannot be read as an image: remove it or replace it.") from error
    if any(plane.dtype.kind == "f" and not np.isfinite(plane).all() for plane in planes):
        raise VaesrError(f"{path} holds NaN or infinite values: replace them, or leave the image out.")
    return planes


def _planes(path: Path) -> list[NDArray[np.generic]]:
    if path.suffix.lower() in {".tif", ".tiff"}:
        with tifffile.TiffFile(path) as file:
            image, axes = np.asarray(file.series[0].asarray()), file.series[0].axes
        if "S" in axes:  # colour, before or behind the pixels
            image = np.moveaxis(image, axes.index("S"), -1)
        is_colour = "S" in axes
    else:
        with Image.open(path) as picture:
            image = np.asarray(picture.convert("RGB") if picture.mode in {"P", "CMYK"} else picture)
        is_colour = image.ndim == 3
    if is_colour and image.shape[-1] >= 3:
        luma = image[..., :3].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        image = luma.round().astype(image.dtype) if image.dtype.kind == "u" else luma
    elif is_colour:  # grey with alpha
        image = image[..., 0]
    return list(image.reshape(-1, *image.shape[-2:]))


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
    drowned, or as `TrainingConfig.folder_weights` says; then a plane in proportion to its pixels, a place,
    and one of the eight flips and rotations. Of several such patches (`TrainingConfig.choices`) the one with
    most detail is taken.
    Planes that are too small for a patch of the largest scale serve the smaller ones.

    Raises
    ------
    VaesrError
        As `load_planes`, or when the weights name other folders than there are.
    """

    def __init__(self, places: Sequence[Path], config: TrainingConfig, first_step: int = 0) -> None:
        super().__init__(config, first_step)
        scales = config.network.scales
        groups = load_planes(places, smallest=config.patch * min(scales))
        weights = config.folder_weights
        if weights is not None and set(weights) != set(groups):
            raise VaesrError(
                f"The setting 'folder_weights' names {', '.join(weights)}, and the images that are large "
                f"enough to learn from lie in {', '.join(groups)}: give one weight for each."
            )
        self.weights = None if weights is None else np.array([weights[name] for name in groups])
        self.groups = list(groups.values())
        self.limits = [[value_range(plane) for plane in planes] for planes in self.groups]
        self.odds = {scale: self._odds(config.patch * scale) for scale in scales}
        self.scale_odds = scale_odds(config, [self.odds[scale] is not None for scale in scales])

    def batch(self, step: int) -> Pair:
        """Make the batch of one step; the same step gives the same batch."""
        rng = self.random(step)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        scale = int(rng.choice(self.config.network.scales, p=self.scale_odds))
        patches = np.stack([self._chosen(rng, scale) for _ in range(self.config.batch)])
        low, high = degrade(torch.from_numpy(patches)[:, None], scale, self.config.degradation, generator)
        return low, high, scale

    def _odds(self, side: int) -> tuple[FloatArray, list[FloatArray]] | None:
        """Return how likely each group is, and each of its planes, for patches of so many pixels a side."""
        sizes = [
            np.array([plane.size * (min(plane.shape) >= side) for plane in planes], float)
            for planes in self.groups
        ]
        between = np.sqrt([size.sum() for size in sizes])
        if self.weights is not None:
            between = self.weights * (between > 0)
        if not between.any():
            return None
        return between / between.sum(), [size / max(size.sum(), 1) for size in sizes]

    def _chosen(self, rng: np.random.Generator, scale: int) -> NDArray[np.float32]:
        """Draw a patch, or a few and take the one with most detail."""
        return max((self._patch(rng, scale) for _ in range(self.config.choices)), key=_detail)

    def _patch(self, rng: np.random.Generator, scale: int) -> NDArray[np.float32]:
        odds = self.odds[scale]
        assert odds is not None
        between, within = odds
        group = rng.choice(len(self.groups), p=between)
        index = rng.choice(len(self.groups[group]), p=within[group])
        plane, side = self.groups[group][index], self.config.patch * scale
        least, most = self.config.degradation.reduce
        largest = min(most, min(plane.shape) / side)
        factor = least * (largest / least) ** rng.random() if largest >= least else 1.0
        wide = round(side * factor)
        row, column = (int(rng.integers(size - wide + 1)) for size in plane.shape)
        patch = to_unit(plane[row : row + wide, column : column + wide], self.limits[group][index])
        if wide != side:
            patch = np.asarray(Image.fromarray(patch).resize((side, side), Image.Resampling.BICUBIC))
        return turned(patch, bool(rng.integers(2)), int(rng.integers(4)))

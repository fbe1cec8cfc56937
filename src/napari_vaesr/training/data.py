"""Patches from folders of images, held in memory as they are on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.io import imread
from torch import Tensor
from torch.utils.data import IterableDataset

from napari_vaesr.errors import VaesrError
from napari_vaesr.training.config import TrainingConfig
from napari_vaesr.training.degradation import degrade

SUFFIXES = {".png", ".tif", ".tiff", ".jpg", ".jpeg"}


def load_folders(folders: Sequence[Path], smallest: int) -> dict[str, list[NDArray[np.generic]]]:
    """Read every image below some folders as grey planes, grouped by the subfolder they lie in.

    Parameters
    ----------
    folders : sequence of Path
        PNG, TIFF or JPEG files, in subfolders or not. Colour is turned to luma; every plane of a stack
        counts.
    smallest : int
        Planes with a shorter side than this are left out.

    Raises
    ------
    VaesrError
        When there is nothing to train on, or a file cannot be read.
    """
    groups: dict[str, list[NDArray[np.generic]]] = {}
    files = (p for folder in folders for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    for path in sorted(files):
        try:
            image = imread(path)
        except Exception as error:
            raise VaesrError(
                f"{path} cannot be read as an image: remove it or replace it ({error})."
            ) from error
        for plane in grey_planes(image):
            if min(plane.shape) >= smallest:
                groups.setdefault(path.parent.name, []).append(plane)
    if not groups:
        places = " and ".join(map(str, folders))
        raise VaesrError(f"{places} holds no image of {smallest} pixels a side or more: give another folder.")
    return groups


def grey_planes(image: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    """Split an image of two or more dimensions into grey planes; a last axis of 3 or 4 is colour."""
    if image.ndim >= 3 and image.shape[-1] in (3, 4):
        luma = image[..., :3].astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        image = luma.round().astype(image.dtype) if image.dtype.kind == "u" else luma
    return list(image.reshape(-1, *image.shape[-2:]))


def to_unit(plane: NDArray[np.generic]) -> NDArray[np.float32]:
    """Bring a plane to [0, 1]: 8-bit ones by 255, others by their own range."""
    if plane.dtype == np.uint8:
        return plane.astype(np.float32) / np.float32(255)
    low, high = float(plane.min()), float(plane.max())
    return ((plane.astype(np.float32) - low) / (high - low or 1.0)).astype(np.float32)


class Patches(IterableDataset[tuple[Tensor, Tensor, int]]):
    """An endless supply of batches (low, high, scale), each of one scale.

    A subfolder is drawn in proportion to the square root of its pixels, so that small domains are not
    drowned, then a plane in proportion to its pixels, a place, and one of the eight flips and rotations.
    """

    def __init__(self, folders: Sequence[Path], config: TrainingConfig, first_step: int = 0) -> None:
        self.config = config
        self.first_step = first_step
        scales = config.network.scales
        smallest = config.patch * max(scales)
        groups = load_folders(folders, smallest)
        self.groups = list(groups.values())
        sizes = [np.array([plane.size for plane in planes], float) for planes in self.groups]
        self.within = [size / size.sum() for size in sizes]
        between = np.sqrt([size.sum() for size in sizes])
        self.between = between / between.sum()
        weights = np.array(config.scale_weights or [1.0] * len(scales))
        self.scale_weights = weights / weights.sum()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, int]]:
        step = self.first_step
        while True:
            yield self.batch(step)
            step += 1

    def batch(self, step: int) -> tuple[Tensor, Tensor, int]:
        """Make the batch of one step; the same step gives the same batch."""
        rng = np.random.default_rng((self.config.seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        scale = int(rng.choice(self.config.network.scales, p=self.scale_weights))
        patches = np.stack([self._patch(rng, self.config.patch * scale) for _ in range(self.config.batch)])
        low, high = degrade(torch.from_numpy(patches)[:, None], scale, self.config.degradation, generator)
        return low, high, scale

    def _patch(self, rng: np.random.Generator, side: int) -> NDArray[np.float32]:
        group = rng.choice(len(self.groups), p=self.between)
        plane = self.groups[group][rng.choice(len(self.groups[group]), p=self.within[group])]
        row, column = (int(rng.integers(size - side + 1)) for size in plane.shape)
        patch = plane[row : row + side, column : column + side]
        patch = (
            to_unit(patch)
            if plane.dtype == np.uint8
            else to_unit(plane)[row : row + side, column : column + side]
        )
        if rng.integers(2):
            patch = patch[::-1]
        return np.ascontiguousarray(np.rot90(patch, int(rng.integers(4))))

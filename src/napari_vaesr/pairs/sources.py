"""Low-res images and their truth: made from high-res images, or found as real pairs."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from napari_vaesr.arrays import Array
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.image import SUFFIXES, can_read
from napari_vaesr.files.image_file import image_name
from napari_vaesr.imaging.sampling import evenly_spaced
from napari_vaesr.pairs.images import as_dtype, grey, read_planes, value_range, why_passed, with_intensities
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.pairs.settings import Degradation

DegradationKind = Literal["clean", "noisy"]


@dataclass(frozen=True)
class EvaluationImage:
    """An image to evaluate on, and the real low-res image of it if there is one."""

    path: Path
    domain: str
    low: Path | None = None


def find_sources(
    folders: Sequence[Path], limit: int | None = None, passed: list[Path] | None = None
) -> list[EvaluationImage]:
    """List the images of folders; every subfolder is a domain of its own.

    Parameters
    ----------
    folders : sequence of Path
        Of high-res images, in subfolders or not.
    limit : int, optional
        Images of each domain at most, evenly spaced.
    passed : list of Path, optional
        Gets the results, masks and labels that are passed over.

    Raises
    ------
    VaesrError
        When a folder doesn't exist or holds no image.
    """
    domains: dict[str, list[EvaluationImage]] = {}
    owners: dict[str, Path] = {}
    for folder in dict.fromkeys(folders):
        for path in _images(folder, passed):
            domain = _domain(folder, path)
            if owners.setdefault(domain, path.parent) != path.parent:
                domain = path.parent.as_posix()  # two folders of one name
            domains.setdefault(domain, []).append(EvaluationImage(path, domain))
    return _limited(domains, limit)


def find_pairs(
    low: Path, high: Path, limit: int | None = None, passed: list[Path] | None = None
) -> list[EvaluationImage]:
    """Match the images of two folders by their names and subfolders, whatever the format.

    Parameters
    ----------
    low, high : Path
        The folders of low-res and of high-res images.
    limit : int, optional
        Pairs of each domain at most, evenly spaced.
    passed : list of Path, optional
        Gets the results, masks and labels that are passed over.

    Raises
    ------
    VaesrError
        When a folder doesn't exist or holds no image, or an image has no partner
        or several.
    """
    partners: dict[Path, list[Path]] = {}
    for path in _images(high, passed):
        partners.setdefault(path.relative_to(high).parent / image_name(path), []).append(path)
    domains: dict[str, list[EvaluationImage]] = {}
    for path in _images(low, passed):
        name = path.relative_to(low).parent / image_name(path)
        if name not in partners:
            raise VaesrError(f"{path} has no partner of that name in {high}, add it or take it away.")
        if len(partners[name]) > 1:
            several = " and ".join(each.name for each in partners[name])
            raise VaesrError(f"{path} has several partners in {high}, {several}: take away all but one.")
        domain = _domain(low, path)
        domains.setdefault(domain, []).append(EvaluationImage(partners[name][0], domain, low=path))
    return _limited(domains, limit)


def made_pairs(source: EvaluationImage, scale: int, degradation: DegradationKind) -> Iterator[Pair]:
    """Yield each plane of a high-res image with a low-res image made from it.

    Parameters
    ----------
    source : EvaluationImage
        The image; it is cropped to a multiple of the scale.
    scale : int
        How many times smaller the low-res image is.
    degradation : {"clean", "noisy"}
        Clean is antialiased bicubic interpolation, in the dtype of the image. Noisy is the blur, shot noise
        and camera noise of `microscope`, drawn anew for each plane but the same every time; colour becomes
        luma.
    """
    for name, plane in read_planes(source.path):
        height, width = (size // scale * scale for size in plane.shape[:2])
        truth = plane[:height, :width]
        if degradation == "clean":
            pair = low_res(name, source.domain, truth, scale)
        else:
            seed = zlib.crc32(os.fsencode(name))
            pair = low_res(name, source.domain, grey(truth), scale, "microscope", seed)
        yield replace(pair, original=str(source.path))


def low_res(
    name: str,
    domain: str,
    truth: Array,
    scale: int,
    way: Degradation | Literal["microscope"] | None = None,
    seed: int = 0,
) -> Pair:
    """Make a low-res image of the same dtype: by a degradation, or by antialiased bicubic interpolation.

    Parameters
    ----------
    name, domain : str
        For the pair.
    truth : array
        (Y, X), or without a degradation (Y, X, 3) too; sizes divisible by `scale`.
    scale : int
        How many times smaller the low-res image is.
    way : Degradation or "microscope", optional
        How it is made.
    seed : int
        Of what the degradation draws.
    """
    black, span = _range(truth)
    if way is None:
        return Pair(name, domain, as_dtype(truth.dtype, _shrunk(truth, scale)), truth, scale, black, span)
    low, high, blur = _degraded((truth - black) / span, scale, way, seed)
    if way != "microscope" and way.own_blur[1] > 0:  # it stays, so it is in the truth
        truth = as_dtype(truth.dtype, high * span + black)
    return Pair(name, domain, as_dtype(truth.dtype, low * span + black), truth, scale, black, span, blur=blur)


def always_noisy(degradation: Degradation) -> Degradation:
    """Return a degradation that spares no image its noise, and leaves the truth as it is."""
    truth = {"gain": (1.0, 1.0), "offset": (0.0, 0.0), "reduce": (1.0, 1.0)}
    return degradation.model_copy(update={"clean": 0.0, **truth})


def real_pairs(source: EvaluationImage, scales: Sequence[int]) -> Iterator[Pair]:
    """Yield each plane of a real pair; one of unknown gain and offset between the two.

    Parameters
    ----------
    source : EvaluationImage
        One that has a low-res image.
    scales : sequence of int
        How many times larger the truth may be.

    Raises
    ------
    VaesrError
        When the two differ in number of planes, or one is not one of the scales times as large as the other.
    """
    if source.low is None:
        raise ValueError("not a real pair")
    lows, highs = list(read_planes(source.low)), list(read_planes(source.path))
    if len(lows) != len(highs):
        raise VaesrError(f"It has {len(lows)} planes and its partner {source.path} has {len(highs)}.")
    for (name, low), (_, truth) in zip(lows, highs, strict=True):
        scale = truth.shape[0] // low.shape[0]
        if truth.shape[:2] != (low.shape[0] * scale, low.shape[1] * scale) or scale not in scales:
            choice = " or ".join(map(str, scales))
            raise VaesrError(
                f"It is {low.shape[1]} x {low.shape[0]} pixels, and {source.path} with "
                f"{truth.shape[1]} x {truth.shape[0]} is not {choice} times as large."
            )
        if low.ndim != truth.ndim:
            low, truth = grey(low), grey(truth)
        black, span = _range(truth)
        original = str(source.path)
        yield Pair(name, source.domain, low, truth, scale, black, span, fitted=True, original=original)


def _images(folder: Path, passed: list[Path] | None) -> list[Path]:
    if not folder.is_dir():
        raise VaesrError(f"There is no folder {folder}, please give one with images.")
    left_out: list[Path] = []
    found = sorted(path for path in with_intensities(folder, SUFFIXES, left_out) if can_read(path))
    if not found:
        why = f" ({why_passed(left_out)})" if left_out else ""
        raise VaesrError(f"There are no images in {folder}{why}, please give another folder.")
    if passed is not None:
        passed += left_out
    return found


def _domain(folder: Path, path: Path) -> str:
    """Return the last two parts of the path of an image's folder: ``set5/HR``, ``val/photo``."""
    return "/".join((folder.resolve() / path.relative_to(folder).parent).parts[-2:])


def _limited(domains: dict[str, list[EvaluationImage]], limit: int | None) -> list[EvaluationImage]:
    chosen: list[EvaluationImage] = []
    for sources in domains.values():
        chosen += [sources[place] for place in evenly_spaced(len(sources), limit or len(sources))]
    return chosen


def _range(truth: Array) -> tuple[float, float]:
    """Return what counts as black, and the distance to white: 255 for 8 bits, else what the image has."""
    low, high = value_range(truth)
    return low, high - low or 1.0


def _shrunk(truth: Array, scale: int) -> Array:
    """Make an image small by antialiased bicubic interpolation."""
    from napari_vaesr.pairs.degradation import downscaled

    planes = downscaled(np.moveaxis(np.atleast_3d(truth), -1, 0), scale)
    return np.moveaxis(planes, 0, -1) if truth.ndim == 3 else planes[0]


def _degraded(
    unit: Array, scale: int, way: Degradation | Literal["microscope"], seed: int
) -> tuple[Array, Array, float]:
    """Make an image in unit intensity small as a microscope sees it, or as in a training.

    Also return its truth and the blur between the two.
    """
    import torch

    from napari_vaesr.pairs.degradation import degrade, microscope

    high = torch.from_numpy(np.ascontiguousarray(unit, np.float32))[None, None]
    generator = torch.Generator().manual_seed(seed)
    if way == "microscope":
        low, blur = microscope(high, scale, generator)
        return np.asarray(low[0, 0]), unit, float(blur)
    low, high, _, conditions = degrade(high, scale, way, generator)
    return np.asarray(low[0, 0]), np.asarray(high[0, 0]), float(conditions[0, 2])

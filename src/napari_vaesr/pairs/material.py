"""What a fine-tuning learns from and is checked on: planes in memory, split so that they share no pixel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import lcm
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_vaesr.arrays import Float32Array
from napari_vaesr.engine.progress import Progress
from napari_vaesr.errors import VaesrError
from napari_vaesr.files.atomic import atomic_path
from napari_vaesr.imaging.axes import Axes, SourceArray
from napari_vaesr.imaging.colour import premultiplied
from napari_vaesr.imaging.intensity import IntensityMethod, check_finite, fit_scalings
from napari_vaesr.imaging.sampling import evenly_spaced, middle_part
from napari_vaesr.pairs.degradation import downscaled
from napari_vaesr.pairs.images import hold_out, load_planes
from napari_vaesr.pairs.pair import Pair
from napari_vaesr.vae.config import NetworkConfig

LARGEST = 2**25
"""High-res pixels that are kept: 128 MB. A fine-tuning of minutes sees no more."""

CHECKED = 0.2
"""Share of every plane, along its longer side, that is kept for checking."""

GAP = 16
"""High-res pixels between the part that is learnt from and the part that is checked on."""

Tell = Callable[[Progress], None]
"""Called with how many planes or files were read; what it raises stops the reading."""

READING = "Reading images"


@dataclass(frozen=True)
class Material:
    """Planes to learn from and planes to check on.

    Attributes
    ----------
    learn, check : tuple of Pair
        They share no pixel: other parts of the same planes, or other files.
    scale : int, optional
        The factor between recorded pairs; None where the low-res planes are simulated.
    origin : str
        Where the images come from, for the model's card.
    message : str
        What the user should know about the choice of planes.
    """

    learn: tuple[Pair, ...]
    check: tuple[Pair, ...]
    scale: int | None = None
    origin: str = ""
    message: str = ""

    @property
    def smallest_side(self) -> int:
        """The shortest side of all planes to learn from, in high-res pixels."""
        return int(min(min(view.truth.shape) for view in self.learn))

    def save(self, path: Path) -> None:
        """Write it to an ``.npz`` file, which holds numbers only."""
        arrays: dict[str, NDArray[np.generic]] = {}
        for part in ("learn", "check"):
            for index, view in enumerate(getattr(self, part)):
                arrays[f"{part}_{index}_high"] = view.truth
                if view.scale > 1:
                    arrays[f"{part}_{index}_low"] = view.low
        about = {"scale": self.scale, "origin": self.origin, "message": self.message}
        with atomic_path(path) as temporary:
            np.savez(temporary, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Material:
        """Read what `save` wrote; nothing is unpickled.

        Raises
        ------
        VaesrError
            When the file is missing or damaged.
        """
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                parts: dict[str, list[Pair]] = {"learn": [], "check": []}
                for part, views in parts.items():
                    while (key := f"{part}_{len(views)}") + "_high" in file:
                        high = file[f"{key}_high"]
                        low = file.get(f"{key}_low", None)
                        paired = low is not None and about["scale"]
                        views.append(
                            Pair("", "", low, high, about["scale"], span=1.0)
                            if paired
                            else Pair.of_truth(high)
                        )
            return cls(tuple(parts["learn"]), tuple(parts["check"]), **about)
        except Exception as error:  # a zip file can break in many ways
            raise VaesrError(
                f"The images of the fine-tuning in {path.parent} can't be read: start a new one."
            ) from error


def material_from_image(
    array: SourceArray,
    axes: str,
    network: NetworkConfig,
    intensity: IntensityMethod,
    *,
    name: str,
    progress: Tell | None = None,
) -> Material:
    """Take an image as the high-res truth.

    Parameters
    ----------
    array : NumPy, Dask or Zarr array
        Any axes; colour counts as its luma. Of many planes, evenly spaced ones are read.
    axes : str
        Names of its axes, such as ``"ZYX"``.
    network : NetworkConfig
        The network to be trained; its scales and strides decide how the planes are cut.
    intensity : str
        How the model scales intensities.
    name : str
        What to call the image.
    progress : callable, optional
        Called with a `Progress` after every plane.

    Raises
    ------
    VaesrError
        When the image can't be upscaled or is too small.
    """
    named = Axes.parse(axes, array.shape)
    views = [
        Pair.of_truth(plane) for plane in _planes(array, named, intensity, _choice(named, LARGEST), progress)
    ]
    message = _told(len(views), named.plane_count)
    return _split(views, network, Material((), (), None, f"the image '{name}'", message))


def material_from_pair(
    low: SourceArray,
    low_axes: str,
    high: SourceArray,
    high_axes: str,
    network: NetworkConfig,
    intensity: IntensityMethod,
    *,
    name: str,
    progress: Tell | None = None,
) -> Material:
    """Take two images of the same fields, plane by plane, the second with more pixels.

    The high-res intensities are brought to those of the low-res planes by a straight line, the least-squares
    fit of what is left when the high-res planes are made small, because the model keeps the intensities of
    its input.

    Parameters
    ----------
    low, high : NumPy, Dask or Zarr arrays
        Lengths of Y and X of `high` are the same multiple of those of `low`, and other axes are alike.
    low_axes, high_axes : str
        Names of their axes.
    network, intensity, name, progress
        As for `material_from_image`.

    Raises
    ------
    VaesrError
        When sizes do not fit, the factor is no scale of the model, or the two do not show the same.
    """
    small = Axes.parse(low_axes, low.shape)
    large = Axes.parse(high_axes, high.shape)
    scale = large.height // small.height
    if (large.height, large.width) != (scale * small.height, scale * small.width) or (
        scale not in network.scales
    ):
        scales = ", ".join(map(str, network.scales))
        raise VaesrError(
            f"A pair has to have {scales} times as many pixels along Y and X, not {large.width} × "
            f"{large.height} and {small.width} × {small.height}: crop or choose other images."
        )
    if large.loop_shape != small.loop_shape:
        raise VaesrError(
            f"The low-res image has {small.plane_count} planes and the high-res one {large.plane_count}: "
            "give as many, in the same order."
        )
    numbers, rows, columns = _choice(small, LARGEST // scale**2)
    lows = _planes(low, small, intensity, (numbers, rows, columns), progress)
    rows, columns = (slice(scale * each.start, scale * each.stop) for each in (rows, columns))
    highs = _planes(high, large, intensity, (numbers, rows, columns), progress)
    matched = zip(lows, _matched(highs, lows, scale), strict=True)
    views = [Pair("", "", low, high, scale, span=1.0) for low, high in matched]
    message = _told(len(views), small.plane_count)
    return _split(views, network, Material((), (), scale, f"the images '{name}'", message))


def material_from_folder(
    places: Sequence[Path],
    network: NetworkConfig,
    intensity: IntensityMethod,
    *,
    progress: Tell | None = None,
) -> Material:
    """Take image files, or folders of them, as the high-res truth; whole files are held out to check on.

    A single file is split like an image.

    Parameters
    ----------
    places : sequence of Path
        Files, or folders that are searched.
    network : NetworkConfig
        What learns from it: its factors and strides say how large images have to be.
    intensity : {"percentile", "minmax", "dtype"}
        How intensities are scaled to about [0, 1].
    progress : callable, optional
        Called with every `Progress`.

    Raises
    ------
    VaesrError
        As `load_planes`, or when no image is large enough.
    """
    learn, check = hold_out(places, network.whole_side)
    origin = f"{len(learn) + len(check)} files in " + ", ".join(place.name for place in places)

    def views(files: Sequence[Path], most: int) -> Iterator[Pair]:
        pixels = 0
        for number, file in enumerate(files):
            if progress is not None:
                progress(Progress(number, len(files), READING))
            for planes in load_planes([file], 1).values():
                for plane in planes:
                    named = Axes.parse("YX", plane.shape)
                    _, rows, columns = _choice(named, most)
                    part = plane[rows, columns]
                    if pixels and pixels + part.size > most:
                        return
                    pixels += part.size
                    (scaling,) = fit_scalings(plane, named, intensity)
                    yield Pair.of_truth(scaling.to_unit(part))

    if set(learn) & set(check):  # one file only
        found = list(views(learn, LARGEST))
        return _split(found, network, Material((), (), None, origin, ""))
    need, unit = _least_side(network), network.whole_side
    # Files in an order of their own, so that a folder that is too large is not cut off at its end.
    shuffled = [learn[index] for index in np.random.default_rng(0).permutation(len(learn))]
    kept = tuple(view for view in views(shuffled, LARGEST) if min(view.truth.shape) >= need)
    held = tuple(view for view in views(check, LARGEST // 4) if min(view.truth.shape) >= unit)
    if not kept or not held:
        raise VaesrError(f"There are too few images of {max(need, unit)} pixels a side: give larger ones.")
    return Material(kept, held, None, origin)


def _choice(named: Axes, most: int) -> tuple[list[int], slice, slice]:
    """Choose evenly spaced planes of at most so many pixels, and the middle of one that is too large."""
    count = max(1, most // (named.height * named.width))
    shrink = min(1.0, (most / (named.height * named.width)) ** 0.5)
    rows, columns = (middle_part(size, int(size * shrink)) for size in (named.height, named.width))
    return evenly_spaced(named.plane_count, count), rows, columns


def _planes(
    array: SourceArray,
    named: Axes,
    intensity: IntensityMethod,
    choice: tuple[list[int], slice, slice],
    progress: Tell | None,
) -> list[Float32Array]:
    """Read chosen planes of an image in unit intensity."""
    numbers, rows, columns = choice
    scalings = fit_scalings(array, named, intensity)
    planes = []
    for done, number in enumerate(numbers):
        pixels = named.read_plane(array, number, rows, columns)
        check_finite(pixels, "", named.plane_coordinates(number))
        pixels = premultiplied(pixels) if named.is_rgb else pixels
        planes.append(scalings[named.channel_of(number)].unit_luma(pixels, named.is_rgb))
        if progress is not None:
            progress(Progress(done + 1, len(numbers), READING))
    return planes


def _told(read: int, count: int) -> str:
    return f"Learns from {read} of the {count} planes, evenly spaced." if read < count else ""


def _matched(
    highs: Sequence[Float32Array], lows: Sequence[Float32Array], scale: int
) -> Iterable[Float32Array]:
    """Bring high-res planes to the intensities of their low-res planes by one straight line."""
    small = np.concatenate([downscaled(plane, scale).ravel() for plane in highs]).astype(np.float64)
    seen = np.concatenate([plane.ravel() for plane in lows]).astype(np.float64)
    if not small.std() or not seen.std() or (correlation := np.corrcoef(small, seen)[0, 1]) < 0.3:
        raise VaesrError(
            "The low-res and the high-res image do not show the same: check that they are aligned and that "
            "their planes have the same order."
        )
    slope = correlation * seen.std() / small.std()
    offset = seen.mean() - slope * small.mean()
    return [(slope * plane + offset).astype(np.float32) for plane in highs]


def _least_side(network: NetworkConfig) -> int:
    """Sides of what is learnt from are at least this: the smallest patch at the largest factor."""
    largest = max(side for factor in network.factors for side in factor)
    return max(8, lcm(*(level.stride for level in network.levels))) * largest


def _split(views: Sequence[Pair], network: NetworkConfig, frame: Material) -> Material:
    """Keep one end of every plane, along its longer side, for checking; a gap lies in between."""
    unit, need = network.whole_side, _least_side(network)
    learn: list[Pair] = []
    check: list[Pair] = []
    for view in views:
        height, width = (size // lcm(*network.scales) * lcm(*network.scales) for size in view.truth.shape)
        longer = max(height, width)
        checked = max(unit, round(CHECKED * longer / unit) * unit)
        if longer - checked - GAP < need or min(height, width) < max(unit, need):
            raise VaesrError(
                f"The image is too small to learn from, {width} × {height} pixels: it takes "
                f"{max(unit, need)} pixels along one side and {unit + need + GAP} along the other."
            )
        step = frame.scale or 1
        border = (longer - checked - GAP) // step * step
        ends = (slice(0, border), slice(longer - checked, longer))
        for part, end in zip((learn, check), ends, strict=True):
            whole = (slice(0, height), slice(0, width))
            rows, columns = (end, whole[1]) if height > width else (whole[0], end)
            part.append(view.part(rows, columns))
    return replace(frame, learn=tuple(learn), check=tuple(check))
